"""Identification of a page's platform: by its address, the address that it gives itself, or its marks.

Pure. Each platform says how it is recognised (`ADDRESS`, `EXAMPLE`, `MARKS`); words of a page decide nothing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from configs.ground.clock import clock
from crawler.platforms import Platform, at_home, example, platforms
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

    @property
    def missing(self) -> str:
        """Return the missing or wrong parameters, in words; empty without any."""
        try:
            platforms()[self.platform].Parameters.model_validate(dict(self.parameters))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            return ", ".join(
                ".".join(map(str, each["loc"])) if each["type"] == "missing" else each["msg"]
                for each in problems
            )
        return ""


def page_of(url: str, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Page:
    """Return an answer of an unknown platform as a page for `identify_page`."""
    visit = VisitContext(url, clock().astimezone(PARIS).date(), PARIS)
    return Page(url, status, body, visit, PageRequest(url), headers or {})


def identify_page(page: Page) -> PlatformMatch | None:
    """Return the platform of an HTML page; None if it is unknown."""
    return by_address(page.url) or by_own_address(page) or by_marks(page)


def by_address(url: str) -> PlatformMatch | None:
    """Return the platform of an address: by ADDRESS on any host, else by the platform's own host."""
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


def own_addresses(page: Page) -> Iterator[str]:
    """Yield the addresses that a page gives itself, the surest first."""
    yield from _SAVED_FROM.findall(page.text)
    yield from filter(None, map(page.link, map(str, page.root.xpath(_OWN)[:_MOST])))


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
