"""Identification of a page's platform: by its address, the address that it gives itself, its marks, or its shape.

Pure. Each platform says how it is recognised (`ADDRESS`, `HOSTS`, `MARKS`); words of a page decide nothing.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
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
_SAVED_FROM = re.compile(r"<!-- saved from url=\(\d+\)(\S+) -->")  # browsers write it into saved pages
_OWN = (
    "//*[self::link[@rel='canonical'] or self::meta[@property='og:url'] or self::form]"
    "/@*[name()='href' and parent::link or name()='content' and parent::meta or name()='action' and parent::form]"
)
_MOST = 100  # addresses in a page that may be its own


@dataclass(frozen=True, slots=True)
class PlatformMatch:
    """The platform of a page, and the evidence for it."""

    platform: str
    evidence: str  # for people
    url: str | None = None  # the desk's address, if known
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # known so far
    frame: str = ""  # the embedded page of another platform, if the desk is that platform's

    @property
    def complete(self) -> bool:
        """Whether all required parameters are known."""
        return not self.missing

    @property
    def missing(self) -> str:
        """Return the missing or wrong parameters, in words; empty without any."""
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
    """Return an answer of an unknown platform as a page for `identify_page`."""
    visit = VisitContext(url, clock().astimezone(PARIS).date(), PARIS)
    return Page(url, status, body, visit, PageRequest(url), headers or {})


def identify_page(page: Page) -> PlatformMatch | None:
    """Return the platform of an HTML page; None if it is unknown."""
    return by_address(page.url) or by_own_address(page) or by_marks(page) or by_frames(page)


def by_address(url: str) -> PlatformMatch | None:
    """Return the platform of an address: by ADDRESS on any host, else by the platform's own hosts."""
    if not is_web(url):
        return None
    for name, reader in platforms().items():
        # only the path counts: a query may quote any address
        known = reader.ADDRESS and reader.ADDRESS.match(url.partition("#")[0].partition("?")[0])
        if known and reader.ADDRESS and (found := reader.ADDRESS.match(url)):
            return PlatformMatch(name, f"its address has the form of {name}'s", found[0])
        if not reader.ADDRESS and at_home(reader, url) and understands(reader, url):
            host = urlsplit(url).hostname
            return PlatformMatch(name, f"{host} is a host of {name}", url)
    return None


def by_own_address(page: Page) -> PlatformMatch | None:
    """Return the platform of a page by an address that it gives itself: saved from, canonical, its form's target."""
    for trace in own_addresses(page):
        if sign := by_address(trace):
            here = understands(platforms()[sign.platform], page.url)
            return replace(sign, evidence=f"it calls itself {trace}", url=page.url if here else sign.url)
    return None


def by_marks(page: Page) -> PlatformMatch | None:
    """Return the platform of a page by elements that only its pages have."""
    for name, reader in platforms().items():
        for mark in reader.MARKS:
            if page.root.xpath(mark):
                url = page.url if understands(reader, page.url) else None
                return PlatformMatch(name, f"it holds {mark}", url)
    return None


def by_frames(page: Page) -> PlatformMatch | None:
    """Return the platform of a page by an embedded address: the embedded platform, or the one that hands over to it."""
    for reader in platforms().values():
        if not issubclass(reader.Parameters, Handover) or page.is_error:
            continue
        for frame in reader.read_page(page).frames:
            if sign := by_address(frame):
                return wrap_embedded(page.url, sign, f"it embeds {frame}", frame)
    return None


def wrap_embedded(url: str, sign: PlatformMatch, evidence: str, frame: str = "") -> PlatformMatch:
    """Return the match of a page that embeds another platform's page.

    It is the platform that hands over to the embedded one, if there is one. `frame` is the embedded page's address,
    if its ids are still unknown.
    """
    system = platforms()[sign.platform].SYSTEM
    for name, reader in platforms().items():
        if issubclass(reader.Parameters, Handover) and system == reader.SYSTEM and name != sign.platform:
            inner = {"platform": sign.platform, "parameters": dict(sign.parameters)}
            return PlatformMatch(name, evidence, url, inner, frame)
    return replace(sign, evidence=evidence)


def by_shape(page: Page) -> list[PlatformMatch]:
    """Return the platforms whose API may have given this answer: it is read as an answer to each one's example."""
    signs: list[PlatformMatch] = []
    if page.is_html:  # marks identify HTML better
        return signs
    for name, reader in platforms().items():
        seen = example(reader, page.visit.today, page.visit.zone)
        answer = replace(page, url=seen.url, visit=seen, ask=PageRequest(seen.url))
        reading = classify_page(reader, answer)
        if reading.slots or reading.covered or reading.next_at or reading.beyond:
            signs.append(PlatformMatch(name, f"its JSON reads as {name}'s: {reading.reason}"))
        elif is_own(name, answer):
            signs.append(PlatformMatch(name, f"its JSON is one that tells the ids of {name}'s desks"))
    return signs


def own_addresses(page: Page) -> Iterator[str]:
    """Yield the addresses that a page gives itself, the surest first."""
    yield from _SAVED_FROM.findall(page.text)
    for trace in page.root.xpath(_OWN)[:_MOST]:
        with suppress(ValueError):  # pages contain addresses such as http://[
            yield page.link(str(trace))


def understands(reader: Platform, url: str) -> bool:
    """Tell whether the platform can request an address."""
    try:
        reader.first_request(example(reader, clock().date(), PARIS, url))
    except ValueError:
        return False
    return is_web(url)


def is_web(url: str) -> bool:
    """Tell whether a text is an HTTP address."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
