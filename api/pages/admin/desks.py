"""Operators' pages of desks and their checks, and the orders to pause, resume and check a desk."""

from markupsafe import Markup

from api.admin.access import audited
from api.admin.desk_orders import Reason, pause_desk, request_check, resume_desk
from api.admin.desks import (
    CheckQuery,
    DeskQuery,
    WatchedDesk,
    count_waiting_people,
    count_watched_desks,
    find_desk,
    list_checks,
    list_desks,
    read_desk,
)
from api.admin.incidents import IncidentQuery, list_incidents
from api.ground.paging import DAY
from api.models.check import Check
from api.models.desk import DeskState, DeskStatus
from api.pages.admin import cells
from api.pages.admin.area import REASON, Confirmation, add_action, add_list, area
from api.pages.admin.incidents import COLUMNS as INCIDENT_COLUMNS
from api.pages.admin.page_data import (
    Block,
    Cell,
    Column,
    Facts,
    Field,
    Table,
    name_field,
    number_field,
    render_page,
)
from api.pages.admin.words import (
    DESK_STATUSES,
    GRADES,
    OUTCOMES,
    REASON_TEXTS,
    WATCH_LEVELS,
    count,
)
from api.pages.area import Access
from api.pages.choices import list_place_options
from api.prefectures.schemas import DeskAnswer
from configs.world.desk import Grade, Outcome

_ONE = "/admin/guichets/<path:id>"
_LATEST = 20  # checks
_LATEST_INCIDENTS = 5
_MANY = 10  # people: a pause that so many notice asks for the desk's id
_NOT_WATCHED = "Ce guichet n’est pas surveillé : son fichier en donne la raison."


def link_desk(desk_id: str) -> Cell:
    """Return a desk's id, which leads to its page."""
    return cells.link(desk_id, "admin.show_desk", id=desk_id)


def show_status(desk: DeskAnswer) -> Cell:
    tone, text = DESK_STATUSES[desk.status]
    reason = Markup('<span class="hint" lang="en">{}</span>').format(desk.status_reason)
    return cells.row(cells.badge(text, tone), reason)


def _show_pace(desk: DeskAnswer) -> object:
    if desk.achieved_interval and desk.wished_interval:
        return round(desk.achieved_interval / desk.wished_interval, 2)
    return cells.NOTHING


def _show_evidence(check: Check) -> Cell:
    return cells.lines(
        check.evidence,
        check.error and Markup('<span class="bad">{}</span>').format(check.error),
    )


_CHECK_COLUMNS: tuple[Column[Check], ...] = (
    Column("Début", "started_at", "head"),
    Column("Réponse", lambda each: OUTCOMES[each.outcome]),
    Column("Créneaux", "slots_seen", "number"),
    Column("Durée", lambda each: cells.row(each.milliseconds, "ms"), "number"),
    Column("Requêtes", "requests", "number"),
    Column("Ce qui a été lu", _show_evidence, "english"),
)
add_list(
    "/admin/guichets",
    "list_desks",
    title="Guichets",
    query=DeskQuery,
    audit=("desks.list", "desk"),
    read=lambda work, wanted: list_desks(work.session, wanted),
    filters=(
        Field("prefectureId", "Préfecture", list_place_options, blank="Toutes"),
        Field("status", "État", [(each.value, DESK_STATUSES[each][1]) for each in DeskStatus]),
        Field(
            "paused",
            "Pause d’un opérateur",
            [("true", "En pause"), ("false", "Sans pause")],
            blank="Peu importe",
        ),
    ),
    columns=(
        Column("Guichet", lambda each: cells.lines(link_desk(each.id), cells.hint(each.shown.label)), "head"),
        Column("État", lambda each: show_status(each.shown)),
        Column(
            "Dernière réponse",
            lambda each: OUTCOMES[each.state.last_outcome] if each.state.last_outcome else cells.NOTHING,
        ),
        Column("Dernière preuve", "shown.last_proven_at"),
        Column("Tenu ÷ souhaité", lambda each: _show_pace(each.shown), "number"),
    ),
    empty="Aucun guichet ne correspond à ce choix.",
)
add_list(
    "/admin/verifications",
    "list_checks",
    title="Vérifications",
    lead="Chaque visite à un guichet, et ce qu’elle a prouvé. Sans guichet : celles des dernières heures.",
    query=CheckQuery,
    audit=("checks.list", "check"),
    read=lambda work, wanted: list_checks(work.session, wanted),
    filters=(
        name_field("deskId", "Guichet", maxlength="200"),
        Field("outcome", "Réponse", [(each.value, OUTCOMES[each]) for each in Outcome], blank="Toutes"),
        number_field("hours", "Depuis combien d’heures", DAY),
    ),
    columns=(
        _CHECK_COLUMNS[0],
        Column("Guichet", lambda each: cells.lines(link_desk(each.desk_id), cells.hint(each.process))),
        *_CHECK_COLUMNS[1:],
    ),
    empty="Aucune vérification ne correspond.",
    crumb=("admin.list_desks", "Guichets"),
)


