"""Operators' pages of web hosts: the list, one host, and the orders to stop asking it and to ask it again."""

from flask_babel import format_percent

from api.admin.access import audited
from api.admin.desk_orders import Reason, release_host, stop_host
from api.admin.desks import (
    HostQuery,
    KnownHost,
    WatchedDesk,
    count_forbidden_desks,
    count_waiting_people,
    list_host_desks,
    list_hosts,
    read_host,
)
from api.admin.incidents import IncidentQuery, list_incidents
from api.pages.admin import cells
from api.pages.admin.area import REASON, Confirmation, add_action, add_list, area
from api.pages.admin.desks import link_desk, show_status
from api.pages.admin.incidents import COLUMNS as INCIDENT_COLUMNS
from api.pages.admin.page_data import Block, Cell, Column, Facts, Table, render_page
from api.pages.admin.words import REASON_TEXTS, count
from api.pages.area import Access
from configs.world.host_rule import HostRule
from configs.world.prefecture import desks, desks_by_host, host_rules

_ONE = "/admin/sites/<host>"
_LATEST = 10  # incidents
_DESK_COLUMNS: tuple[Column[WatchedDesk], ...] = (
    Column("Guichet", lambda each: cells.lines(link_desk(each.id), cells.hint(each.shown.label)), "head"),
    Column("État", lambda each: show_status(each.shown)),
    Column("Dernière preuve", "shown.last_proven_at"),
)


def _show_state(host: KnownHost) -> Cell:
    state = host.state
    if state.stopped_at:
        since = cells.hint("depuis le", state.stopped_at, ":", cells.own(state.stop_reason))
        return cells.row(cells.badge("Arrêté", "bad"), since)
    if host.rests_until:
        until = cells.hint("jusqu’au", host.rests_until, ":", cells.english(state.rest_reason))
        return cells.row(cells.badge("Au repos", "warn"), until)
    is_refused = host_rules().get(host.host, HostRule()).refusal
    return cells.badge("Pas consulté", "warn") if is_refused else cells.badge("Consulté", "good")


add_list(
    "/admin/sites",
    "list_hosts",
    title="Sites",
    lead="Un site est un nom et un port. Débits, repos et refus valent pour tous ses guichets.",
    query=HostQuery,
    audit=("hosts.list", "host"),
    read=lambda work, wanted: list_hosts(work.session, wanted),
    columns=(
        Column("Site", lambda each: cells.link(each.host, "admin.show_host", host=each.host), "head"),
        Column("État", _show_state),
        Column("Guichets", "desks", "number"),
        Column("Débit permis", lambda each: format_percent(each.state.budget_share), "number"),
    ),
    empty="Aucun site n’est surveillé.",
)


@area.page(_ONE, Access.OPERATOR)
def show_host(host: str) -> str:
    """Show one host with its desks and its latest incidents."""
    with audited("host.view", "host", host) as work:
        found = read_host(work.session, host)
        incidents = list_incidents(work.session, IncidentQuery(subject=host, limit=_LATEST)).items
        its_desks = list_host_desks(work.session, host)
        waiting = count_waiting_people(work.session, desks_by_host().get(host, ()))
        forbidden = count_forbidden_desks(work.session, host)
    facts = [
        ("Guichets", found.desks),
        ("Débit permis", format_percent(found.state.budget_share)),
        ("Repos de suite", found.state.rests_in_a_row),
        *_list_robots_facts(found, forbidden, waiting),
    ]
    blocks: list[Block] = [
        Facts(facts, _show_state(found), _list_actions(found)),
        Table("Incidents", INCIDENT_COLUMNS, incidents, title="Derniers incidents"),
        Table("Guichets de ce site", _DESK_COLUMNS, its_desks, title="Guichets"),
    ]
    return render_page(host, blocks, crumb=("admin.list_hosts", "Sites"))


def _list_robots_facts(found: KnownHost, forbidden: int, waiting: int) -> list[tuple[Cell, object]]:
    """Return what a person decided of the host, what its robots.txt says, and what an allowance would gain."""
    rule, state = host_rules().get(found.host, HostRule()).robots, found.state
    every = desks_by_host().get(found.host, [])
    people = count(waiting, "personne attend", "personnes attendent")
    read = cells.row(state.robots_read_at, ":", f"{forbidden} sur {len(every)} guichets interdits")
    return [
        ("Décision (robots.txt, conditions)", rule and f"{rule.decision}, {rule.date} : {rule.reason}"),
        ("robots.txt lu", state.robots_read_at is not None and read),
        ("robots.txt, dernier échec", state.robots_error is not None and cells.english(state.robots_error)),
        ("Ce qu’une autorisation ouvre", f"{count(len(every), 'guichet', 'guichets')}, {people}"),
    ]


def _list_actions(found: KnownHost) -> list[Cell]:
    stop = cells.second_button("Arrêter ce site", "admin.ask_stop_host", host=found.host)
    go = cells.button("Faire reprendre ce site", "admin.ask_release_host", host=found.host)
    return [*([go] if found.state.stopped_at else []), stop, cells.audit_link(found.host)]


@add_action(f"{_ONE}/arret", "host.stop", stop_host, form=Reason)
def _ask_stop_host(host: str) -> Confirmation:
    concerned = [desk for desk in desks().values() if desk.host == host and desk.schedulable]
    with audited("host.view", "host", host) as work:
        found = read_host(work.session, host)
        people = count_waiting_people(work.session, concerned)
    waiting = f"{count(people, 'personne attend', 'personnes attendent')} un créneau ici."
    effects = [
        f"Plus aucune requête ne part vers {host}, et les visites en cours s’arrêtent, en deux secondes.",
        f"{count(found.desks, 'guichet passe', 'guichets passent')} en pause. {waiting}",
        "Le temps sans surveillance est compté, et rendu aux abonnés selon leur formule.",
        "Rien ne reprend de soi-même : il faut faire reprendre ce site.",
    ]
    if found.state.stopped_at:
        effects.insert(
            0, f"Ce site est déjà arrêté (« {found.state.stop_reason} ») : la raison est remplacée."
        )
    return Confirmation(
        title=f"Arrêter le site {host} ?",
        effects=tuple(effects),
        button="Arrêter ce site",
        done=f"{host} est arrêté : plus aucune requête n’y part.",
        subject=host,
        version=str(found.state.stopped_at),
        fields=(REASON,),
        texts=REASON_TEXTS,
    )


@add_action(f"{_ONE}/reprise", "host.go", release_host)
def _ask_release_host(host: str) -> Confirmation:
    with audited("host.view", "host", host) as work:
        found = read_host(work.session, host)
    effects = [
        f"{count(found.desks, 'guichet est de nouveau vérifié', 'guichets sont de nouveau vérifiés')}.",
        "Le débit permis et un repos après un refus du site restent ce qu’ils étaient.",
    ]
    if found.state.stop_reason:
        effects.insert(0, f"Il était arrêté : « {found.state.stop_reason} ».")
    return Confirmation(
        title=f"Faire reprendre le site {host} ?",
        effects=tuple(effects),
        button="Faire reprendre ce site",
        done=f"{host} est de nouveau consulté.",
        version=str(found.state.stopped_at),
        texts={"host-not-stopped": "Aucun opérateur n’a arrêté ce site : il n’y a rien à reprendre."},
    )
