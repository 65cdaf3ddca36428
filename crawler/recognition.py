"""Which platform a page belongs to: by its address, by what it says of its own address, by its marks or its shape.

Pure. Each platform's file says how it is known (`ADDRESS`, `HOSTS`, `MARKS`, `QUERY`); nothing is guessed from words.
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
from w3lib.url import url_query_parameter

from configs.clock import clock
from crawler.platforms import Platform, at_home, example, platforms
from crawler.reading import Ask, Page, Visit
from crawler.walls import interpret

PARIS = ZoneInfo("Europe/Paris")
_SAVED_FROM = re.compile(r"<!-- saved from url=\(\d+\)(\S+) -->")  # what browsers write into pages they save
_OWN = "//link[@rel='canonical']/@href | //meta[@property='og:url']/@content | //form/@action"


@dataclass(frozen=True, slots=True)
class Sign:
    """What tells a page's platform. `url` is the desk's, where one is known; `evidence` says why, for people.

    `parameters` are those that the address tells; `complete`: whether the platform needs no other.
    """

    platform: str
    evidence: str
    url: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def complete(self) -> bool:
        """Whether these are all the parameters that the platform needs."""
        try:
            platforms()[self.platform].Parameters.model_validate(dict(self.parameters))
        except ValidationError:
            return False
        return True


def page_of(url: str, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Page:
    """Return an answer of nobody knows which platform as the page that `recognised` takes."""
    visit = Visit(url, clock().astimezone(PARIS).date(), PARIS)
    return Page(url, status, body, visit, Ask(url), headers or {})


def recognised(page: Page) -> Sign | None:
    """Name the platform of an HTML page; None where nothing tells it."""
    return by_address(page.url) or by_trace(page) or by_marks(page)


def by_address(url: str) -> Sign | None:
    """Name the platform of an address, on any host where it looks like no other's, else on the platform's own."""
    if not _is_web(url):
        return None
    for name, reader in platforms().items():
        bare = url.partition("#")[0].partition("?")[0]
        found = reader.ADDRESS.match(bare) if reader.ADDRESS else None
        if found:
            return Sign(name, f"its address has the form of {name}'s", found[0], _in_query(reader, url))
        if not reader.ADDRESS and at_home(reader, url) and understands(reader, url):
            host = urlsplit(url).hostname
            return Sign(name, f"{host} is a host of {name}", url, _in_query(reader, url))
    return None


def by_trace(page: Page) -> Sign | None:
    """Name the platform of a page by the address that it gives itself: as saved, canonical, where its form goes."""
    for trace in own_addresses(page):
        if sign := by_address(trace):
            here = understands(platforms()[sign.platform], page.url)
            return replace(sign, evidence=f"it calls itself {trace}", url=page.url if here else sign.url)
    return None


def by_marks(page: Page) -> Sign | None:
    """Name the platform of a page by what stands in no other software's pages."""
    for name, reader in platforms().items():
        for mark in reader.MARKS:
            if page.root.xpath(mark):
                url = page.url if understands(reader, page.url) else None
                return Sign(name, f"it holds {mark}", url, _in_query(reader, page.url))
    return None


def by_shape(page: Page) -> list[Sign]:
    """Name the platforms whose API could have answered so, by reading it as an answer to each one's example."""
    signs = []
    for name, reader in platforms().items():
        seen = example(reader, page.visit.today, page.visit.zone)
        reading = interpret(reader, replace(page, url=seen.url, visit=seen, ask=Ask(seen.url)))
        if reading.slots or reading.covered or reading.next_at:
            signs.append(Sign(name, f"its JSON reads as {name}'s: {reading.reason}"))
    return signs


def own_addresses(page: Page) -> Iterator[str]:
    """Yield the addresses that a page gives itself, the surest first."""
    yield from _SAVED_FROM.findall(page.text)
    for trace in page.root.xpath(_OWN):
        with suppress(ValueError):  # pages hold all kinds of things, http://[ among them
            yield urljoin(page.url, str(trace))


def understands(reader: Platform, url: str) -> bool:
    """Tell whether an address is one that the platform knows what to ask of."""
    try:
        reader.first(example(reader, clock().date(), PARIS, url))
    except ValueError:
        return False
    return True


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _in_query(reader: Platform, url: str) -> dict[str, Any]:
    """Return the parameters that stand in an address; digits are a number, as they are in YAML."""
    values = {name: url_query_parameter(url, key) for key, name in reader.QUERY.items()}
    return {name: int(value) if value.isdecimal() else value for name, value in values.items() if value}