@area.page(_ONE, Access.OPERATOR)
def show_desk(id: str) -> str:
    """Show one desk with its latest checks."""
    desk = find_desk(id)
    with audited("desk.view", "desk", desk.id) as work:
        checks = list_checks(
            work.session, CheckQuery.model_validate({"deskId": desk.id, "limit": _LATEST})
        ).items
        wanted = IncidentQuery(subject=desk.id, limit=_LATEST_INCIDENTS)
        incidents = list_incidents(work.session, wanted).items
        people = count_waiting_people(work.session, [desk])
        found = read_desk(work.session, desk)
    blocks: list[Block] = [
        Facts(_list_facts(found, people), show_status(found.shown), _list_actions(found)),
        Table("Incidents", INCIDENT_COLUMNS, incidents, title="Derniers incidents"),
        Table(
            "Dernières vérifications",
            _CHECK_COLUMNS,
            checks,
            empty="Pas encore de vérification.",
            title="Dernières vérifications",
        ),
    ]
    return render_page(desk.id, blocks, crumb=("admin.list_desks", "Guichets"))


def _list_facts(found: WatchedDesk, people: int) -> list[tuple[Cell, object]]:
    desk, state = found.shown, found.state
    page = Markup('<a href="{0}" rel="noopener noreferrer">{0}</a>').format(desk.booking_url)
    host = (
        cells.link(found.host, "admin.show_host", host=found.host)
        if count_watched_desks()[found.host]
        else None
    )
    paused = cells.row("depuis le", state.paused_at, ":", cells.own(state.pause_reason))
    return [
        ("Nom", f"{desk.label} · {desk.site}" if desk.site else desk.label),
        ("Page", page),
        ("Site", host or found.host),
        ("Personnes qui attendent", people),
        ("Adresse, surveillance", f"{GRADES[desk.grade]}, {WATCH_LEVELS[desk.watch_level]}"),
        (
            "Intervalle souhaité, possible, tenu",
            cells.write_seconds(desk.wished_interval, desk.feasible_interval, desk.achieved_interval),
        ),
        ("File", state.due_queue is not None and cells.english(state.due_queue)),
        ("Dernière vérification", desk.last_checked_at),
        ("Dernière preuve", desk.last_proven_at),
        ("Dernier créneau vu", desk.last_slot_found_at),
        ("Échecs de suite", desk.consecutive_errors),
        ("Vérification demandée", state.check_requested_at or False),
        ("En pause par un opérateur", state.paused_at is not None and paused),
        ("robots.txt interdit sa page", state.forbidden_at or False),
        *(_list_address_facts(state) if find_desk(found.id).grade is Grade.STALE else ()),
    ]


