"""RDV Service Public (rdv.anct.gouv.fr and its sisters): a list of places, then weeks of free hours as links.

A free hour is a link with a moment in its address. A page names the next availability as such a link, too, which is
followed: nothing is free before it. The source is the site's own public code (github.com/betagouv/rdv-service-public,
app/views/search).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import islice
from urllib.parse import unquote_plus, urlsplit
from zoneinfo import ZoneInfo

from lxml.html import HtmlElement
from w3lib.url import url_query_parameter

from crawler.parsing.absence import Statement, check_page
from crawler.parsing.dates import covered_by_answer, machine_moment, moment_of, moments_in, week
from crawler.parsing.error_pages import read_no_document
from crawler.parsing.forms import address_of
from crawler.parsing.hidden_parts import HIDDEN, UNSEEN
from crawler.parsing.html_text import rendered_lines, rendered_text
from crawler.parsing.json_calendar import Listing, WindowRequest, by_address, read_listing, read_place_list
from crawler.parsing.json_models import day_in
from crawler.parsing.normal_form import contains_phrase, normalize
from crawler.platforms import Platform, match_address
from crawler.reading import CoveredWindow, Outcome, Page, PageRequest, Place, Reading, Slot, VisitContext

HOURS = f".//a[starts-with(@aria-label, 'Choisir le créneau d')][not({HIDDEN})]"
# Marks a day without hours in a week with hours.
_ICONS = f".//i[contains(concat(' ', @class, ' '), ' fa-minus ')][not({HIDDEN})]"
NOT_YET = "Date fermée à la reservation"
_EMPTY = ("Pas de créneau disponible", NOT_YET)
_MOST_DAYS = 62  # of one calendar: each heading's column is searched
_STARTS = re.compile(r"starts_at=(?<!\wstarts_at=)([^&\"'#<>\s]+)")
_CLOCK = re.compile(r" ?(\d{1,2}) ?[:h] ?(\d\d) ?")
_ELSEWHERE = ZoneInfo("Pacific/Kiritimati")  # no prefecture's
_ADDRESS = re.compile(r"https?://[^/?#]+/prendre_rdv(?:\?\S*)?$")
_LIEU = "creneaux-lieu-"
# Prefix of the key of a place without a lieu: an appointment by phone or at home.
_ORGANISATION = "organisation-"
_CALENDAR = f"//*[starts-with(@id, '{_LIEU}')]"
_DAY = ".//p[strong]"
_AHEAD = re.compile(r"date=(?<=[?;&]date=)([^&\"'#<>\s]{11,})")  # with an hour; the link of a week has none
_NEXT = "Prochaine disponibilité le"
_LINKS = f".//a[contains(., '{_NEXT}')][not({HIDDEN})]"
_NAMED = f"descendant::*[text()[contains(., '{_NEXT}')][not({HIDDEN} or ancestor::script)][ancestor::body]]"
_MOST_REGRETS = 10
_MOST_CALENDARS, _MOST_PLACES = 20, 100  # each is searched in the whole page
_HEADING = f".//*[self::h3 or self::h4 or contains(@class, 'card__title')][not({UNSEEN})]"
_DATED = f"//a[contains(@href, 'date=')][not({UNSEEN})]"
# The sentence of a search, alone in its element (app/views/search/_nothing_to_show).
_NONE = re.compile(
    r"malheureusement ?, aucun creneau correspondant a votre (?:recherche|invitation) n'a ete trouve ?\.?"
    r"(?: (?:veuillez reessayer ulterieurement|toutes nos excuses pour cela) ?\.?)*"
)
_ASIDE = (
    "ancestor::*[self::aside or self::details or self::blockquote or self::q or self::cite or self::dialog"
    " or self::header or self::footer or self::nav or self::li or self::table or self::form or @role='dialog'"
    " or contains(@class, 'modal') or contains(@class, 'accordion')]"
)
_REGRETS = (
    "descendant::*[text()[contains(., 'alheureusement') or contains(., 'ALHEUREUSEMENT')]"
    f"[not({HIDDEN} or ancestor::script or {_ASIDE})][ancestor::body][ancestor::main or $anywhere]]"
)
_CARD = "ancestor::*[contains(concat(@class, ' '), 'card ')][1]"
_OPENED = "(descendant-or-self::* | ancestor::*[position() <= 2])/@aria-controls"
# A dialogue that would hold the link, or a link without its address.
_LINK_IS_MISSING = f"{_OPENED} | .//a[not(@href)]"
_LONGEST = 200  # characters of the page's words
_AROUND = 3  # elements around the first word that may contain the whole sentence
_RETIRED = re.compile(r"le motif .+ n'est plus disponible a la reservation(?: a .+)?")
_ALERTS = f"//*[contains(@class, 'alert')][not({HIDDEN} or {_ASIDE})]"
_WORKSHOP = "rdv_collectif_id"
_WORKSHOPS = f"//a[contains(@href, '{_WORKSHOP}=')][not({HIDDEN})]"
_BOOKS = re.compile(r"/(?:users|prescripteur|agents|admin)(?:/|$)")


def parameter(link: HtmlElement, name: str) -> str:
    """Return a parameter of a link's address, unescaped; empty without it."""
    return url_query_parameter(link.get("href", ""), name) or ""


