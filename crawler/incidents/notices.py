"""Notices about desks to subscribers: out of watch and back, watchable now, and slots that are about to be released."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, time, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.models.alert import Alert
from api.models.base import write_rows
from api.models.desk import DeskState, Publication, is_current
from api.models.discovery import is_page_lost
from api.models.incident import Incident
from api.models.user import Channel
from configs.world.desk import Desk, zone_or_home
from configs.world.plan import plan
from configs.world.prefecture import desks
from crawler.scheduling.intervals import captcha_expected
from crawler.scheduling.planning import targets_of

# Recipients in one run, which holds a lock; the next runs take the others.
AT_ONCE = 200

# For the user of an alert `a`. Desk notices have templates for these two channels (notifier/templates).
REACHABLE = """EXISTS (SELECT FROM contacts c WHERE c.user_id = a.user_id AND c.enabled AND c.verified_at IS NOT NULL
    AND c.state = 'ok' AND c.channel IN ('email', 'telegram'))"""

# For the user of an alert `a`: a grant covers `:now`.
ENTITLED = """EXISTS (SELECT FROM grants g WHERE g.user_id = a.user_id AND g.starts_at <= :now AND g.ends_at > :now)"""

_WAIT = timedelta(days=30)  # after an incident, for the last of its desks to be watched again

# The targets that mean one of some desks, with the desk that each means; an index has those without a desk.
_MEANT = """json_to_recordset(:targets) AS w(desk text, desk_id text, prefecture_id text, procedure text)
JOIN alert_targets t ON t.desk_id = w.desk_id
  OR (t.desk_id IS NULL AND t.prefecture_id = w.prefecture_id AND t.procedure = w.procedure)"""

# Entitled users who wait for one of the desks and can be reached, without an outage notice (`:told` false), or with
# one and no recovery notice (`:told` true). An index on users leads to the few notifications of each.
_WAITING = sa.text(f"""
SELECT a.user_id, array_agg(DISTINCT w.desk)
FROM {_MEANT}
JOIN alerts a ON a.id = t.alert_id AND a.enabled AND a.closed_at IS NULL
WHERE {ENTITLED}
  AND {REACHABLE}
  AND :told = EXISTS (SELECT FROM notifications n WHERE n.user_id = a.user_id AND n.kind = 'desk_unwatched'
    AND n.params ->> 'incident' = :incident)
  AND NOT EXISTS (SELECT FROM notifications n WHERE n.user_id = a.user_id AND n.kind = 'desk_watched'
    AND n.params ->> 'incident' = :incident)
GROUP BY a.user_id ORDER BY a.user_id LIMIT :most
""")  # noqa: S608 -- our own words
# Of those people the ones for whom no desk of their outage notice is out of watch any more, with these desks.
_RECOVERED = sa.text("""
SELECT n.user_id, array_agg(DISTINCT d.desk_id)
FROM notifications n, jsonb_array_elements_text(n.params -> 'desks') AS d(desk_id)
WHERE n.user_id = ANY(:people) AND n.kind = 'desk_unwatched' AND n.params ->> 'incident' = :incident
GROUP BY n.user_id
HAVING NOT bool_or(
  EXISTS (SELECT FROM outages o WHERE o.desk_id = d.desk_id AND o.ends_at IS NULL)
  OR EXISTS (SELECT FROM drifts f WHERE f.desk_id = d.desk_id AND f.ends_at IS NULL))
