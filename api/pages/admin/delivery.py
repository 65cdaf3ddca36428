"""Operators' page of deliveries: how long slot alerts took, and how many arrived."""

from api.admin.figures import MOST_DAYS, DeliveryQuery, read_figures
from api.figures.schemas import compute_rate
from api.models.delivery_figure import DeliveryFigure
from api.models.user import Channel
from api.pages.admin import cells
from api.pages.admin.area import add_list
from api.pages.admin.page_data import Cell, Column, Field, ListPage, name_field, number_field
from api.pages.context import write_percent
from api.pages.words import CHANNEL_NAMES

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
        f"{text} {cells.write(found)}" for name, text in _COUNTS.items() if (found := getattr(figure, name))
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
    return " · ".join(cells.write(round(each, 3)) for each in seconds) if seconds else cells.NOTHING


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
