"""Lines of the status page about desks, hosts and the programs that watch them."""

from collections import Counter

from flask import url_for

from api.health.check_lateness import CheckLateness
from api.health.desk_overview import DeskOverview, DeskTrouble
from api.health.discovery_overview import DiscoveryOverview
from api.health.due_overview import Due
from api.health.host_overview import HostOverview, OutageOverview
from api.health.process_overview import Spider
from api.models.desk import DeskStatus
from api.pages.admin.desks.links import build_desk_url
from api.pages.admin.status.line import BAD, GOOD, WARN, Line, cut, write_decimal, write_seconds, write_since
from api.pages.admin.words import DESK_STATUSES, count
from configs.clock import clock

_LATE = 1.0  # seconds; more shows that something is slow
_WHOLE_SHARE = 100
_SPIDER_STATES = {"waiting": "en attente", "serving": "en service", "ending": "s’arrête"}


def list_desk_lines(part: DeskOverview) -> list[Line]:
    """Return how many desks are in which state, the reasons, and how often they are checked."""
    lines = [
        Line(
            f"{count(part.watched, 'guichet vérifié', 'guichets vérifiés')}, {part.unwatched} hors surveillance"
        )
    ]
    lines += [_write_status(name, number) for name, number in part.by_status.items() if number]
    lines += cut([_write_trouble(each) for each in part.troubles])
    if part.pace:
        median, worst = write_decimal(part.pace.median, 2), write_decimal(part.pace.worst, 2)
        pace = f"Intervalle tenu ÷ souhaité : médiane {median}, au pire {worst}"
        lines.append(Line(pace, detail=part.pace.desk, url=build_desk_url(part.pace.desk)))
    newest = f"il y a {write_since(part.newest_check_at)}" if part.newest_check_at else "jamais"
    lines.append(Line(f"Dernière vérification : {newest}", "" if part.newest_check_at else BAD))
    opened = count(part.open_slots, "créneau ouvert", "créneaux ouverts")
    where = count(part.open_desks, "guichet", "guichets")
    found = count(part.detections_last_hour, "détection", "détections")
    lines.append(Line(f"{opened} à {where} ; {found} en une heure"))
    return [*lines, Line(f"{count(part.waiting_alerts, 'alerte attend', 'alertes attendent')}")]


def _write_status(name: str, number: int) -> Line:
    status = DeskStatus.__members__.get(name)
    if status is None:
        return Line(f"Pas encore planifié : {number}", WARN)
    tone, text = DESK_STATUSES[status]
    return Line(f"{text} : {number}", tone, url=url_for("admin_desks.list_desks", status=name))


def _write_trouble(each: DeskTrouble) -> Line:
    more = f", et {len(each.desks) - 1} de plus" if len(each.desks) > 1 else ""
    tone = BAD if each.status is DeskStatus.ERROR else WARN
    return Line(f"{each.desks[0]}{more}", tone, each.reason, build_desk_url(each.desks[0]))


def list_host_lines(part: HostOverview) -> list[Line]:
    """Return the hosts that are stopped, at rest, or asked less."""
    lines = [
        Line(
            f"{each.host} : arrêté depuis {write_since(each.since)}", BAD, each.reason, _link_host(each.host)
        )
        for each in part.stopped
    ]
    for rest in part.resting:
        left = write_seconds((rest.until - clock()).total_seconds())
        lines.append(Line(f"{rest.host} : au repos, encore {left}", WARN, rest.reason, _link_host(rest.host)))
    for each in part.reduced:
        share = f"{each.share * _WHOLE_SHARE:.0f} % de son débit"
        lines.append(Line(f"{each.host} : {share}", WARN, url=_link_host(each.host)))
    return cut(lines) or [Line("Tous consultés comme prévu", GOOD)]


def _link_host(host: str) -> str:
    return url_for("admin_hosts.show_host", host=host)


def list_outage_lines(part: OutageOverview) -> list[Line]:
    """Return the desks that are not watched, by reason, the oldest first."""
    if not part.open:
        return [Line("Aucune", GOOD)]
    reasons = Counter(each.reason for each in part.open)
    said = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
    lines = [
        Line(
            f"{each.desk}, depuis {write_since(each.since)}",
            detail=each.reason,
            url=build_desk_url(each.desk),
        )
        for each in part.open
    ]
    return [Line(count(len(part.open), "guichet", "guichets"), WARN, said), *cut(lines)]


def list_due_lines(part: list[Due]) -> list[Line]:
    """Return the due queue of each booking system."""
    return [_write_due(each) for each in part] or [Line("Rien n’est planifié", BAD)]


def _write_due(each: Due) -> Line:
    late = (
        f"{each.overdue} en retard, de {write_decimal(each.latest_seconds)} s au plus"
        if each.overdue
        else "aucun en retard"
    )
    waiting = count(each.held_back, "attend son site", "attendent leur site")
    held = f" ; {waiting}" if each.held_back else ""
    pushed = f" ; {count(each.pushed, 'demandé', 'demandés')}" if each.pushed else ""
    tone = GOOD if each.latest_seconds <= _LATE else BAD
    return Line(f"{each.system} : {count(each.desks, 'guichet', 'guichets')}, {late}{held}{pushed}", tone)


def list_lateness_lines(part: CheckLateness | None) -> list[Line]:
    """Return how punctual the checks of the last hour were."""
    if part is None:
        return [Line("Aucun guichet n’a été vérifié deux fois en une heure")]
    median, slow = write_decimal(part.p50_seconds), write_decimal(part.p95_seconds)
    late = f"Retard médian {median} s, au 95e centile {slow} s"
    looked_at = (
        f"{count(part.gaps, 'intervalle', 'intervalles')} de {count(part.desks, 'guichet', 'guichets')}"
    )
    tone = GOOD if part.p95_seconds <= _LATE else BAD
    return [Line(late, tone), Line(f"Tenu ÷ souhaité {write_decimal(part.ratio, 2)}, sur {looked_at}")]


def list_discovery_lines(part: DiscoveryOverview) -> list[Line]:
    """Return the newest walk of discovery, and the desks whose page seems to have moved."""
    lines = [_write_walk(part)]
    moved = [
        Line(
            f"{each.desk}, depuis {write_since(each.since)}",
            WARN,
            f"{each.reason} {each.detail}",
            build_desk_url(each.desk),
        )
        for each in part.drifts
    ]
    return lines + cut(moved)


def _write_walk(part: DiscoveryOverview) -> Line:
    last = part.last
    if last is None:
        return Line("Pas encore de parcours")
    if last.ended_at is None:
        return Line(f"Parcours en cours depuis {write_since(last.started_at)}", GOOD)
    found = count(last.found, "page nouvelle", "pages nouvelles")
    text = f"Dernier parcours il y a {write_since(last.started_at)} : {count(last.pages, 'page', 'pages')}, {found}"
    return Line(
        f"{text}{', interrompu faute de temps' if last.cut else ''}", WARN if last.cut or last.found else GOOD
    )


def list_spider_lines(part: list[Spider]) -> list[Line]:
    """Return the spider processes."""
    return [_write_spider(each) for each in part] or [Line("Aucun ne répond : rien n’est vérifié", BAD)]


def _write_spider(each: Spider) -> Line:
    work = f"{count(each.checks, 'vérification', 'vérifications')}, {each.running} en cours"
    state = _SPIDER_STATES.get(each.state, each.state)
    text = f"{each.system} : {write_since(each.started)}, {each.memory_mb} Mo, {work}, {state}"
    return Line(f"{text}, version {each.version[:8]}", GOOD if each.state == "serving" else WARN)
