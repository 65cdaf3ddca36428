"""Operators' pages of figures: how alerts of each desk ended, false alarms, and the deliveries of slot alerts."""

from collections.abc import Sequence
from typing import Annotated, Any

from markupsafe import Markup
from pydantic import Field as Bound

from api.admin.access import audited
from api.admin.figures import (
    MOST_DAYS,
    DeliveryQuery,
    FalseAlarmQuery,
    list_false_alarms,
    read_figures,
    read_overview,
)
from api.models.answer import AnswerVia
from api.models.delivery_figure import DeliveryFigure
from api.models.user import Channel
from api.pages.admin import cells
from api.pages.admin.area import add_list, area
from api.pages.admin.page_data import (
    Block,
    Cell,
    Column,
    Field,
    Filter,
    ListPage,
    Table,
    Text,
    build_pager,
    name_field,
    number_field,
    render_page,
)
from api.pages.area import Access
from api.pages.context import write_percent
from api.pages.forms import Form
from api.pages.words import CHANNEL_NAMES
from api.prefectures.answer_figures import find_first_month
from api.prefectures.figure_schemas import compute_rate

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
        Markup("<strong>{}</strong>").format(cells.format_cell(desk.nothing_there))
        if desk.nothing_there
        else "0"
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
    of_all = (
        f" : {cells.format_cell(len(desks))} guichets de {cells.format_cell(total)}"
        if total > len(desks)
        else ""
    )
    return f"{when}, les fausses alertes d’abord{of_all}. Les chiffres sont ajoutés chaque heure."


_STAGES = {
    "seen_to_committed": "page lue → noté",
    "committed_to_matched": "noté → comparé",
    "matched_to_accepted": "comparé → accepté",
    "accepted_to_delivered": "accepté → arrivé",
}
_COUNTS = {
    "delivered": "arrivés",
    "bounced": "renvoyés",
    "no_receipt": "sans réception",
    "failed": "échoués",
    "expired": "expirés",
    "skipped": "non envoyés",
    "unsure": "incertains",
}


def _show_whose(figure: DeliveryFigure) -> Cell:
    whose = (figure.provider or "tous les fournisseurs", figure.prefecture_id or "toutes les préfectures")
    return cells.lines(CHANNEL_NAMES[figure.channel], cells.hint(cells.own(" · ".join(whose))))


def _show_fates(figure: DeliveryFigure) -> Cell:
    shown = [
        f"{text} {cells.format_cell(found)}"
        for name, text in _COUNTS.items()
        if (found := getattr(figure, name))
    ]
    return ", ".join(shown) or cells.NOTHING


def _show_rate(figure: DeliveryFigure) -> Cell:
    rate = compute_rate(figure)
    return (
        cells.NOTHING
        if rate is None
        else cells.lines(write_percent(rate), cells.hint(figure.confirmed, "de", figure.tracked))
    )


def _write_percentiles(seconds: list[float] | None) -> str:
    return " · ".join(cells.format_cell(round(each, 3)) for each in seconds) if seconds else cells.NOTHING


def _show_stages(figure: DeliveryFigure) -> Cell:
    return cells.lines(
        *(
            cells.hint(f"{text} : {_write_percentiles(found)}")
            for name, text in _STAGES.items()
            if (found := getattr(figure, name))
        )
    )


add_list(
    "/admin/distribution",
    "list_delivery",
    ListPage(
        title="Distribution",
        lead="Alertes de créneaux par jour (UTC), canal, fournisseur ou préfecture. Délais en secondes : 50, 95 et "
        "99 % des messages. Aujourd’hui compte comme il est, les autres jours comme ils ont été écrits.",
        query=DeliveryQuery,
        audit=("delivery.view", "delivery"),
        read=lambda work, wanted: read_figures(work.session, wanted),
        filters=(
            number_field("days", f"Jours, {MOST_DAYS} au plus", 7),
            Field("channel", "Canal", [(each.value, CHANNEL_NAMES[each]) for each in Channel]),
            name_field("provider", "Fournisseur", maxlength="60", placeholder="sendgrid"),
            name_field("prefecture", "Préfecture", maxlength="100", placeholder="bobigny_93"),
            Field(
                "by",
                "Lignes",
                [("provider", "Par fournisseur"), ("prefecture", "Par préfecture, 7 jours au plus")],
                blank="Par fournisseur",
            ),
        ),
        columns=(
            Column("Jour", "day", "head"),
            Column("Canal", _show_whose),
            Column("Messages", "messages", "number"),
            Column("Acceptés", "sent", "number"),
            Column("Autres", _show_fates),
            Column("Arrivent", _show_rate, "number"),
            Column("Page lue → accepté", lambda each: _write_percentiles(each.seen_to_accepted), "number"),
            Column("Page lue → arrivé", lambda each: _write_percentiles(each.seen_to_delivered), "number"),
            Column("Étapes", _show_stages),
        ),
        empty="Aucune alerte n’est partie dans ce temps.",
    ),
)
