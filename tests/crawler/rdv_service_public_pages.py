"""Pages of RDV Service Public, as its public code describes them. None but its maintenance page is recorded."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode

from crawler.reading import Reading, VisitContext
from tests.crawler import pages
from tests.crawler.pages import TODAY

HOST = "https://rdv.anct.gouv.fr"
DESK = f"{HOST}/prendre_rdv?motif_name_with_location_type=recepisse-public_office&public_link_organisation_id=2458"
NONE = "Malheureusement, aucun créneau correspondant à votre recherche n'a été trouvé."
EMPTY, NOT_YET = "Pas de créneau disponible", "Date fermée à la reservation"
_WEEKDAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_MONTHS = "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.".split()  # noqa: SIM905


def whole(content: str) -> str:
    return (
        '<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8"><title>Prendre rendez-vous - RDV Service Public</title>'
        f"</head><body><header><p>RDV Service Public</p></header><main>{content}</main><footer><p>Accessibilité</p></footer></body></html>"
    )


def none() -> str:
    return whole(f'<div class="card"><p>{NONE}</p><p>Veuillez réessayer ultérieurement.</p></div>')


def rails(moment: datetime) -> str:
    """Return a moment as Rails writes it into an address."""
    return quote_plus(f"{moment:%Y-%m-%d %H:%M:%S %z}")


def hour(moment: datetime, written: str | None = None) -> str:
    when = f"{_WEEKDAYS[moment.weekday()]} {moment.day} {_MONTHS[moment.month - 1]} à {moment:%H:%M}"
    href = f"/users/rdv_wizard_step/new?lieu_id=5&amp;motif_id=12&amp;starts_at={written or rails(moment)}"
    return f'<a class="fr-btn" aria-label="Choisir le créneau du {when}" href="{href}">{moment:%H:%M}</a>'


def column(day: date, content: str) -> str:
    return f"<div><p><strong>{_WEEKDAYS[day.weekday()]}</strong><br>{day.day} {_MONTHS[day.month - 1]}</p>{content}</div>"


def week(
    hours: Iterable[datetime] = (),
    *,
    first: date = TODAY,
    lieu: str = "5",
    said: Mapping[date, str] | None = None,
    days: int = 7,
    more: str = "",
) -> str:
    """Return a week's page: hours by day, and on days without any the words of `said`, else that there is none."""
    by_day: dict[date, list[datetime]] = {}
    for each in hours:
        by_day.setdefault(each.date(), []).append(each)
    columns = []
    for day in (first + timedelta(days=number) for number in range(days)):
        free = "".join(hour(each) for each in by_day.get(day, []))
        columns.append(column(day, free or f"<p>{(said or {}).get(day, EMPTY)}</p>"))
    return whole(
        f'<h3>Sélectionnez un créneau :</h3><div id="creneaux-lieu-{lieu}"><div>{"".join(columns)}{more}</div></div>'
    )


def onward(moment: datetime, lieu: str = "5", **fields: str) -> str:
    """Return the link to the next availability."""
    query = urlencode({"public_link_organisation_id": "2458", "lieu_id": lieu, **fields})
    href = f"/prendre_rdv?date={rails(moment)}&{query}".replace("&", "&amp;")
    return f'<a href="{href}">Prochaine disponibilité le<br><strong>{moment:%d/%m/%Y %Hh%M}</strong></a>'


def places(named: Sequence[tuple[str, str, datetime]]) -> str:
    """Return the list of places: id, name, next availability."""
    cards = "".join(
        f'<div class="card"><h4>{name}</h4><p>1 rue de la Paix</p>{onward(moment, lieu)}</div>'
        for lieu, name, moment in named
    )
    return whole(f"<h3>Sélectionnez un lieu de RDV :</h3>{cards}")


def visit(**how: Any) -> VisitContext:
    return pages.visit(DESK, name="rdv_service_public", **how)


def read(body: str, **how: Any) -> Reading:
    """Interpret a page as the crawl does."""
    return pages.read(body, name="rdv_service_public", **{"url": DESK, "of": visit()} | how)
