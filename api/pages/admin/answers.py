"""Operators' page of answers: how alerts of each desk ended, and reports of pages that showed nothing."""

from collections.abc import Sequence
from typing import Annotated, Any

from markupsafe import Markup
from pydantic import Field as Bound

from api.admin.access import audited
from api.admin.figures import FalseAlarmQuery, list_false_alarms, read_overview
from api.figures.answers import find_first_month
from api.models.answer import AnswerVia
from api.pages.admin import cells
from api.pages.admin.area import area
from api.pages.admin.page_data import (
    Block,
    Cell,
    Column,
    Filter,
    Table,
    Text,
    build_pager,
    number_field,
    render_page,
)
from api.pages.area import Access
from api.pages.forms import Form

_VIA: dict[AnswerVia, str] = {
    AnswerVia.EMAIL: "e-mail",
    AnswerVia.TELEGRAM: "Telegram",
    AnswerVia.API: "API",
}
_EMPTY_PAGE = "« La page ne montre rien »"
_LEAD = (
    "Ce que les gens répondent à nos alertes. « La page ne montre rien » est une fausse alerte : trois personnes en "
    "une heure vous préviennent. Les alertes partent toujours ; mettez le guichet en pause si sa page est mal lue."
)


class AnswersQuery(FalseAlarmQuery):
    """The last `months` of the figures, and which page of the reports."""

    months: Annotated[int, Bound(ge=1, le=12)] = 3


def _show_desk(report: Any) -> Cell:
    way = cells.link("Détection", "admin.show_detection", report.match_id, id=report.detection_id)
    return cells.lines(cells.own(report.desk_id), cells.row(way, cells.hint("vue", report.seen_at)))


def _show_slots(report: Any) -> Cell:
    return cells.badge("encore ouverts chez nous", "warn") if report.still_open else cells.badge("partis")


def _show_false(desk: Any) -> Cell:
    return (
        Markup("<strong>{}</strong>").format(cells.write(desk.nothing_there)) if desk.nothing_there else "0"
    )


_REPORTS: tuple[Column[Any], ...] = (
    Column("Répondu", "answered_at", "head"),
    Column("Guichet", _show_desk),
    Column("Par", lambda each: _VIA[each.via]),
    Column("Créneaux", _show_slots),
)
_DESKS: tuple[Column[Any], ...] = (
    Column(
        "Guichet",
        lambda each: cells.link(cells.own(each.desk_id), "admin.list_detections", deskId=each.desk_id),
        "head",
    ),
    Column("Alertes", "alerts", "number"),
    Column("Page vide", _show_false, "number"),
    Column("Trop tard", "too_late", "number"),
    Column("Trouvé", "found", "number"),
    Column("Arrêté", "stopped", "number"),
)


@area.page("/admin/reponses", Access.OPERATOR)
def list_answers() -> str:
    """Show what people answered: figures by desk, and the newest reports of a page that showed nothing."""
    form = Form.read_query(AnswersQuery)
    months = form.value.months
    with audited("answers.list", "answer") as work:
        desks, total = read_overview(work.session, find_first_month(months))
        reports = list_false_alarms(work.session, form.value)
    blocks: list[Block] = [
        Table("Signalements", _REPORTS, reports.items, "Personne n’a signalé de page vide.", _EMPTY_PAGE),
        build_pager(form, "before", reports.next),
        Text(title="Par guichet"),
        Filter(form, [number_field("months", "Mois", 3)]),
        Text(_describe_months(months, desks, total) if desks else ""),
        Table("Réponses par guichet", _DESKS, desks, "Aucune réponse n’est comptée dans ce temps."),
    ]
    return render_page("Réponses et fausses alertes", blocks, _LEAD, form=form)


def _describe_months(months: int, desks: Sequence[Any], total: int) -> str:
    when = "Ce mois-ci" if months == 1 else f"{months} derniers mois"
    of_all = f" : {cells.write(len(desks))} guichets de {cells.write(total)}" if total > len(desks) else ""
    return f"{when}, les fausses alertes d’abord{of_all}. Les chiffres sont ajoutés chaque heure."