""")


def write_outage_notices(
    rows: Session, incident: Incident, affected: Collection[Desk], now: datetime
) -> list[UUID]:
    """Write the notice that these desks cannot be watched now: once for each recipient and incident."""
    waiting = _find_recipients(rows, incident, affected, now, told=False)
    return _write(rows, "desk_unwatched", incident, waiting)


def write_recovery_notices(rows: Session, now: datetime) -> list[UUID]:
    """Write the notice that desks are watched again, to recipients of an outage notice, once no outage is left."""
    ended = (
        sa.select(Incident)
        .where(Incident.ends_at.is_not(None), Incident.over_at.is_(None))
        .order_by(Incident.id)
    )
    written: list[UUID] = []
    for incident in rows.scalars(ended):
        affected = [desk for desk in desks().values() if incident.subject in (desk.id, desk.host)]
        waiting = _find_recipients(rows, incident, affected, now, told=True)
        found = rows.execute(_RECOVERED, {"people": list(waiting), "incident": str(incident.id)})
        recovered = {user_id: sorted(mine) for user_id, mine in found}
        written += _write(rows, "desk_watched", incident, recovered)
        if not waiting or incident.ends_at is None or now - incident.ends_at > _WAIT:
            incident.over_at = now
    return written


def _find_recipients(
    rows: Session, incident: Incident, affected: Collection[Desk], now: datetime, *, told: bool
) -> dict[UUID, list[str]]:
    """Return recipients, each with the desks that they wait for."""
    given = {"targets": _list_targets(affected), "now": now, "told": told, "incident": str(incident.id)}
    found = rows.execute(_WAITING, given | {"most": AT_ONCE})
    return {user_id: sorted(mine) for user_id, mine in found}


def _list_targets(affected: Iterable[Desk]) -> str:
    return write_rows(
        {"desk": desk.id, "desk_id": desk_id, "prefecture_id": prefecture_id, "procedure": procedure}
        for desk in affected
        for desk_id, prefecture_id, procedure in targets_of(desk)
    )


def _write(rows: Session, kind: str, incident: Incident, people: dict[UUID, list[str]]) -> list[UUID]:
    written: list[UUID] = []
    for user_id, mine in people.items():
        params = {
            "incident": str(incident.id),
            "reason": incident.reason.value,
            "since": incident.starts_at.isoformat(),
            "desks": mine,
        }
        key = f"{kind}:{incident.id}:{user_id}"
        written += notifier.create_notifications(rows, user_id, kind, params, key, priority="scheduled")
    return written


# People are reminded of a publication of slots this long before it, or before quiet hours that outlast its beginning
_RELEASE_NOTICE = timedelta(minutes=30)
_DAY = timedelta(days=1)

# Entitled users with an alert, enabled or saved until the desk can be watched, and no reminder yet; their quiet hours.
_WAITING_FOR_RELEASE = sa.text(f"""
SELECT DISTINCT a.user_id, ARRAY(SELECT DISTINCT g.plan FROM grants g WHERE g.user_id = a.user_id
  AND g.starts_at <= :now AND g.ends_at > :now) AS plans, u.time_zone, u.quiet_from, u.quiet_until
FROM {_MEANT}
JOIN alerts a ON a.id = t.alert_id AND a.closed_at IS NULL AND (a.enabled OR a.awaits_watch)
JOIN users u ON u.id = a.user_id AND (:is_soon OR u.quiet_from IS NOT NULL)
WHERE NOT EXISTS (SELECT FROM notifications n WHERE n.user_id = a.user_id AND n.kind = 'release_soon'
    AND n.params ->> 'desk' = :desk AND n.params ->> 'begins' = :begins)
  AND {ENTITLED}
  AND {REACHABLE}
