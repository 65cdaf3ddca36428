"""Links with a moment in a parameter of their address: a free hour, or the next availability."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo

from lxml.html import HtmlElement
from w3lib.url import url_query_parameter

from crawler.parsing.date_parsing import machine_moment, moment_of
from crawler.parsing.forms import address_of
from crawler.parsing.html_text import rendered_text
from crawler.parsing.json_models import day_in
from crawler.reading import Page

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
