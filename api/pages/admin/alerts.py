"""Operators' pages of alerts, with the orders to pause and resume one, and of detections, with the way to the proof."""

from uuid import UUID

from flask import redirect
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from api.admin.access import audited
from api.admin.detections import (
    MOST_SLOTS,
    CountedDetection,
    DetectionQuery,
    count_messages,
    list_detections,
    list_slots,
    read_detection,
    read_proof_link,
)
from api.admin.users import AnyAlertQuery, get_alert, list_alerts, switch_alert
from api.alerts.queries import read_alert
from api.alerts.schemas import AlertAnswer
from api.alerts.targets import get_prefecture_id
from api.models.alert import Alert, ClosedBecause
from api.models.notification import State
from api.models.slot import GoneReason, SlotRow
from api.pages.admin import cells
from api.pages.admin.area import Confirmation, add_action, add_list, area
from api.pages.admin.desks import link_desk, show_status
from api.pages.admin.page_data import (
    YES_NO,
    Block,
    Cell,
    Column,
    Facts,
    Field,
    Table,
    Text,
    name_field,
    render_page,
)
from api.pages.area import Access
from api.pages.choices import PROCEDURE_NAMES, list_place_options
from api.pages.forms import Texts
from api.pages.words import STATE_WORDS

_ONE = "/admin/alertes/<uuid:id>"
_CLOSED: dict[ClosedBecause, str] = {
    ClosedBecause.DELETED: "fermée par son propriétaire",
    ClosedBecause.STOPPED: "arrêtée par le lien d’un message",
    ClosedBecause.FOUND: "rendez-vous trouvé",
}
_TEXTS: Texts = {
    "alert-not-waiting": "Cette alerte est déjà en pause, ou fermée.",
    "alert-waiting": "Cette alerte attend déjà.",
    "not-found": "Cette alerte est fermée : seul son propriétaire en ouvre une autre.",
    "plan-needed": "La formule de cette personne ne porte pas d’alerte de plus.",
}


def _show_targets(alert: Alert) -> Cell:
    procedures = sorted({str(PROCEDURE_NAMES[each.procedure]) for each in alert.targets if each.procedure})
    desks = sorted(each.desk_id for each in alert.targets if each.desk_id)
    return cells.lines(", ".join(procedures), bool(desks) and cells.hint(", ".join(desks)))


def _show_state(alert: Alert | AlertAnswer) -> Cell:
    if alert.closed_at and alert.closed_because:
        return cells.row(
            cells.badge("Fermée"), cells.hint(alert.closed_at, ":", _CLOSED[alert.closed_because])
        )
    waits = alert.waits if isinstance(alert, Alert) else alert.is_active
    unwatched = alert.awaits_watch and cells.hint("aucun guichet surveillé encore")
    return cells.row(cells.badge("Attend", "good") if waits else cells.badge("En pause", "warn"), unwatched)


add_list(
    "/admin/alertes",
    "list_alerts",
    title="Alertes",
    query=AnyAlertQuery,
    audit=("alerts.search", "alert"),
    read=lambda work, wanted: list_alerts(work.session, wanted),
    notes_seen=True,
    filters=(
        Field("prefectureId", "Préfecture", list_place_options, blank="Toutes"),
        Field("isActive", "Attend", YES_NO, blank="Peu importe"),
        name_field("userId", "Identifiant du compte", maxlength="36"),
    ),
    columns=(
        Column(
            "Alerte",
            lambda each: cells.link(get_prefecture_id(each.targets), "admin.show_alert", each.id, id=each.id),
            "head",
        ),
        Column("Démarche, guichets", _show_targets),
        Column("État", _show_state),
        Column("Créée", "created_at"),
        Column("Compte", lambda each: cells.user_link(each.user_id, hidden=each.id)),
    ),
    empty="Aucune alerte ne correspond.",
)


