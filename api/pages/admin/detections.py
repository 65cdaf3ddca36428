"""Operators' pages of detections: the list, one with its slots and messages, and the way to its proof."""

from uuid import UUID

from flask import redirect
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from api.admin.access import audited
from api.admin.desks import (
    MOST_SLOTS,
    CountedDetection,
    DetectionQuery,
    count_messages,
    list_detections,
    list_slots,
    read_detection,
    read_proof_link,
)
from api.models.notification import State
from api.models.slot import GoneReason, SlotRow
from api.pages.admin import cells
from api.pages.admin.area import add_list, area
from api.pages.admin.page_data import (
    Block,
    Cell,
    Column,
    Facts,
    ListPage,
    Table,
    Text,
    name_field,
    render_page,
)
from api.pages.area import Access
from api.pages.words import STATE_WORDS

_ONE = "/admin/detections/<uuid:id>"
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
    ListPage(
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
    ),
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


@area.page(_ONE, Access.OPERATOR)
def show_detection(id: UUID) -> str:
    """Show a detection with its slots, and what became of the messages about it."""
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
    first = f"Les {MOST_SLOTS} premiers de {cells.write(found.slots)}." if found.slots > MOST_SLOTS else ""
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


@area.page(f"{_ONE}/preuve", Access.OPERATOR)
def show_proof(id: UUID) -> ResponseReturnValue:
    """Lead to the proof of a detection, its picture and its source: a link that is good for an hour, made now."""
    with audited("detection.proof", "detection", id) as work:
        found = read_proof_link(work.session, id)
    return redirect(found, 303)
