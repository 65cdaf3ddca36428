"""Links with a moment in a parameter of their address: a free hour, or the next availability."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from urllib.parse import unquote_plus

from lxml.html import HtmlElement
from w3lib.url import url_query_parameter

from crawler.parsing.date_parsing import machine_moment, moment_of
from crawler.parsing.forms import address_of
from crawler.parsing.html_text import rendered_text
from crawler.parsing.json_models import day_in
from crawler.reading import Page


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
    linked = {parameter(link, name): address_of(page, link) for link in links}
    found = re.findall(rf"{re.escape(name)}=(?<!\w{re.escape(name)}=)([^&\"'#<>\s]+)", page.text)
    moments = {text: machine_moment(text, page.visit.zone) for text in sorted(linked)}
    odd = [text for text in {*linked, *map(unquote_plus, found)} if not moments.get(text)]
    return {moment: linked[text] for text, moment in moments.items() if moment}, len(odd)


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
