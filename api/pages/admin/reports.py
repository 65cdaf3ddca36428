"""Operators' pages of reports: figures by person, desk and network; one person, and the end of their reports."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from api.admin.access import audited
from api.admin.audit import AuditedWork
from api.admin.desk_orders import Reason
from api.admin.reports import ReportGrouping, ReportQuery, list_reports, read_report_figures
from api.admin.users import get_user
from api.models.report import Report, ReportKind, ReportState, Trust, read_trust
from api.pages.admin import cells
from api.pages.admin.area import REASON, Confirmation, add_action, add_list, area
from api.pages.admin.page_data import Block, Cell, Column, Facts, Field, Table, render_page
from api.pages.admin.words import REASON_TEXTS
from api.pages.area import Access
from api.reports.reporters import end_reporting, name_reporter, resume_reporting

_LIST = "/admin/signalements"
_ONE = f"{_LIST}/<uuid:id>"
_BY = {
    ReportGrouping.DOUBTFUL: "Personnes que rien ne confirme",
    ReportGrouping.PERSON: "Personnes",
    ReportGrouping.DESK: "Guichets",
    ReportGrouping.NETWORK: "Réseaux que plusieurs comptes partagent",
}
_KINDS = {ReportKind.SLOTS: "places", ReportKind.NONE: "aucune", ReportKind.UNSEEN: "pas pu voir"}
_STATES = {
    ReportState.WAITING: "reçu",
    ReportState.COUNTED: "compté",
    ReportState.IDLE: "ne compte pas",
    ReportState.KEPT: "gardé : guichet vérifié",
}


def _link_person(user_id: UUID) -> Cell:
    return cells.link(cells.code(str(user_id)[-12:]), "admin.show_reporter", id=user_id)


def _name_key(row: Any) -> Cell:
    if isinstance(row.key, UUID):
        return _link_person(row.key)
    if "/" in row.key:
        return cells.link(row.key, "admin.show_desk", id=row.key)
    return cells.lines(cells.code(row.key), *map(_link_person, row.people))


def _count_trusted(row: Any) -> object:
    """Return whether a person is trusted; of several, how many are."""
    return bool(row.trusted) if isinstance(row.key, UUID) else len(row.trusted)


add_list(
    _LIST,
    "list_reports",
    title="Signalements",
    lead="Les sept derniers jours, le plus douteux d’abord. Un réseau est une empreinte, autre chaque jour.",
    query=ReportQuery,
    audit=("reports.list", "report"),
    read=lambda work, wanted: read_report_figures(work.session, wanted),
    filters=(Field("by", "Par", [(each.value, text) for each, text in _BY.items()], blank=""),),
    columns=(
        Column("Qui ou quoi", _name_key, "head"),
        Column("De confiance", _count_trusted, "number"),
        Column("Regards", "looks", "number"),
        Column("« Places »", "slots", "number"),
        Column("Confirmés", "corroborated", "number"),
        Column("Ouvertures vues seul", "alone", "number"),
        Column("Démentis", "denied", "number"),
        Column("Prévenus dans le doute", "told", "number"),
        Column("Partenaires", "pairs", "number"),
        Column("Dernier", "last_at"),
    ),
    empty="Aucun signalement de ce genre.",
)


@area.page(_ONE, Access.OPERATOR)
def show_reporter(id: UUID) -> str:
    """Show one person's reports of the last seven days, and how far they are trusted."""
    with audited("reports.view", "user", id) as work:
        get_user(work.session, id)
        trust, reports = read_trust(work.session, [id])[id], list_reports(work.session, id)
    blocks: list[Block] = [
        Facts(_list_facts(id, trust), actions=_list_actions(id, trust), label="Confiance"),
        Table("Signalements", _COLUMNS, reports, "Rien ces sept derniers jours.", "Signalements"),
    ]
    return render_page("Signalements d’une personne", blocks, crumb=("admin.list_reports", "Signalements"))


_COLUMNS: tuple[Column[Report], ...] = (
    Column("Vu", "seen_at", "head"),
    Column("Guichet", lambda each: cells.link(each.desk_id, "admin.show_desk", id=each.desk_id)),
    Column("Quoi", lambda each: _KINDS[each.kind]),
    Column("Page ouverte", "opened_at"),
    Column("Suite", lambda each: _STATES[each.state]),
    Column("En confirme un autre", lambda each: each.corroborates_id is not None),
)


def _list_facts(id: UUID, trust: Trust) -> list[tuple[Cell, object]]:
    return [
        ("Compte", cells.user_link(id)),
        ("De confiance", cells.format_cell(trust.is_trusted)),
        ("Désignée par un opérateur", trust.is_named),
        ("Regards confirmés", trust.looks),
        ("Dernier regard confirmé", trust.last_on),
        ("Signalements arrêtés", trust.ended_because or False),
    ]


def _list_actions(id: UUID, trust: Trust) -> list[Cell]:
    if trust.ended_because:
        return [cells.button("Reprendre", "admin.ask_resume_reports", id=id), cells.audit_link(id)]
    named = cells.second_button("Désigner de confiance", "admin.ask_trust_reporter", id=id)
    ended = cells.button("Arrêter ses signalements", "admin.ask_end_reports", id=id)
    return [*([] if trust.is_named else [named]), ended, cells.audit_link(id)]


def _confirm(id: UUID, title: str, button: str, done: str, *effects: str, **more: Any) -> Confirmation:
    with audited("reports.view", "user", id) as work:
        get_user(work.session, id)
        trust = read_trust(work.session, [id])[id]
    return Confirmation(
        title, effects, button, done, version=f"{trust.is_named} {trust.ended_because}", **more
    )


@add_action(
    f"{_ONE}/confiance", "reports.trust", lambda work, id: name_reporter(work.session, id), kind="user"
)
def _ask_trust_reporter(id: UUID) -> Confirmation:
    return _confirm(
        id,
        "Désigner cette personne de confiance ?",
        "Désigner",
        "Cette personne est de confiance.",
        "Ce que cette personne voit seule est annoncé à tous.",
        "Cela s’éteint après 60 jours sans confirmation.",
    )


def _end(work: AuditedWork, id: UUID, wanted: Reason) -> dict[str, str]:
    end_reporting(work.session, id, wanted.reason)
    return {"reason": wanted.reason}


@add_action(f"{_ONE}/arret", "reports.end", _end, form=Reason, kind="user")
def _ask_end_reports(id: UUID) -> Confirmation:
    hint = "La personne la lit. Sans nom d’une autre : « des places que personne d’autre n’a vues »."
    return _confirm(
        id,
        "Arrêter les signalements de cette personne ?",
        "Arrêter ses signalements",
        "Les signalements de cette personne sont arrêtés ; un message le lui dit.",
        "Aucun signalement d’elle n’est plus pris ; ses alertes continuent.",
        "D’autres perdent la confiance que ses regards leur ont donnée.",
        "Elle reçoit un message avec la raison, et comment s’y opposer : sa réponse arrive à l’assistance.",
        fields=(replace(REASON, hint=hint),),
        texts=REASON_TEXTS,
    )


@add_action(
    f"{_ONE}/reprise", "reports.resume", lambda work, id: resume_reporting(work.session, id), kind="user"
)
def _ask_resume_reports(id: UUID) -> Confirmation:
    return _confirm(
        id,
        "Reprendre les signalements de cette personne ?",
        "Reprendre",
        "Les signalements de cette personne sont repris.",
        "Ses signalements sont repris ; sa confiance repart de zéro.",
        "Elle reçoit un message.",
    )