ORDER BY a.user_id
""")  # noqa: S608 -- our own words


def write_reminders(rows: Session, now: datetime) -> list[UUID]:
    """Write reminders of releases, once each, half an hour before they or quiet hours begin; return their ids."""
    written: list[UUID] = []
    for desk, begins_at, ends_at in _find_releases(rows, now):
        begins = begins_at.isoformat()
        params = {"desk": desk.id, "begins": begins, "ends": ends_at and ends_at.isoformat()}
        is_soon = begins_at <= now + _RELEASE_NOTICE
        wanted = {"targets": _list_targets([desk]), "desk": desk.id, "begins": begins, "now": now}
        found = rows.execute(_WAITING_FOR_RELEASE, wanted | {"is_soon": is_soon}).all()
        due = [
            (user_id, plans)
            for user_id, plans, zone, quiet_from, quiet_until in found
            if is_soon or _outlasts(begins_at, zone, quiet_from, quiet_until, now)
        ]
        for user_id, plans in due[:AT_ONCE]:
            key = f"release_soon:{desk.id}:{begins}:{user_id}"
            written += notifier.create_notifications(
                rows, user_id, "release_soon", params, key, priority="scheduled",
                channels=_list_channels(plans),
            )  # fmt: skip
    return written


def _outlasts(begins_at: datetime, zone: str, quiet_from: time, quiet_until: time, now: datetime) -> bool:
    """Whether quiet hours that begin soon last until a release begins: afterwards a reminder would come too late."""
    local = begins_at.astimezone(zone_or_home(zone))
    starts = datetime.combine(local.date(), quiet_from, local.tzinfo)
    starts -= _DAY if starts >= local else timedelta()
    ends = datetime.combine(starts.date(), quiet_until, local.tzinfo)
    ends += _DAY if ends <= starts else timedelta()
    return local <= ends and now >= starts - _RELEASE_NOTICE


def _list_channels(plans: Sequence[str]) -> set[str]:
    """Return the channels of reminders: an SMS only where one of the plans has it."""
    has_sms = any(Channel.SMS.value in plan(name).channels for name in plans)
    return {Channel.EMAIL.value, Channel.TELEGRAM.value} | ({Channel.SMS.value} if has_sms else set())


def _find_releases(rows: Session, now: datetime) -> Iterator[tuple[Desk, datetime, datetime | None]]:
    """Yield desks with their next release: from the desk file, or, without an end, from the page.

    Pages that are closed or have moved are left out: users have a notice of that, and slots will be elsewhere.
    """
    last = now + _DAY + _RELEASE_NOTICE
    lost = set(rows.scalars(sa.select(DeskState.id).where(is_page_lost())))
    for desk in filter(_has_hidden_slots, desks().values()):
        if desk.id not in lost and (found := desk.release(now)) and now <= found.begins <= last:
            yield desk, found.begins, found.ends
    said: sa.CompoundSelect[str, datetime | None] = sa.union(
        sa.select(DeskState.id, DeskState.releases_at).where(DeskState.releases_at.between(now, last)),
        sa.select(Publication.desk_id, Publication.released_at)
        .join(DeskState, DeskState.id == Publication.desk_id)
        .where(Publication.released_at.between(now, last), is_current()),
    )
    for desk_id, releases_at in rows.execute(said):
        page = desks().get(desk_id)
        if page and releases_at and _has_hidden_slots(page) and desk_id not in lost:
            yield page, releases_at, None


def _has_hidden_slots(desk: Desk) -> bool:
    return desk.schedulable and captcha_expected(desk)


_KEPT = sa.text(f"""
SELECT a.id, array_agg(DISTINCT w.desk)
FROM {_MEANT}
JOIN alerts a ON a.id = t.alert_id AND a.awaits_watch AND a.closed_at IS NULL
GROUP BY a.id ORDER BY a.id LIMIT :most
""")  # noqa: S608 -- our own words


def write_watchable_notices(rows: Session) -> list[UUID]:
    """Write a notice for each saved alert one of whose desks can be watched now; return their ids.

    The alert stays paused: whether the plan allows it is checked when its user enables it.
    """
    anybody = sa.exists().where(Alert.awaits_watch, Alert.closed_at.is_(None))
    if not rows.scalar(sa.select(anybody)):  # an index answers, so that most runs read no desk
        return []
    written: list[UUID] = []
    targets = _list_targets(_find_watchable_desks(rows))
    for alert_id, mine in rows.execute(_KEPT, {"targets": targets, "most": AT_ONCE}).all():
        alert = rows.get_one(Alert, alert_id)
        alert.awaits_watch = False
        params = {"alert": str(alert.id), "desks": sorted(mine)}
        key = f"desk_watchable:{alert.id}"
        written += notifier.create_notifications(
            rows, alert.user_id, "desk_watchable", params, key, priority="scheduled"
        )
    return written


def _find_watchable_desks(rows: Session) -> list[Desk]:
    """Return the desks whose slots were looked for, that are for sale: neither closed nor moved, nor too slow."""
    query = sa.select(DeskState.id, DeskState.feasible_seconds)
    proven = rows.execute(query.where(DeskState.last_proven_at.is_not(None), ~is_page_lost()))
    known = dict(proven.all())
    return [
        desk
        for desk in desks().values()
        if desk.shows_slots and desk.id in known and not desk.is_round_too_long(known[desk.id])
    ]