def read_hour_links(page: Page, links: Iterable[HtmlElement]) -> tuple[dict[datetime, str | None], int]:
    """Return the hours (UTC) of links with their addresses, and the number of other hours in the page.

    Other hours are unreadable, or elsewhere in the page's text (a comment, a script, an invisible link). With any of
    them, the page may have more slots than these.
    """
    linked = {parameter(link, "starts_at"): link for link in links}
    found = _STARTS.findall(page.text)
    moments = {text: _linked_moment(text, linked[text], page) for text in sorted(linked)}
    odd = [text for text in {*linked, *map(unquote_plus, found)} if not moments.get(text)]
    hours = {moment: address_of(page, linked[text]) for text, moment in moments.items() if moment}
    twice = sum(map(bool, moments.values())) - len(hours)  # at the end of summer time: one lost its offset
    return hours, len(odd) + twice


def _linked_moment(text: str, link: HtmlElement, page: Page) -> datetime | None:
    """Return the moment of a link's address; None if its offset is lost and the link shows another clock."""
    moment, shown = machine_moment(text, page.visit.zone), _CLOCK.fullmatch(rendered_text(link))
    if moment and shown and moment != machine_moment(text, _ELSEWHERE):  # so it names no offset
        local = moment.astimezone(page.visit.zone)
        return moment if (local.hour, local.minute) == (int(shown[1]), int(shown[2])) else None
    return moment


def read_next_link(page: Page, link: HtmlElement) -> tuple[str, date | None]:
    """Return the address of a link to the next availability, and its moment; None if either is unreadable.

    The moment is the one in the address, else the one in the link's text.
    """
    url, text = address_of(page, link), parameter(link, "date")
    if not url:
        return "", None
    if text:
        return url, machine_moment(text, page.visit.zone) or day_in(text)
    return url, moment_of(rendered_text(link), None, page.visit)


def whole_days(page: Page, headings: Sequence[HtmlElement], *, by_icons: bool) -> tuple[date, date] | None:
    """Return the first and last day of a calendar with one column a day; None if it may leave an hour out.

    A column is the parent of its heading. It has hours, or says that it has none: by a sentence, or `by_icons` alone.
    The days are consecutive, and the page is complete.
    """
    if len(headings) > _MOST_DAYS or b"</html" not in page.lowered:
        return None
    days = [moment_of(rendered_text(each), None, page.visit) for each in headings]
    first = days[0] if days else None
    if first is None or days != [first + timedelta(days=number) for number in range(len(days))]:
        return None
    for heading in headings:
        column = next(heading.iterancestors())
        if bool(column.xpath(HOURS)) == _says_nothing(column, heading, by_icons=by_icons):
            return None
    return first, first + timedelta(days=len(days) - 1)


def _says_nothing(column: HtmlElement, heading: HtmlElement, *, by_icons: bool) -> bool:
    text = rendered_text(column)
    if any(contains_phrase(text, sentence) for sentence in _EMPTY):
        return True
    return by_icons and bool(column.xpath(_ICONS)) and text == rendered_text(heading)


