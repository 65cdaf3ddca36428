"""Operators' pages of figures: answers and false alarms, deliveries of slot alerts, activity, money and costs."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from flask_babel import format_percent
from markupsafe import Markup

from api.admin.access import audited
from api.admin.activity import FEW, ActivityQuery, MonthCosts, read_costs, read_months, read_steps
from api.admin.figures import (
    MOST_DAYS,
    AnswersQuery,
    DeliveryQuery,
    list_false_alarms,
    read_figures,
    read_overview,
)
from api.models.answer import AnswerVia
from api.models.notification import DeliveryFigure
from api.models.user import Channel
from api.pages.admin import cells
from api.pages.admin.area import add_list, area
from api.pages.admin.page_data import (
    Block,
    Cell,
    Column,
    Field,
    Filter,
    Table,
    Text,
    build_pager,
    name_field,
    number_field,
    render_page,
)
from api.pages.area import Access
from api.pages.forms import Form
from api.pages.words import CHANNEL_NAMES
from api.prefectures.schemas import compute_rate

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

_ACTIVITY = (
    "Sans cookies et sans personnes : des sommes par jour, robots compris. La provenance est le mot d’un lien "
    "« /?s=mot » ; elle suit les liens et le formulaire, et n’est gardée nulle part. Moins de cinq n’est pas montré. "
    "Un abonnement est parti s’il était payé le mois précédent et ne l’est plus."
)


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
    when = "Ce mois-ci" if form.value.months == 1 else f"{form.value.months} derniers mois"
    order = f"{when}, les fausses alertes d’abord. Les chiffres sont ajoutés chaque heure."
    with audited("answers.list", "answer") as work:
        desks = read_overview(work.session, form.value)
        reports = list_false_alarms(work.session, form.value)
    blocks: list[Block] = [
        Table("Signalements", _REPORTS, reports.items, "Personne n’a signalé de page vide.", _EMPTY_PAGE),
        build_pager(form, "before", reports.next),
        Text(title="Par guichet"),
        Filter(form, [number_field("months", "Mois", 3)]),
        Text(order if desks.items else ""),
        Table("Réponses par guichet", _DESKS, desks.items, "Aucune réponse n’est comptée dans ce temps."),
        build_pager(form, "after", desks.next),
    ]
    return render_page("Réponses et fausses alertes", blocks, _LEAD, form=form)


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
        else cells.lines(format_percent(rate), cells.hint(figure.confirmed, "de", figure.tracked))
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
)

_STEPS = {
    "first_page": "Première page",
    "search": "Recherche",
    "register": "Inscription",
    "confirm": "Adresse confirmée",
    "order": "Commande",
    "paid": "Payée",
    "told": "Prévenus",
    "found": "Trouvé",
}


def _show_count(step: str, row: tuple[object, Mapping[str, int]]) -> Cell:
    number = row[1].get(step, 0)
    return cells.format_cell(number) if number >= FEW else f"moins de {FEW}"


def _list_step_columns(of: str, steps: Iterable[str]) -> list[Column[Any]]:
    head: Column[Any] = Column(of, lambda row: row[0], "head")
    return [head, *(Column(_STEPS[step], partial(_show_count, step), "number") for step in steps)]


def _write_cost(euros: Decimal) -> Cell:
    return cells.amount(round(euros * 100))


_MONTHS: tuple[Column[Any], ...] = (
    Column("Mois", lambda each: f"{each.month:%Y-%m}", "head"),
    Column("Encaissé", lambda each: cells.amount(each.paid), "number"),
    Column("Rendu ou perdu", lambda each: cells.amount(each.returned), "number"),
    Column("Gagné", lambda each: cells.amount(each.earned), "number"),
    Column("Abonnements payés", "active", "number"),
    Column("Abonnements partis", "leaving", "number"),
)
_COSTS: tuple[Column[MonthCosts], ...] = (
    Column("Mois", lambda each: f"{each.month:%Y-%m}", "head"),
    Column("SMS", lambda each: _write_cost(each.sms), "number"),
    Column("Appels", lambda each: _write_cost(each.calls), "number"),
    Column(
        "E-mails", lambda each: cells.lines(_write_cost(each.mail_cost), cells.hint(each.mails)), "number"
    ),
    Column("Serveur", lambda each: _write_cost(each.server), "number"),
    Column("Total", lambda each: _write_cost(each.total), "number"),
)


@area.page("/admin/activite", Access.OPERATOR)
def show_activity() -> str:
    """Show where people stop, by day and source, and by month what came in, who stays, and what it cost."""
    form = Form.read_query(ActivityQuery)
    with audited("activity.view", "activity") as work:
        days, sources = read_steps(work.session, form.value.days)
        months, costs = read_months(work.session), read_costs(work.session)
    shown = [each for each in sorted(sources.items()) if max(each[1].values()) >= FEW]
    blocks: list[Block] = [
        Table("Argent par mois", _MONTHS, months, "Rien n’est encore dans le livre.", "Par mois"),
        Table("Coûts par mois", _COSTS, costs, title="Ce que coûte un mois"),
        Text(
            "SMS et appels d’après nos estimations, e-mails par MAIL_PRICE, serveur par SERVER_MONTH_PRICE."
        ),
        Text(title="Où les gens s’arrêtent"),
        Filter(form, [number_field("days", "Jours, 92 au plus", 31)]),
        Table("Étapes par jour", _list_step_columns("Jour", _STEPS), [*days.items()]),
        Table(
            "Par provenance",
            _list_step_columns("Provenance", ("first_page", "register")),
            shown,
            "Aucune provenance n’a été comptée cinq fois ; sans Redis, rien n’est compté.",
            "Par provenance",
        ),
    ]
    return render_page("Activité", blocks, _ACTIVITY, form=form)
