"""RDV Service Public (rdv.anct.gouv.fr and its sisters): a list of places, then weeks of free hours as links.

A page names the next availability as a link: it is followed, and nothing is free before it. What is read here is
described by the site's own public code (github.com/betagouv/rdv-service-public, app/views/search).
"""

import re
from dataclasses import replace
from urllib.parse import urlsplit

from lxml.html import HtmlElement

from crawler.parsing.calendars import answered, week
from crawler.parsing.errors import error_of
from crawler.parsing.links import hours_linked, next_linked, parameter
from crawler.parsing.listing import Listing, Opens, by_address, listed, listed_places
from crawler.parsing.markup import UNSEEN, rendered, says, visible
from crawler.parsing.moments import moment_of
from crawler.parsing.shapes import shaped
from crawler.parsing.tables import whole_days
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
_AHEAD = re.compile(r"[?;&]date=([^&\"'#<>\s]{11,})")  # with an hour; a week's link has none
_NEXT = "Prochaine disponibilité le"
_LINKS = f".//a[contains(., '{_NEXT}')][not({UNSEEN})]"
_NAMED = f"//body//text()[contains(., '{_NEXT}')][not({UNSEEN} or ancestor::script)]/.."
_NONE = tuple(
    f"Malheureusement, aucun créneau correspondant à votre {what} n'a été trouvé"
    for what in ("recherche", "invitation")
)
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
    none = next((each for each in _NONE if says(told, each)), "")
    if len({each.get("id") for each in calendars}) < len(calendars) or (
        none and (calendars or _NEXT in told)
    ):
        return Reading(Outcome.UNREADABLE, "shows two pages in one")
    if not calendars and hours_linked(page, (), "starts_at")[1]:
        return Reading(Outcome.UNREADABLE, "links to an hour outside of a calendar")
    if none:
        return Reading(Outcome.NO_SLOTS, f"{none}.", covered=(Covered(page.ask.place.key or None),))
    named = max(told.count(_NEXT), page.text.count(_NEXT), len(set(_AHEAD.findall(page.text))))
    if len(calendars) > 1:
        return _several(page, calendars, named)
    return _week(page, calendars[0], named) if calendars else _places(page, named) if named else Reading()


def _several(page: Page, calendars: list[HtmlElement], named: int) -> Reading:
    """Read the hours of several places at once, which no page of today shows: what is missing there, nobody knows."""
    slots = tuple(slot for each in calendars for slot in _week(page, each, named).slots)
    reason = f"calendars: {len(calendars)}, hours: {len(slots)}"
    return Reading(Outcome.SLOTS if slots else Outcome.UNREADABLE, reason, slots)


def _places(page: Page, named: int) -> Reading:
    if page.ask.place.key:
        return Reading(Outcome.UNREADABLE, "a list of places, where the days of one were asked for")
    found = []
    for node in page.root.xpath(_NAMED):
        name = next(map(visible, node.xpath("ancestor::*[.//h4][1]//h4")), None)
        link = next(iter(node.xpath("ancestor-or-self::a[1]")), None)
        if link is None:
            moment, lieu, opens = (
                moment_of(visible(node), None, page.visit.today, page.visit.zone),
                name,
                None,
            )
        else:
            url, moment = next_linked(page, link, "date")
            lieu, opens = parameter(link, "lieu_id"), _from(url)
        if moment and lieu:
            found.append((Place(lieu, name), moment, opens))
    reading = listed_places(page, found, _DAYS)
    if named == len(found) == len({place.key for place, _, _ in found}):
        return reading
    reason = f"names {named} next availabilities, of which {len(found)} can be read"
    return replace(reading, outcome=Outcome.UNREADABLE, reason=reason, covered=())


def _week(page: Page, calendar: HtmlElement, named: int) -> Reading:
    """Read a week. It covers its days where each of them shows hours or says that it has none."""
    place, headings = _place(page, calendar), calendar.xpath(_DAY)
    hours, odd = hours_linked(page, calendar.xpath(_HOURS), "starts_at")
    onward = [next_linked(page, each, "date") for each in calendar.xpath(_LINKS)]
    next_at = onward[0][1] if len(onward) == named == 1 else None
    shown = whole_days(page, headings, _HOURS, _EMPTY)
    ends = shown is not None and says(visible(headings[-1].getparent()), _NOT_YET)
    if not hours and not odd and not next_at and (named or not shown):
        return Reading(Outcome.UNREADABLE, "shows no hour, and not of each day that it has none")
    window = answered(place, page.ask.window, shown) if page.ask.place.key in ("", place.key) else None
    ask = replace(page.ask, place=place, window=window or page.ask.window or week(page.visit, place, 0))
    found = Listing([*hours, *[None] * odd], next_at=next_at, final=ends)
    reading = listed(replace(page, ask=ask), found, None if ends else _from(page.url), _DAYS)
    slots = tuple(
        replace(slot, url=hours.get(slot.starts_at) if slot.starts_at else None) for slot in reading.slots
    )
    return replace(reading, slots=slots, covered=reading.covered if (window if shown else next_at) else ())


def _place(page: Page, calendar: HtmlElement) -> Place:
    key = calendar.get("id", "").removeprefix(_LIEU)
    return page.ask.place if page.ask.place.key == key else Place(key)


def _from(url: str) -> Opens:
    return by_address(url, "date", headers={})
