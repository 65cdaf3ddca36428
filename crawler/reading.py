"""Value types of reading a page: request, page, slot, covered window, reading, outcome. No I/O."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeVar
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

from lxml import html
from lxml.html import defs
from w3lib.url import safe_url_string

from configs.world.desk import Outcome as Outcome  # noqa: PLC0414 -- platforms import all their types from here
from crawler.parsing.charset import decode
from crawler.parsing.hidden_parts import parse_document
from crawler.parsing.html_text import raw_lines, rendered_text
from crawler.parsing.normal_form import fold

T = TypeVar("T")
GONE = (404, 410)  # HTTP statuses of a page that does not exist, or no longer
MOVED = (301, 302, 303, 307, 308)  # HTTP statuses of a redirect
_ERROR = 400
_END = re.compile(r"(?i)</html\s*>")
_MARGIN = b"\xef\xbb\xbf \t\r\n"  # before a body: a byte order mark, white space
_TAG = re.compile(rb"<([a-z][a-z0-9]*)")
_WIDE = (b"\xfe\xff", b"\xff\xfe")  # byte order marks of UTF-16
# Parts of addresses in pages, as browsers read them: https://url.spec.whatwg.org/#url-parsing
_BLANKS = "".join(map(chr, range(33)))
_BREAKS = re.compile(r"[\t\r\n]")
_OTHER_SCHEME = re.compile(r"(?i)(?!https?:)[a-z][a-z\d+.-]*:")
_QUERY = re.compile(r"[?#]")
_HOST = re.compile(r"(?i)^(https?:)?//+")
_TO_ESCAPE = re.compile(r"[^!-~]|[\"<>`]")
OLDEST = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Place:
    """A place of a desk: a planning, an agenda, a town hall. The key is the platform's id, never its label."""

    key: str = ""
    label: str | None = None


ANYWHERE = Place()


@dataclass(frozen=True, slots=True)
class Slot:
    """A bookable moment as the page shows it."""

    place: Place
    # An instant in UTC, a date (hour unknown), or None ("open", nothing known).
    moment: datetime | date | None
    url: str | None = None
    seats: int | None = None

    @property
    def moment_text(self) -> str:
        """Return ISO 8601 in UTC, `YYYY-MM-DD` or `open`: the key of a slot at its place."""
        if self.moment is None:
            return "open"
        if isinstance(self.moment, datetime):
            return self.moment.astimezone(ZoneInfo("UTC")).isoformat()
        return self.moment.isoformat()

    @property
    def starts_at(self) -> datetime | None:
        """Return the instant, if the hour is known."""
        return self.moment if isinstance(self.moment, datetime) else None