class RdvServicePublic(Platform):
    """RDV Service Public, also called RDV-Solidarités."""

    SYSTEM = "custom"
    EXAMPLE = "https://rdv.anct.gouv.fr/prendre_rdv?public_link_organisation_id=1"
    ADDRESS = _ADDRESS
    MARKS = (_CALENDAR, "//title[contains(., 'RDV Service Public')]")

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for the desk's page."""
        match_address(visit.url, _ADDRESS, "RDV Service Public", "prendre_rdv?…")
        return PageRequest(visit.url, "search")

    def read_page(self, page: Page) -> Reading:
        """Read a list of places, a week of one place, or a page without slots."""
        if error := read_no_document(page, entry=page.ask.url == page.visit.url):
            return error
        calendars, told, none = page.root.xpath(_CALENDAR), page.shown, _none(page)
        workshops = page.root.xpath(_WORKSHOPS)
        if doubt := _doubt(page, calendars, told, said=bool(none), workshops=bool(workshops)):
            return Reading(Outcome.UNREADABLE, doubt)
        if none:
            return _nothing(page, none[:_LONGEST].replace(" ,", ","))
        if workshops:
            return _seats(page, workshops)
        named = max(told.count(_NEXT), page.text.count(_NEXT), len(set(_AHEAD.findall(page.text))))
        if calendars:
            return (
                _week(page, calendars[0], named) if len(calendars) == 1 else _several(page, calendars, named)
            )
        return _places(page, named) if named else _read_closure(page)

    def is_forbidden(self, url: str, method: str) -> bool:
        """Forbid all requests but GET, and the pages after the choice of an hour."""
        return method != "GET" or _BOOKS.match(urlsplit(url).path) is not None


def _doubt(page: Page, calendars: list[HtmlElement], told: str, *, said: bool, workshops: bool) -> str:
    """Return a contradiction in the page, empty without one."""
    several = len({each.get("id") for each in calendars}) < len(calendars)
    beside = calendars or _NEXT in told or (said and (_WORKSHOP in page.text or _AHEAD.search(page.text)))
    if several or ((said or workshops) and beside):
        return "shows two pages in one"
    if not calendars and read_hour_links(page, ())[1]:
        return "links to an hour outside of a calendar"
    return ""


def _several(page: Page, calendars: list[HtmlElement], named: int) -> Reading:
    """Read the hours of several places on one page. No present page shows them, so nothing is covered."""
    if len(calendars) > _MOST_CALENDARS:
        return Reading(Outcome.UNREADABLE, f"shows {len(calendars)} calendars, which no page does")
    slots = tuple(slot for each in calendars for slot in _week(page, each, named).slots)
    reason = f"calendars: {len(calendars)}, hours: {len(slots)}"
    return Reading(Outcome.SLOTS if slots else Outcome.UNREADABLE, reason, slots)


def _places(page: Page, named: int) -> Reading:
    if page.ask.place.key:
        return Reading(Outcome.UNREADABLE, "a list of places, where the days of one were asked for")
    if named > _MOST_PLACES:
        return Reading(Outcome.UNREADABLE, f"names {named} next availabilities, which no page does")
    headings = _Headings(page.root)
    found = list(filter(None, (_next_at(page, node, headings) for node in page.root.xpath(_NAMED))))
    reading = read_place_list(page, found)
    # Where some places are linked and others not, a link was lost: its place has another key by its name.
    are_linked = len({ask is not None for _, _, ask in found}) == 1
    if are_linked and named == len(found) == len({place.key for place, _, _ in found}):
        return reading
    reason = f"names {named} next availabilities, of which {len(found)} can be read"
    if not are_linked:
        reason = f"of {named} next availabilities it links only some"
    return replace(reading, outcome=Outcome.UNREADABLE, reason=reason, covered=())


class _Headings:
    """The first heading in each element of a page that contains one."""

    def __init__(self, root: HtmlElement) -> None:
        self._first: dict[HtmlElement, HtmlElement] = {}
        self._order = {element: number for number, element in enumerate(root.iter())}
        for heading in root.xpath(_HEADING):
            for around in heading.iterancestors():
                if around in self._first:  # and so is all that stands around it
                    break
                self._first[around] = heading

    def card_of(self, node: HtmlElement) -> tuple[HtmlElement, str] | None:
        """Return the smallest element around a node with a heading before the node, and that heading's text."""
        for around in (node, *node.iterancestors()):
            heading = self._first.get(around)
            if heading is not None and self._order[heading] <= self._order[node]:
                return around, rendered_text(heading)
        return None


def _next_at(
    page: Page, node: HtmlElement, headings: _Headings
) -> tuple[Place, date, WindowRequest | None] | None:
    """Read the next availability of one card: its place, its moment, and its request if it is linked.

    The link is around the words, in the card's title, or in the dialogue that the card opens.
    """
    card, name = headings.card_of(node) or (None, None)
    if card is not None and rendered_text(card).count(_NEXT) > 1:
        card = name = None
    link = next(iter(node.xpath("ancestor-or-self::a[1]") or _links_of(card)), None)
    if link is None:
        if card is not None and card.xpath(_LINK_IS_MISSING):
            return None
        moment = moment_of(rendered_text(node), None, page.visit)
        return (Place(name, name), moment, None) if moment and name else None
    url, moment = read_next_link(page, link)
    organisation = parameter(link, "user_selected_organisation_id")
    key = parameter(link, "lieu_id") or (organisation and _ORGANISATION + organisation)
    return (Place(key, name), moment, _from(url)) if moment and key else None


