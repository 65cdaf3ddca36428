"""The words that platforms answer with: ask, page, slot, cover, reading, outcome. Plain values, no I/O."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeVar
from urllib.parse import urljoin
from zoneinfo import ZoneInfo

from lxml import etree, html
from w3lib.encoding import html_body_declared_encoding, html_to_unicode, http_content_type_encoding

from configs.outcome import Outcome as Outcome  # noqa: PLC0414 -- platforms find all their words here

T = TypeVar("T")

GONE = (404, 410)  # HTTP statuses: nothing is there, or nothing any more
MOVED = (301, 302, 303, 307, 308)  # HTTP statuses with which a browser goes on elsewhere
_ERROR = 400
_END = re.compile(r"(?i)</html\s*>")
# What browsers read (https://encoding.spec.whatwg.org/#names-and-labels), as Python names it. It has other codecs: some
# take the square of their input (punycode), some make markup of what shows as text (unicode_escape).
_CHARSET = re.compile(
    r"utf-(?:8|16(?:-[bl]e)?)|cp(?:125[0-8]|866|874|932|949)|iso8859-(?:[2-8]|1[03-6])|koi8-[ru]|mac-roman|gb18030"
    r"|big5hkscs|euc_jp|iso2022_jp"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one goes: a planning, an agenda, a town hall. The key is the platform's id, never its label."""

    key: str = ""
    label: str | None = None


ANYWHERE = Place()


@dataclass(frozen=True, slots=True)
class Slot:
    """A bookable moment as the page showed it.

    `moment` is an aware datetime in UTC (an instant), a date (the hour is unknown) or None ("open", nothing known).
    """

    place: Place
    moment: datetime | date | None
    url: str | None = None
    seats: int | None = None

    @property
    def moment_text(self) -> str:
        """Return ISO 8601 in UTC, or `YYYY-MM-DD`, or `open`: what tells slots of one place apart."""
        if self.moment is None:
            return "open"
        if isinstance(self.moment, datetime):
            return self.moment.astimezone(ZoneInfo("UTC")).isoformat()
        return self.moment.isoformat()

    @property
    def starts_at(self) -> datetime | None:
        """Return the instant, where one is known."""
        return self.moment if isinstance(self.moment, datetime) else None


