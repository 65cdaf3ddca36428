"""Platforms: the software of booking sites, each one class in one file or folder here, and found by being here.

A platform is pure: it says what to request and how to read the answer, and does no I/O.
"""

import importlib
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from configs.ground.strict_model import Strict
from crawler.reading import Page, PageRequest, Reading, VisitContext

# Patterns of desk addresses: an address of another platform is refused before any request.
PAGE = re.compile(r"https?://[^/?#]+/+[^/?#]")  # any page of a site except its home page
KIND_TOWN_NAME = re.compile(r"https?://[^/]+/(?:[\w-]+/){2}(?P<name>[\w-]+)(?:[/?#]|$)")
_RESERVED = ("invalid", "example")  # top-level domains that no site has, RFC 2606


class Platform(ABC):
    """Base class of platforms. SYSTEM, EXAMPLE, `first_request` and `read_page` are required."""

    SYSTEM: ClassVar[str]  # the booking system whose spider checks its desks
    BUDGET: ClassVar[int] = 6  # requests a minute to one host, for all processes
    COST: ClassVar[int] = 1  # requests of the cheapest visit, redirects counted
    # Of a visit that sees slots, until a desk's own are known; 0: the same as COST.
    OPEN_COST: ClassVar[int] = 0
    EXAMPLE: ClassVar[str]  # a desk's address, used for saved pages that name none
    EXAMPLE_PARAMETERS: ClassVar[Mapping[str, Any]] = MappingProxyType({})  # the example desk's `parameters`
    Parameters: ClassVar[type[Strict]] = Strict  # the model of a desk's `parameters` in YAML
    WATCH: ClassVar[str] = "full"  # what can be known: the level of a newly drafted desk

    # How its pages are recognised (crawler/discovery/identify.py).
    # Matches whole desk addresses of this platform only, on any host.
    ADDRESS: ClassVar[re.Pattern[str] | None] = None
    MARKS: ClassVar[tuple[str, ...]] = ()  # XPaths of elements that only its pages have

    @abstractmethod
    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the first request of a visit.

        Raises:
            ValueError: the desk's address is not this platform's.
        """

    @abstractmethod
    def read_page(self, page: Page) -> Reading:
        """Return what a page proves or what to request next; `Reading()` for a page that it does not know."""

    def is_forbidden(self, url: str, method: str) -> bool:  # noqa: ARG002 -- platforms that reserve override it
        """Tell whether this request would take a slot: it is never made, and no redirect to it is followed."""
        return False

    def count_round(self, visit: VisitContext, places: int | None) -> int:  # noqa: ARG002 -- one visit, as a rule
        """Return how many visits a full round over a desk's places takes.

        More than one where places are asked for in turn; `places`: how many it has, None while that is not known.
        """
        return 1


def match_address(url: str, shape: re.Pattern[str], name: str, behind: str) -> re.Match[str]:
    """Match a desk's address. `behind`: the path of such an address, for the error's text.

    Raises:
        ValueError: the address does not match; the text says what it must be.
    """
    if found := shape.match(url):
        return found
    raise ValueError(f"{url} is no {name} address: it must be https://<site>/{behind}")


class UnknownPlatform(LookupError):
    """No file of this folder has that name; the text names those that exist."""


@lru_cache(maxsize=1)
def platforms() -> dict[str, Platform]:
    """Return every platform by name, which is its file's."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
    found = {
        each.__module__: each
        for each in Platform.__subclasses__()
        if each.__module__.startswith(f"{__name__}.")
    }
    return {name.rpartition(".")[2]: found[name]() for name in sorted(found)}


def platform(name: str) -> Platform:
    """Return one platform.

    Raises:
        UnknownPlatform: there is none of that name.
    """
    try:
        return platforms()[name]
    except KeyError:
        known = ", ".join(platforms())
        raise UnknownPlatform(f"no platform {name!r}: there are {known}") from None


def example(reader: Platform, today: date, zone: ZoneInfo, url: str | None = None) -> VisitContext:
    """Return a visit to the platform's example, or to another address with the example's parameters."""
    return VisitContext(url or reader.EXAMPLE, today, zone, reader.Parameters(**reader.EXAMPLE_PARAMETERS))


def at_home(reader: Platform, url: str) -> bool:
    """Tell whether an address is on the platform's own host, which is its example's, or a subdomain of it."""
    home = (urlsplit(reader.EXAMPLE).hostname or "").removeprefix("www.")
    return not home.endswith(_RESERVED) and f".{urlsplit(url).hostname}".endswith(f".{home}")