def _list_address_facts(state: DeskState) -> list[tuple[Cell, object]]:
    """Return what probes found at a stale address."""
    return [
        ("Adresse périmée, sondée", state.probed_at),
        ("Jours de preuve, absences de suite", f"{state.proven_days}, {state.gone_probes}"),
        ("À l’essai", state.tried_at or False),
        ("Titre de la page", state.page_title is not None and cells.own(state.page_title)),
    ]


def _list_actions(found: WatchedDesk) -> list[Cell]:
    checks = cells.link("Ses vérifications", "admin.list_checks", deskId=found.id)
    if found.state.paused_at:
        orders = [cells.button("Faire reprendre", "admin.ask_resume_desk", id=found.id)]
    else:
        check = cells.button("Vérifier maintenant", "admin.ask_request_check", id=found.id)
        orders = [check, cells.second_button("Mettre en pause", "admin.ask_pause_desk", id=found.id)]
    return [*orders, checks, cells.audit_link(found.id)]


@add_action(f"{_ONE}/pause", "desk.pause", pause_desk, form=Reason)
def _ask_pause_desk(id: str) -> Confirmation:
    desk = find_desk(id)
    with audited("desk.view", "desk", desk.id) as work:
        people = count_waiting_people(work.session, [desk])
        found = read_desk(work.session, desk)
    return Confirmation(
        title=f"Mettre en pause {desk.id} ?",
        effects=(
            f"« {desk.label} » n’est plus vérifié, jusqu’à ce qu’un opérateur le fasse reprendre.",
            f"{count(people, 'personne attend', 'personnes attendent')} un créneau ici ; la pause s’y voit.",
            "Le temps sans surveillance est compté, et rendu aux abonnés selon leur formule.",
        ),
        button="Mettre en pause",
        done=f"{desk.id} est en pause.",
        subject=desk.id if people >= _MANY else None,
        version=str(found.state.paused_at),
        fields=(REASON,),
        texts={
            **REASON_TEXTS,
            "desk-paused": "Un opérateur l’a déjà mis en pause.",
            "not-watched": _NOT_WATCHED,
        },
    )


@add_action(f"{_ONE}/reprise", "desk.resume", resume_desk)
def _ask_resume_desk(id: str) -> Confirmation:
    desk = find_desk(id)
    with audited("desk.view", "desk", desk.id) as work:
        state = read_desk(work.session, desk).state
    effects = [f"« {desk.label} » est vérifié aussitôt que son site le permet, puis à son intervalle."]
    if state.pause_reason:
        effects.insert(0, f"Il était en pause : « {state.pause_reason} ».")
    return Confirmation(
        title=f"Faire reprendre {desk.id} ?",
        effects=tuple(effects),
        button="Faire reprendre",
        done=f"{desk.id} reprend : il est vérifié aussitôt que son site le permet.",
        version=str(state.paused_at),
        texts={"desk-not-paused": "Aucun opérateur ne l’a mis en pause : il n’y a rien à reprendre."},
    )


@add_action(f"{_ONE}/verification", "desk.check", request_check)
def _ask_request_check(id: str) -> Confirmation:
    desk = find_desk(id)
    return Confirmation(
        title=f"Vérifier {desk.id} maintenant ?",
        effects=(
            f"« {desk.label} » est vérifié aussitôt que {desk.host} peut être consulté.",
            "Un site au repos, ou dont le débit est épuisé, n’est pas consulté plus tôt.",
            "Un créneau nouveau est annoncé à ses abonnés comme d’habitude.",
        ),
        button="Vérifier maintenant",
        done=f"La vérification de {desk.id} est demandée.",
        texts={
            "desk-paused": "Un opérateur a mis ce guichet en pause : faites-le reprendre.",
            "host-stopped": "Un opérateur a arrêté son site : faites-le reprendre d’abord.",
            "not-watched": _NOT_WATCHED,
        },
    )
