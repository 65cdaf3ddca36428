"""EZBooking pages for the tests, written from what is known of them; nothing here was recorded."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")
FORM = "9845"
SENTENCE = "Il n'existe plus de plage horaire libre pour votre demande de rendez-vous. Veuillez recommencer ultérieurement."
ERROR_SENTENCE = "Il n'y a pas calendrier disponible pour votre demande."
NEXT = '<input type="submit" name="nextButton" value="Etape suivante" class="Bbutton">'
FIRST_HOUR = '<input type="submit" name="nextButton" value="Première plage horaire libre" class="Bbutton">'
END = '<input type="submit" name="finishButton" value="Terminer" class="Bbutton">'
_TITLES = {
    1: "Rendez-vous",
    3: "Descriptif",
    4: "Choix d'une plage",
    6: "Contrôle de sécurité",
    8: "Identité",
    9: "Fin",
}


def wizard(body: str, button: str, *, current: int | None = None, step: int = 0, after: str = "") -> str:
    """Return a page of the wizard: progress pictures (`r` on the current one), then the form."""
    pictures = "".join(
        f'<li><img src="/extension/booking/design/images/etape_{n}{"r" if n == current else ""}.png" alt="{title}"></li>'
        for n, title in _TITLES.items()
    )
    return (
        '<!DOCTYPE html><html lang="fr-FR"><head><meta charset="utf-8"><title>Prendre rendez-vous - Les services de '
        "l'État en Seine-Saint-Denis</title><script>var erreurs = {plein: 'aucune'};</script></head><body>"
        '<div id="entete"><form action="/content/search" method="get"><input name="SearchText"></form></div>'
        f'<ul id="progression">{pictures}</ul><div id="inner_Booking"><h2>Prise de rendez-vous</h2>'
        f'<form name="create" id="FormBookingCreate" action="/booking/create/{FORM}/{step}" method="post">{body}'
        f'<div id="submit_Booking">{button}</div></form></div>{after}'
        '<div id="pied">Les services de l\'État</div></body></html>'
    )


def conditions() -> str:
    """Return step 0."""
    box = '<p>Conditions d\'utilisation</p><input type="checkbox" name="condition" id="condition">'
    return wizard(box, '<input type="submit" name="nextButton" value="Effectuer une demande de rendez-vous">')


def choice(plannings: Mapping[str, str]) -> str:
    """Return step 1: planning id to label."""
    lines = "".join(
        f'<p class="Bligne"><input type="radio" class="radio" name="planning" id="planning{key}" value="{key}">'
        f'<label for="planning{key}">{text}</label></p>'
        for key, text in plannings.items()
    )
    return wizard(f'<fieldset id="fchoix_Booking">{lines}</fieldset>', NEXT, current=1, step=1)


def full(sentence: str = SENTENCE) -> str:
    """Return step 2 with the sentence that nothing is free."""
    return wizard(sentence, END, step=2)


def refused(sentence: str = ERROR_SENTENCE) -> str:
    """Return the other form of it: an error above the form."""
    page = wizard("", END, step=2)
    error = f'<ul class="error"><li>{sentence} Veuillez réessayer ultérieurement.</li></ul>'
    return page.replace('<div id="inner_Booking">', f'<div id="inner_Booking">{error}')


def terms() -> str:
    """Return step 3, where only an open desk leads."""
    return wizard("<p>Pièces à fournir</p>", NEXT, current=3, step=3)


def pick(planning: str | None = None, hours: Iterable[int] = ()) -> str:
    """Return step 4: its script names the calendar's planning, hours may be linked on the page."""
    call = f"jQuery.ez('bookingserver::planning::assign::{FORM}::{planning}::' + jours);"
    links = "".join(link(hour) for hour in hours)
    return wizard(links, FIRST_HOUR, current=4, step=4, after=f"<script>{call}</script>" if planning else "")


def link(unix: object, text: str = "libre") -> str:
    """Return the link of a free hour."""
    return f'<a href="/booking/create/{FORM}/5/{unix}" title="Choisir">{text}</a>'


def week(first: date, hours: Sequence[int] = (), *, heading: str | None = None, legend: bool = True) -> str:
    """Return a week of the calendar: `hours` in unix seconds, each in the column of its local day."""
    days = [first + timedelta(days=ahead) for ahead in range(7)]
    period = heading if heading is not None else f"Semaine du {days[0]:%d/%m/%Y} au {days[-1]:%d/%m/%Y}"
    cells = []
    for day in days:
        here = [unix for unix in hours if datetime.fromtimestamp(unix, PARIS).date() == day]
        cells.append(f"<td>{' '.join(link(unix) for unix in here) or 'complet'}</td>")
    heads = "".join(f"<th>{day:%d/%m}</th>" for day in days)
    note = (
        '<p>Légende : <span class="free">libre</span> <span class="taken">complet</span></p>'
        if legend
        else ""
    )
    return f'<table><tr><th colspan="7">{period}</th></tr><tr>{heads}</tr><tr>{"".join(cells)}</tr></table>{note}'