def _links_of(card: HtmlElement | None) -> list[HtmlElement]:
    """Return the only link to a moment in a card, or in the dialogue that it opens; none if there are several."""
    if card is None:
        return []
    links = card.xpath(f".{_DATED}")
    for dialogue in [] if links else card.xpath(_OPENED):
        links += card.xpath(f"//*[@id=$id]{_DATED}", id=dialogue)
    return links if len({each.get("href") for each in links}) == 1 else []


def _none(page: Page) -> str:
    """Return the sentence of a search without results, at the place of its results; empty if it is only quoted."""
    regrets = page.root.xpath(_REGRETS, anywhere=not page.root.xpath("//main"))[:_MOST_REGRETS]
    around = dict.fromkeys(
        each for node in regrets for each in islice((node, *node.iterancestors()), _AROUND)
    )
    return next((text for text in map(rendered_text, around) if _NONE.fullmatch(normalize(text))), "")


def _nothing(page: Page, said: str) -> Reading:
    if doubt := check_page(page, Statement(said)).doubt:
        return Reading(Outcome.UNREADABLE, f"says {said!r} {doubt}")
    return Reading(Outcome.NO_SLOTS, said, covered=(CoveredWindow(page.ask.place.key or None),))


def _read_closure(page: Page) -> Reading:
    """Read the notice that a motive can no longer be booked; for one of several places it proves nothing."""
    said = next(
        (text for text in map(rendered_text, page.root.xpath(_ALERTS)) if _RETIRED.match(normalize(text))), ""
    )
    if not said:
        return Reading()
    return Reading(Outcome.UNREADABLE if page.ask.place.key else Outcome.CLOSED, said[:_LONGEST])


def _seats(page: Page, links: list[HtmlElement]) -> Reading:
    """Read workshops with free seats. They cover nothing, because the page may not list all."""
    place = page.ask.place
    slots = tuple(Slot(place, _begins(page, each), address_of(page, each)) for each in links)
    return Reading(Outcome.SLOTS, f"{len(links)} workshops with a free seat", slots)


def _begins(page: Page, link: HtmlElement) -> datetime | None:
    """Return the start of a workshop: the only moment in its card, with an hour; None without one, or with several."""
    card = next(iter(link.xpath(_CARD)), None)
    if card is None:
        return None
    moments = set(moments_in(rendered_lines(card), page.visit))
    start = moments.pop() if len(moments) == 1 else None
    return start if isinstance(start, datetime) else None


def _week(page: Page, calendar: HtmlElement, named: int) -> Reading:
    """Read a week. It covers its days if each of them shows hours or says that it has none."""
    place, headings = _place(page, calendar), calendar.xpath(_DAY)
    hours, odd = read_hour_links(page, calendar.xpath(HOURS))
    onward = [read_next_link(page, each) for each in calendar.xpath(_LINKS)]
    next_at = onward[0][1] if len(onward) == named == 1 else None
    shown = whole_days(page, headings, by_icons=bool(hours))
    ends = shown is not None and contains_phrase(rendered_text(headings[-1].getparent()), NOT_YET)
    if not hours and not odd and not next_at and (named or not shown):
        return Reading(Outcome.UNREADABLE, "shows no hour, and not of each day that it has none")
    window = (
        covered_by_answer(place, page.ask.window, shown) if page.ask.place.key in ("", place.key) else None
    )
    ask = replace(page.ask, place=place, window=window or page.ask.window or week(page.visit, place, 0))
    found = Listing([*hours, *[None] * odd], next_at=next_at, final=ends)
    reading = read_listing(replace(page, ask=ask), found, None if ends else _from(page.url))
    slots = tuple(
        replace(slot, url=hours.get(slot.starts_at) if slot.starts_at else None) for slot in reading.slots
    )
    return replace(reading, slots=slots, covered=reading.covered if (window if shown else next_at) else ())


def _place(page: Page, calendar: HtmlElement) -> Place:
    key = calendar.get("id", "").removeprefix(_LIEU)
    asked = page.ask.place
    return asked if asked.key == key or (not key and asked.key.startswith(_ORGANISATION)) else Place(key)


def _from(url: str) -> WindowRequest:
    return by_address(url, "date", headers={})