@area.page(_ONE, Access.OPERATOR)
def show_alert(id: UUID) -> str:
    with audited("alert.view", "alert", id) as work:
        row_of_alert = get_alert(work.session, id)
        alert = read_alert(work.session, row_of_alert)
    desks = Table(
        "Guichets de cette alerte",
        (
            Column("Guichet", lambda each: cells.lines(link_desk(each.id), cells.hint(each.label)), "head"),
            Column("État", show_status),
            Column("Dernière preuve", "last_proven_at"),
        ),
        alert.desks,
        title="Guichets",
    )
    title = f"Alerte de {alert.prefecture_id}"
    blocks: list[Block] = [
        Facts(_list_facts(row_of_alert.user_id, alert), _show_state(alert), _list_actions(alert)),
        desks,
    ]
    return render_page(title, blocks, crumb=("admin.list_alerts", "Alertes"))


def _list_facts(user_id: UUID, alert: AlertAnswer) -> list[tuple[Cell, object]]:
    limits = alert.limits.model_dump(mode="json", by_alias=True) | {"calls": alert.voice.enabled}
    shown = [
        cells.row(f"{name} :", value) for name, value in limits.items() if value not in (None, [], False)
    ]
    return [
        ("Compte", cells.user_link(user_id, "voir le compte")),
        ("Démarche", ", ".join(str(PROCEDURE_NAMES[each]) for each in alert.procedures)),
        ("Limites, appels", cells.lines(*shown) or "aucune"),
        ("Version des limites", alert.limits_version),
        ("Créneaux trouvés, messages", cells.row(alert.slots_found, "·", alert.notifications_sent)),
        (
            "Intervalle souhaité, possible, tenu",
            cells.write_seconds(alert.wished_interval, alert.feasible_interval, alert.achieved_interval),
        ),
        ("Dernière vérification", alert.last_checked_at),
        ("Dernière preuve", alert.last_proven_at),
        ("Créée", alert.created_at),
        ("Changée", alert.updated_at),
        ("Identifiant", cells.code(alert.id)),
    ]


def _list_actions(alert: AlertAnswer) -> list[Cell]:
    way = cells.audit_link(alert.id)
    if alert.closed_at:
        return [way]
    if alert.is_active:
        return [cells.second_button("Mettre en pause", "admin.ask_pause_alert", id=alert.id), way]
    return [cells.button("Faire reprendre", "admin.ask_resume_alert", id=alert.id), way]


def _confirm(id: UUID, title: str, effects: tuple[str, ...], button: str, done: str) -> Confirmation:
    with audited("alert.view", "alert", id) as work:
        alert = get_alert(work.session, id)
    return Confirmation(
        title, effects, button, done, version=f"{alert.waits} {alert.closed_at}", texts=_TEXTS
    )


@add_action(f"{_ONE}/pause", "alert.pause", lambda work, id: switch_alert(work.session, id, waits=False))
def _ask_pause_alert(id: UUID) -> Confirmation:
    effects = (
        "Les créneaux qui s’ouvrent ne lui sont plus annoncés.",
        "Son propriétaire voit la pause, et peut la lever ; il n’en reçoit pas de message.",
    )
    done = "Cette alerte est en pause."
    return _confirm(id, "Mettre cette alerte en pause ?", effects, "Mettre en pause", done)


@add_action(f"{_ONE}/reprise", "alert.resume", lambda work, id: switch_alert(work.session, id, waits=True))
def _ask_resume_alert(id: UUID) -> Confirmation:
    effects = (
        "Elle attend de nouveau, si la formule de son propriétaire le permet.",
        "Les créneaux ouverts maintenant lui sont annoncés aussitôt.",
    )
    done = "Cette alerte attend de nouveau."
    return _confirm(id, "Faire reprendre cette alerte ?", effects, "Faire reprendre", done)


_DETECTION = "/admin/detections/<uuid:id>"
_GONE: dict[GoneReason, str] = {
    GoneReason.TAKEN: "pris",
    GoneReason.PAST: "passé",
    GoneReason.LAPSED: "plus confirmé",
    GoneReason.SUPERSEDED: "remplacé par des heures",
}


def _show_desk(each: CountedDetection) -> Cell:
    named = f"{each.row.label} · {each.row.site}" if each.row.site else each.row.label
    return cells.lines(cells.own(each.row.desk_id), cells.hint(named))


def _show_matches(each: CountedDetection) -> Cell:
    return cells.lines(each.matches, each.row.matched_at is None and cells.badge("en cours", "warn"))