@dataclass(frozen=True, slots=True)
class CoveredWindow:
    """A place and the days for which a page proves that it shows all free slots."""

    place_key: str | None = None  # None: all places of the desk
    first: date | None = None  # local date, included; None: no lower bound
    last: date | None = None  # local date, included; None: no upper bound
    # The page may leave slots out: only the second answer in a row without a slot closes it.
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class BrowserAction:
    """An action on a page in a browser: fill fields in, then choose an option, submit a form or click."""

    at: str = ""  # the element, by CSS or XPath
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # filled in first
    option: str | None = None  # None: the element is clicked, or submitted if it is a form
    needed: bool = True  # False: skipped where the element is missing (a cookie banner)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One request that a platform wants made.

    A `ws://` or `wss://` address opens a socket (crawler/parsing/websocket_frames.py): `json` is its one message.
    """

    url: str
    step: str = ""  # the platform's own name for the page that it expects
    method: Literal["GET", "POST"] = "GET"
    # Body: one of form, json, text.
    form: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    json: Any = None
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    # Header → setting, set on sending.
    secrets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    until: str = ""  # a socket's answer ends with the first frame that contains this
    acts: tuple[BrowserAction, ...] = ()  # in a browser: done one after the other, before the page is read
    # In a browser: the page is read when one of these shows (CSS, XPath, `text=…`).
    awaits: tuple[str, ...] = ()
    place: Place = ANYWHERE
    window: CoveredWindow | None = None  # the days that it asks for
    rank: int = 0  # lower ranks are asked first
    turn: int | None = None  # number of visits that began with its place; None: the number of all visits


@dataclass(frozen=True)
class VisitContext:
    """All that a platform knows of a desk and its present visit."""

    url: str
    today: date  # the desk's local date
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Paris"))
    parameters: Any = None  # an instance of the platform's `Parameters`
    horizon: timedelta = timedelta(days=90)  # how far ahead slots are watched
    # number of the desk's visit: each begins with another place, because one may not reach all
    turn: int = field(default=0, compare=False)
    browser: bool = False  # pages are opened in a browser, which runs their scripts
    requests: int = 6  # that the visit may make: how many places are asked for in one turn
    position: tuple[float, float] | None = None  # latitude and longitude of the prefecture's town
    oldest: timedelta = OLDEST  # how old an answer of a cache may be, by its `Age`

    @property
    def last_day(self) -> date:
        """Return the last watched local date."""
        return self.today + self.horizon

    def in_turn(self, items: Sequence[T]) -> list[T]:
        """Return the items, rotated by one on each visit: a visit may end before all were asked."""
        begin = self.turn % max(1, len(items))
        return [*items[begin:], *items[:begin]]


def is_html(body: bytes) -> bool:
    """Tell whether a body is markup, also behind a byte order mark or white space."""
    return body.lstrip(_MARGIN).startswith(b"<")


@dataclass(frozen=True)
class Page:
    """An answer to a request."""

    url: str  # the final address, after redirects
    status: int
    body: bytes
    visit: VisitContext
    ask: PageRequest
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # names in lower case
    # The number of acts, the last ones, that were not done: their elements were missing.
    skipped_actions: int = 0
    failed_action: str = ""  # why the first of them failed, if its element was there

    @property
    def is_error(self) -> bool:
        """Whether its status is an error's: such a page proves nothing about slots."""
        return self.status >= _ERROR

    @property
    def is_html(self) -> bool:
        """Whether its body is markup, whatever its content type says."""
        return is_html(self._in_bytes)

    @property
    def is_document(self) -> bool:
        """Whether a browser shows its body as a page of HTML, or as a part of one: not as JSON, plain text or XML."""
        kind, body = self.headers.get("content-type", ""), self.lowered.lstrip(_MARGIN)
        if (kind and "html" not in kind.lower()) or body[:1] in (b"{", b"[", b'"'):
            return False
        tag = _TAG.search(body)
        return tag is not None and (not body.startswith(b"<?xml") or tag[1].decode() in defs.tags)

    @cached_property
    def text(self) -> str:
        """Return the body decoded as a browser would, never raising (crawler/parsing/charset.py)."""
        return self._decoded[0]

    @cached_property
    def lowered(self) -> bytes:
        """Return the body in lower case (ASCII), for searches without parsing."""
        return self._in_bytes.lower()

    @cached_property
    def _decoded(self) -> tuple[str, str]:
        return decode(self.body, self.headers.get("content-type"), markup=is_html(self.body))

    @property
    def _in_bytes(self) -> bytes:
        """Return the body with one byte for each ASCII character, which two bytes a character (UTF-16) are not."""
        return (
            self.text.encode("utf-8", "replace")
            if b"\0" in self.body[:4] or self.body[:2] in _WIDE
            else self.body
        )

    @cached_property
    def root(self) -> html.HtmlElement:
        """Return the parsed HTML without its invisible templates; an empty document if there is none."""
        text = self.text.replace("\0", "").strip()
        if not self.lowered.rstrip().endswith(b"</html>") or self.lowered.count(b"</html") > 1:
            text = _END.sub("", text)  # browsers read on after it, libxml2 does not
        return parse_document(text, scripts_ran=self.visit.browser)

    @cached_property
    def shown(self) -> str:
        """Return the text that a person sees on the page."""
        return rendered_text(self.root)

    @cached_property
    def folded(self) -> str:
        """Return the shown text in lower case without accents, for comparisons."""
        return fold(self.shown)

    @property
    def raw(self) -> str:
        """Return the whole text of the page, also the hidden one, as its source writes it."""
        return self.raw_lines.replace("\n", " ")

    @cached_property
    def raw_lines(self) -> str:
        """Return the whole text of the page with a line for each block."""
        return raw_lines(self.root)

    def link(self, href: str) -> str | None:
        """Return the absolute address of a link, of a form's action or of a frame, as a browser asks for it.

        It is relative to the page's `<base>`. Blanks and accents are escaped, those of a query in the page's charset.
        None for what is no address, as `http://[`.
        """
        charset = self._decoded[1]
        try:
            url = urljoin(self._base, _plain_address(href))
            parts = urlsplit(url)
            scheme, _ = parts.scheme, parts.port  # the latter raises where it is no number
            if scheme not in ("http", "https") or not _TO_ESCAPE.search(url):
                return url
            return safe_url_string(url, encoding="utf-8" if charset.startswith("utf-16") else charset)
        except ValueError:
            return None

    @cached_property
    def _base(self) -> str:
        given = self.root.xpath("string(//base[@href][1]/@href)") if self.is_html else ""
        try:
            base = urljoin(self.url, _plain_address(given))
        except ValueError:
            return self.url
        return base if urlsplit(base).scheme in ("http", "https") else self.url


def _plain_address(href: str) -> str:
    """Return a written address as browsers take it: without breaks, and with slashes for the backslashes of a path."""
    href = _BREAKS.sub("", href.strip(_BLANKS))
    if _OTHER_SCHEME.match(href):
        return href
    path = _QUERY.search(href)
    end = path.start() if path else len(href)
    return _HOST.sub(r"\1//", href[:end].replace("\\", "/")) + href[end:]


@dataclass(frozen=True, slots=True)
class Release:
    """A release of hours, past or to come, that a page names: its instant, and the days of its hours."""

    at: datetime
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading one page: an outcome, or further requests. docs/reference/visit.md: what it proves."""

    outcome: Outcome | None = None  # None: the page leads on
    reason: str = ""  # the evidence, in words
    slots: tuple[Slot, ...] = ()
    covered: tuple[CoveredWindow, ...] = ()  # where the page proves that there are no other slots
    asks: tuple[PageRequest, ...] = ()  # to request next
    fallback: tuple[Slot, ...] = ()  # slots without hours, until a later answer covers their place or day
    next_at: datetime | date | None = None  # the next availability that the page names
    releases_at: datetime | None = None  # when the site puts more hours on line, by its own words
    # The last and the next release of hours, where the page names their days.
    publications: tuple[Release, ...] = ()
    retry_after: float | None = None  # seconds
    refused: bool = False  # a plain 403, which may mean this page alone
    beyond: str = ""  # the moments that it shows beyond the desk's horizon, in words

    @property
    def silent(self) -> bool:
        """Whether it says nothing: no rule understood the page."""
        return self.outcome is None and not (self.slots or self.covered or self.asks or self.next_at)
