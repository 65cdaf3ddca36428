"""Which platform a page belongs to: by its address, by what it says of its own address, by its marks or its shape.

Pure. Each platform's file says how it is known (`ADDRESS`, `HOSTS`, `MARKS`); nothing is guessed from words.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from configs.clock import clock
from crawler.block_pages import classify_page
from crawler.parsing.embedded_platform import Handover
from crawler.platform_base import Platform
from crawler.platform_detection.lookups import is_own
from crawler.platforms import at_home, example, platforms
from crawler.reading import Page, PageRequest, VisitContext

PARIS = ZoneInfo("Europe/Paris")
_SAVED_FROM = re.compile(r"<!-- saved from url=\(\d+\)(\S+) -->")  # what browsers write into pages they save
_OWN = (
    "//*[self::link[@rel='canonical'] or self::meta[@property='og:url'] or self::form]"
    "/@*[name()='href' and parent::link or name()='content' and parent::meta or name()='action' and parent::form]"
)
_MOST = 100  # addresses that a page gives itself


@dataclass(frozen=True, slots=True)
class PlatformMatch:
    """What tells a page's platform. `url` is the desk's, where one is known; `evidence` says why, for people.

    `parameters` are those that the address tells; `complete`: whether the platform needs no other. `frame` is the
    address of the other platform's page that this one embeds, where its desk is that one's.
    """

    platform: str
    evidence: str
    url: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    frame: str = ""

    @property
    def complete(self) -> bool:
        """Whether these are all the parameters that the platform needs."""
        return not self.missing

    @property
    def missing(self) -> str:
        """Return what its parameters lack, in words; empty where they are whole."""
        try:
            found = platforms()[self.platform].Parameters.model_validate(dict(self.parameters))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            lacks = [".".join(map(str, each["loc"])) for each in problems if each["type"] == "missing"]
            wrong = [
                each["msg"].removeprefix("Value error, ") for each in problems if each["type"] != "missing"
            ]
            return "; ".join(filter(None, [", ".join(lacks), *wrong]))
        inner = (
            PlatformMatch(found.platform, "", None, found.parameters) if isinstance(found, Handover) else None
        )
        return inner.missing if inner else ""


def page_of(url: str, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Page:
    """Return an answer of nobody knows which platform as the page that `identify_page` takes."""
    visit = VisitContext(url, clock().astimezone(PARIS).date(), PARIS)
    return Page(url, status, body, visit, PageRequest(url), headers or {})


def identify_page(page: Page) -> PlatformMatch | None:
    """Name the platform of an HTML page; None where nothing tells it."""
    return by_address(page.url) or by_own_address(page) or by_marks(page) or by_frames(page)


def by_address(url: str) -> PlatformMatch | None:
    """Name the platform of an address, on any host where it looks like no other's, else on the platform's own."""
    if not is_web(url):
        return None
    for name, reader in platforms().items():
        # only the path tells: a query may quote any address
        known = reader.ADDRESS and reader.ADDRESS.match(url.partition("#")[0].partition("?")[0])
        if known and reader.ADDRESS and (found := reader.ADDRESS.match(url)):
            return PlatformMatch(name, f"its address has the form of {name}'s", found[0])
        if not reader.ADDRESS and at_home(reader, url) and understands(reader, url):
            host = urlsplit(url).hostname
            return PlatformMatch(name, f"{host} is a host of {name}", url)
    return None


def by_own_address(page: Page) -> PlatformMatch | None:
    """Name the platform of a page by the address that it gives itself: as saved, canonical, where its form goes."""
    for trace in own_addresses(page):
        if sign := by_address(trace):
            here = understands(platforms()[sign.platform], page.url)
            return replace(sign, evidence=f"it calls itself {trace}", url=page.url if here else sign.url)
    return None


def by_marks(page: Page) -> PlatformMatch | None:
    """Name the platform of a page by what stands in no other software's pages."""
    for name, reader in platforms().items():
        for mark in reader.MARKS:
            if page.root.xpath(mark):
                url = page.url if understands(reader, page.url) else None
                return PlatformMatch(name, f"it holds {mark}", url)
    return None


def by_frames(page: Page) -> PlatformMatch | None:
    """Name the platform of a page by the address of what it embeds: the embedded one's, or who hands over to it."""
    for reader in platforms().values():
        if not issubclass(reader.Parameters, Handover) or page.is_error:
            continue
        for frame in reader.read_page(page).frames:
            if sign := by_address(frame):
                return wrap_embedded(page.url, sign, f"it embeds {frame}", frame)
    return None


def wrap_embedded(url: str, sign: PlatformMatch, evidence: str, frame: str = "") -> PlatformMatch:
    """Return the sign of a page that embeds another's: its own where a platform hands over to the embedded one.

    `frame` is the embedded page's address, where its ids are still to be asked for.
    """
    system = platforms()[sign.platform].SYSTEM
    for name, reader in platforms().items():
        if issubclass(reader.Parameters, Handover) and system == reader.SYSTEM and name != sign.platform:
            inner = {"platform": sign.platform, "parameters": dict(sign.parameters)}
            return PlatformMatch(name, evidence, url, inner, frame)
    return replace(sign, evidence=evidence)


def by_shape(page: Page) -> list[PlatformMatch]:
    """Name the platforms whose API could have answered so, by reading it as an answer to each one's example."""
    signs: list[PlatformMatch] = []
    if page.is_html:  # which marks tell better
        return signs
    for name, reader in platforms().items():
        seen = example(reader, page.visit.today, page.visit.zone)
        answer = replace(page, url=seen.url, visit=seen, ask=PageRequest(seen.url))
        reading = classify_page(reader, answer)
        if reading.slots or reading.covered or reading.next_at:
            signs.append(PlatformMatch(name, f"its JSON reads as {name}'s: {reading.reason}"))
        elif is_own(name, answer):
            signs.append(PlatformMatch(name, f"its JSON is one that tells the ids of {name}'s desks"))
    return signs


def own_addresses(page: Page) -> Iterator[str]:
    """Yield the addresses that a page gives itself, the surest first."""
    yield from _SAVED_FROM.findall(page.text)
    for trace in page.root.xpath(_OWN)[:_MOST]:
        with suppress(ValueError):  # pages hold all kinds of things, http://[ among them
            yield urljoin(page.url, str(trace))


def understands(reader: Platform, url: str) -> bool:
    """Tell whether an address is one that the platform knows what to ask of."""
    try:
        reader.first_request(example(reader, clock().date(), PARIS, url))
    except ValueError:
        return False
    return is_web(url)


def is_web(url: str) -> bool:
    """Tell whether a text is an address of a web page."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
