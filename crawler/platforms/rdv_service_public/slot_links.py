"""Links with a moment in their address: a free hour, or the next availability; whether days show all their hours."""

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo

from lxml.html import HtmlElement
from w3lib.url import url_query_parameter

from crawler.parsing.date_parsing import machine_moment, moment_of
from crawler.parsing.forms import address_of
from crawler.parsing.html_text import HIDDEN, contains_phrase, rendered_text
from crawler.parsing.json_models import day_in
from crawler.reading import Page

HOURS = f".//a[starts-with(@aria-label, 'Choisir le créneau d')][not({HIDDEN})]"
# Marks a day without hours in a week with hours.
_ICONS = f".//i[contains(concat(' ', @class, ' '), ' fa-minus ')][not({HIDDEN})]"
NOT_YET = "Date fermée à la reservation"
_EMPTY = ("Pas de créneau disponible", NOT_YET)
_MOST_DAYS = 62  # of one calendar: each heading's column is searched
_CLOCK = re.compile(r" ?(\d{1,2}) ?[:h] ?(\d\d) ?")
_ELSEWHERE = ZoneInfo("Pacific/Kiritimati")  # no prefecture's


def parameter(link: HtmlElement, name: str) -> str:
    """Return a parameter of a link's address, unescaped; empty without it."""
    return url_query_parameter(link.get("href", ""), name) or ""


def read_hour_links(
    page: Page, links: Iterable[HtmlElement], name: str
) -> tuple[dict[datetime, str | None], int]:
    """Return the hours (UTC) of links with their addresses, and the number of other hours in the page.

    Other hours are unreadable, or elsewhere in the page's text (a comment, a script, an invisible link). With any of
    them, the page may have more slots than these.
    """
    linked = {parameter(link, name): link for link in links}
    found = re.findall(rf"{re.escape(name)}=(?<!\w{re.escape(name)}=)([^&\"'#<>\s]+)", page.text)
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


def read_next_link(page: Page, link: HtmlElement, name: str) -> tuple[str, date | None]:
    """Return the address of a link to the next availability, and its moment; None if either is unreadable.

    The moment is the one in the address, else the one in the link's text.
    """
    url, text = address_of(page, link), parameter(link, name)
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