@dataclass(frozen=True, slots=True)
class CoveredWindow:
    """What a page answered for: one place (None: all of the desk) between two local dates, both included.

    An end that is None is open: everything from, everything until. `doubtful`: the page may leave slots out without
    saying so, so that only the second answer in a row without a slot closes it.
    """

    place_key: str | None = None
    first: date | None = None
    last: date | None = None
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class BrowserAction:
    """What a person does on a page: at which element (CSS or XPath), the fields filled in there, the option chosen.

    Without an option the element is clicked, or sent where it is a form. One that is not `needed` (a cookie banner)
    is passed over where its element is not there.
    """

    at: str = ""
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    option: str | None = None
    needed: bool = True


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One request a platform wants made. `step` is the platform's own name for the page it expects.

    Lower ranks are asked first. `turn` counts the visits that began with its place, where places take turns; None:
    all visits count. The body is `form`, `json` or plain `text`, one of them. `secrets` are headers whose values are
    settings: they are put in as the request leaves and stand nowhere else. A `ws://` or `wss://` address opens a
    socket: `json` is the one message that is sent, and the answer ends with the first frame that holds `until`
    (see crawler/parsing/websocket_frames.py). In a browser (`VisitContext.browser`) `acts` are done there, one
    after the other, before the page is read, which waits until one of the elements `awaits` shows (CSS, XPath,
    `text=…`).
    """

    url: str
    step: str = ""
    method: Literal["GET", "POST"] = "GET"
    form: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    json: Any = None
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    secrets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    until: str = ""
    acts: tuple[BrowserAction, ...] = ()
    awaits: tuple[str, ...] = ()
    place: Place = ANYWHERE
    window: CoveredWindow | None = None
    rank: int = 0
    turn: int | None = None


@dataclass(frozen=True)
class VisitContext:
    """What a platform may know of the desk it is asked about. `today` is the desk's local date.

    `turn` counts the desk's visits: a platform with more places or weeks than one visit can ask begins elsewhere
    each time. `browser`: its pages are opened in one, which runs their scripts.
    """

    url: str
    today: date
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Paris"))
    parameters: Any = None
    horizon: timedelta = timedelta(days=90)
    turn: int = 0
    browser: bool = False

    @property
    def last_day(self) -> date:
        """Return the last local date that is watched."""
        return self.today + self.horizon

    def in_turn(self, items: Sequence[T]) -> list[T]:
        """Return the items beginning with another one each visit, which may end before all were asked."""
        begin = self.turn % max(1, len(items))
        return [*items[begin:], *items[:begin]]


def is_html(body: bytes) -> bool:
    """Tell a page that people see from JSON and plain text, also where a byte order mark or white space begins it."""
    return body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


@dataclass(frozen=True)
class Page:
    """An answer: where it came from in the end (after redirects), what it said, and what was asked for.

    `undone`: how many of the ask's acts, the last ones, were not done: their elements were not there. `stuck` says
    what kept the first of them from being done where its element was there.
    """

    url: str
    status: int
    body: bytes
    visit: VisitContext
    ask: PageRequest
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # names in lower case
    undone: int = 0
    stuck: str = ""

    @property
    def is_error(self) -> bool:
        """Whether its status is an error's: whatever it shows beside that proves nothing about slots."""
        return self.status >= _ERROR

    @property
    def is_html(self) -> bool:
        """Whether its body is marked up, whatever its header calls it."""
        return is_html(self.body)

    @cached_property
    def text(self) -> str:
        """Return the body decoded as a browser would (header, then meta, then UTF-8), never raising."""
        named = http_content_type_encoding(self.headers.get("content-type"))
        charset = named or html_body_declared_encoding(self.body) or ""
        known = charset if _CHARSET.fullmatch(charset) else "utf-8"
        return html_to_unicode(f"text/html; charset={known}", self.body)[1]

    @cached_property
    def lowered(self) -> bytes:
        """Return the body in lower case (ASCII), to look for marks before anything is parsed."""
        return self.body.lower()

    @cached_property
    def root(self) -> html.HtmlElement:
        """Return the parsed HTML without its templates, which nobody sees; an empty document where there is none."""
        text = self.text.replace("\0", "").strip()
        if not self.lowered.rstrip().endswith(b"</html>") or self.lowered.count(b"</html") > 1:
            text = _END.sub("", text)  # a browser goes on reading behind it, libxml2 does not
        parser = html.HTMLParser(encoding="utf-8", huge_tree=False)
        try:
            root = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
        except etree.ParserError:
            return html.document_fromstring("<html></html>")
        if b"<template" in self.lowered:
            etree.strip_elements(root, "template", with_tail=False)
        return root

    def link(self, href: str) -> str:
        """Return an absolute address."""
        return urljoin(self.url, href)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader made of one page.

    Either it says something (`outcome`, with `reason` as evidence) or it leads on (`asks`, or `next_at` where
    the page names a later moment). `covered` is what an absence of slots is proven for. `fallback` are slots
    that the page's structure proves without their hours: they stand unless what is asked next for their place
    answers in full (then the hours, or their absence, replace them). `releases_at`: when the page says that more
    hours will be put on line.
    """

    outcome: Outcome | None = None
    reason: str = ""
    slots: tuple[Slot, ...] = ()
    covered: tuple[CoveredWindow, ...] = ()
    asks: tuple[PageRequest, ...] = ()
    fallback: tuple[Slot, ...] = ()
    next_at: datetime | date | None = None
    releases_at: datetime | None = None
    retry_after: float | None = None  # seconds
    refused: bool = False  # a plain 403, which may mean this page alone
    frames: tuple[str, ...] = ()  # addresses that the page embeds: another platform may go on there

    @property
    def silent(self) -> bool:
        """Whether it says nothing at all: the page was understood by no rule."""
        return self.outcome is None and not (
            self.slots or self.covered or self.asks or self.next_at or self.frames
        )