def _show_proof(each: CountedDetection) -> Cell:
    told_apart = f"de {each.row.desk_id}, {each.row.id}"
    return (
        cells.link("Voir la page", "admin.show_proof", told_apart, id=each.row.id)
        if each.has_proof
        else cells.NOTHING
    )


add_list(
    "/admin/detections",
    "list_detections",
    title="Détections",
    lead="Chaque fois qu’une visite a vu des créneaux qui n’étaient pas ouverts avant.",
    query=DetectionQuery,
    audit=("detections.list", "detection"),
    read=lambda work, wanted: list_detections(work.session, wanted),
    filters=(
        name_field("prefectureId", "Préfecture", maxlength="100", placeholder="bobigny_93"),
        name_field("deskId", "Guichet", maxlength="200"),
    ),
    columns=(
        Column(
            "Vue",
            lambda each: cells.link(each.row.seen_at, "admin.show_detection", id=each.row.id),
            "head",
        ),
        Column("Guichet", _show_desk),
        Column("Créneaux", "slots", "number"),
        Column("Alertes", _show_matches, "number"),
        Column("Preuve", _show_proof),
    ),
    empty="Aucune détection ne correspond.",
)


def _show_end(slot: SlotRow) -> Cell:
    if slot.gone_at and slot.gone_reason:
        return cells.row(_GONE[slot.gone_reason], cells.hint(slot.gone_at))
    return cells.badge("ouvert", "good")


_SLOT_COLUMNS: tuple[Column[SlotRow], ...] = (
    Column("Moment", lambda each: cells.own("sans date" if each.moment == "open" else each.moment), "head"),
    Column("Lieu", lambda each: each.place_label or cells.NOTHING),
    Column("Places", "seats", "number"),
    Column("Ouvert", "opened_at"),
    Column("Vu pour la dernière fois", "seen_at"),
    Column("Fin", _show_end),
)


@area.page(_DETECTION, Access.OPERATOR)
def show_detection(id: UUID) -> str:
    with audited("detection.view", "detection", id) as work:
        found = read_detection(work.session, id)
        slots, messages = list_slots(work.session, id), count_messages(work.session, id)
    seen = found.row
    desk = cells.link(cells.own(seen.desk_id), "admin.list_detections", deskId=seen.desk_id)
    facts: list[tuple[Cell, object]] = [
        ("Guichet", cells.row(desk, f"({seen.site})" if seen.site else "")),
        ("Vue", seen.seen_at),
        ("Notée", seen.committed_at),
        ("Alertes comparées", seen.matched_at),
        ("Alertes concernées", found.matches),
        ("Page de réservation", Markup('<span dir="ltr">{}</span>').format(seen.booking_url)),
    ]
    proof = (
        cells.button("Voir la preuve : la page et son image", "admin.show_proof", id=id)
        if found.has_proof
        else "Aucune preuve n’est gardée de cette détection, ou plus aucune."
    )
    first = (
        f"Les {MOST_SLOTS} premiers de {cells.format_cell(found.slots)}." if found.slots > MOST_SLOTS else ""
    )
    blocks: list[Block] = [
        Facts(facts, actions=[proof], label="Ce qui a été vu"),
        Text(_list_messages(messages), "Messages"),
        Text(first, "Créneaux"),
        Table("Créneaux", _SLOT_COLUMNS, slots),
    ]
    return render_page(f"Détection : {seen.label}", blocks, crumb=("admin.list_detections", "Détections"))


def _list_messages(messages: dict[State, int]) -> Cell:
    shown = [
        cells.row(text, cells.hint(cells.code(state.value)), ":", messages[state])
        for state, (_, text) in STATE_WORDS.items()
        if messages.get(state)
    ]
    return cells.lines(*shown) if shown else "Aucun message n’en parle."


@area.page(f"{_DETECTION}/preuve", Access.OPERATOR)
def show_proof(id: UUID) -> ResponseReturnValue:
    """Lead to the proof of a detection, its picture and its source: a link that is good for an hour, made now."""
    with audited("detection.proof", "detection", id) as work:
        found = read_proof_link(work.session, id)
    return redirect(found, 303)
