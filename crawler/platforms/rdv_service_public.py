"""RDV Service Public (rdv.anct.gouv.fr and its sisters): a list of places, then weeks of free hours as links.

A page names the next availability as a link: it is followed, and nothing is free before it. What is read here is
described by the site's own public code (github.com/betagouv/rdv-service-public, app/views/search).
"""

import re
from dataclasses import replace
from datetime import date
from urllib.parse import unquote_plus, urlsplit

from lxml.html import HtmlElement
from w3lib.url import add_or_replace_parameter, url_query_parameter

from crawler.parsing.answers import day_in
from crawler.parsing.calendars import answered, unbroken, week
from crawler.parsing.errors import error_of
from crawler.parsing.forms import address_of
from crawler.parsing.listing import Listing, Opens, listed, listed_places
from crawler.parsing.markup import UNSEEN, rendered, visible
from crawler.parsing.moments import machine_moment, moment_of
from crawler.parsing.shapes import shaped
from crawler.reading import Ask, Covered, Outcome, Page, Place, Reading, Visit

SYSTEM = "custom"
EXAMPLE = "https://rdv.anct.gouv.fr/prendre_rdv?public_link_organisation_id=1"
ADDRESS = re.compile(r"https?://[^/?#]+/prendre_rdv(?:\?\S*)?$")

_DAYS = 7
_LIEU = "creneaux-lieu-"
_CALENDAR = f"//*[starts-with(@id, '{_LIEU}')]"
MARKS = (_CALENDAR, "//title[contains(., 'RDV Service Public')]")
_DAY = ".//p[strong]"
_HOURS = f".//a[starts-with(@aria-label, 'Choisir le créneau d')][not({UNSEEN})]"
_HOUR = re.compile(r"starts_at=([^&\"'#<>\s]+)")
_AHEAD = re.compile(r"[?;&]date=([^&\"'#<>\s]{11,})")  # with an hour; a week's link has none
_NEXT = "Prochaine disponibilité le"
_LINKS = f".//a[contains(., '{_NEXT}')][not({UNSEEN})]"
_NONE = "Malheureusement, aucun créneau correspondant à votre recherche n'a été trouvé"
_NOT_YET = "Date fermée à la reservation"
_EMPTY = ("Pas de créneau disponible", _NOT_YET)
_BOOKS = re.compile(r"/(?:users|prescripteur|agents|admin)(?:/|$)")


def forbidden(url: str, method: str) -> bool:
    """Tell whether this request does more than look: sends anything, or goes the way on behind an hour."""
    return method != "GET" or _BOOKS.match(urlsplit(url).path) is not None


def first(visit: Visit) -> Ask:
    """Ask for the desk's page."""
    shaped(visit.url, ADDRESS, "RDV Service Public", "prendre_rdv?…")
    return Ask(visit.url, "search")


def read(page: Page) -> Reading:
    """Read a list of places, a week of one place, or that there is nothing."""
    if error := error_of(page, entry=page.ask.url == page.visit.url):
        return error
    calendars, told = page.root.xpath(_CALENDAR), rendered(page.root)
    if len(calendars) > 1 or (_NONE in told and (calendars or _NEXT in told)):
        return Reading(Outcome.UNREADABLE, "shows two pages in one")
    if not calendars and _HOUR.search(page.text):
        return Reading(Outcome.UNREADABLE, "links to an hour outside of a calendar")
    if _NONE in told:
        return Reading(Outcome.NO_SLOTS, f"{_NONE}.", covered=(Covered(page.ask.place.key or None),))
    named = max(told.count(_NEXT), page.text.count(_NEXT), len(set(_AHEAD.findall(page.text))))
    return _week(page, calendars[0], named) if calendars else _places(page, named) if named else Reading()


def _places(page: Page, named: int) -> Reading:
    if page.ask.place.key:
        return Reading(Outcome.UNREADABLE, "a list of places, where the days of one were asked for")
    found = []
    for link in page.root.xpath(_LINKS):
        (url, moment), lieu = _onward(page, link), _param(link, "lieu_id")
        if moment and lieu:
            name = next(map(visible, link.xpath("ancestor::*[.//h4][1]//h4")), None)
            found.append((Place(lieu, name), moment, _opens(url)))
    reading = listed_places(page, found, _DAYS)
    if named == len(found) == len({place.key for place, _, _ in found}):
        return reading
    reason = f"names {named} next availabilities, of which {len(found)} can be read"
    return replace(reading, outcome=Outcome.UNREADABLE, reason=reason, covered=())


def _week(page: Page, calendar: HtmlElement, named: int) -> Reading:
    """Read a week. It covers its days where each of them shows hours or says that it has none."""
    visit, place = page.visit, _place(page, calendar)
    linked = {_param(link, "starts_at"): address_of(page, link) for link in calendar.xpath(_HOURS)}
    written = linked.keys() | map(unquote_plus, _HOUR.findall(page.text))
    hours = {text: machine_moment(text, visit.zone) if text in linked else None for text in sorted(written)}
    onward = [_onward(page, link) for link in calendar.xpath(_LINKS)]
    next_at = onward[0][1] if len(onward) == named == 1 else None
    shown, ends = _days(page, calendar)
    if not hours and not next_at and (named or not shown):
        return Reading(Outcome.UNREADABLE, "shows no hour, and not of each day that it has none")
    window = answered(place, page.ask.window, shown) if page.ask.place.key in ("", place.key) else None
    ask = replace(page.ask, place=place, window=window or page.ask.window or week(visit, place, 0))
    found = Listing(list(hours.values()), next_at=next_at, final=ends)
    reading = listed(replace(page, ask=ask), found, None if ends else _opens(page.url), _DAYS)
    urls: dict[date | None, str | None] = {moment: linked[text] for text, moment in hours.items() if moment}
    slots = tuple(replace(slot, url=urls.get(slot.starts_at)) for slot in reading.slots)
    proven = reading.covered if (window if shown else next_at) else ()
    return replace(reading, slots=slots, covered=proven)


def _days(page: Page, calendar: HtmlElement) -> tuple[tuple[date, date] | None, bool]:
    """Return the first and last day, if each says what is free on it, and whether no later one can be booked yet."""
    headings = calendar.xpath(_DAY)
    days = unbroken([moment_of(visible(each), None, page.visit.today, page.visit.zone) for each in headings])
    columns = [each.getparent() for each in headings]
    plain = all(bool(each.xpath(_HOURS)) != any(text in visible(each) for text in _EMPTY) for each in columns)
    if not days or not plain or b"</html" not in page.lowered:
        return None, False
    return days, _NOT_YET in visible(columns[-1])


def _place(page: Page, calendar: HtmlElement) -> Place:
    key = calendar.get("id", "").removeprefix(_LIEU)
    return page.ask.place if page.ask.place.key == key else Place(key)


def _onward(page: Page, link: HtmlElement) -> tuple[str, date | None]:
    """Return where a link to the next availability leads, and that moment; None where either cannot be read."""
    url, text = address_of(page, link), _param(link, "date")
    return (url, machine_moment(text, page.visit.zone) or day_in(text)) if url else ("", None)


def _param(link: HtmlElement, name: str) -> str:
    return url_query_parameter(link.get("href", ""), name) or ""


def _opens(url: str) -> Opens:
    def ask(_visit: Visit, window: Covered) -> Ask:
        return Ask(add_or_replace_parameter(url, "date", f"{window.first}"), "week")

    return ask
