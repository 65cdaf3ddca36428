"""The platforms, found by being here: one file each, pure: what to ask, how to read the answer."""

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any, Protocol, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from configs.strict_model import Strict
from crawler.reading import Page, PageRequest, Reading, VisitContext


class UnknownPlatform(LookupError):
    """No file of this folder has that name; the text names those that exist."""


class Platform(Protocol):
    """What a platform's module offers; what `_DEFAULTS` names it may leave out."""

    SYSTEM: str  # the booking system whose spider checks it
    BUDGET: int  # requests a minute and host, for all processes
    COST: int  # requests of the cheapest visit, redirects counted
    OPEN_COST: int  # of a visit that sees slots, until a desk's own are known; 0: as the cheapest
    EXAMPLE: str  # an address of its shape, for saved pages that name none
    EXAMPLE_PARAMETERS: Mapping[str, Any]  # what a desk there would have to say under `parameters`
    Parameters: type[Strict]  # what a desk's YAML may say under `parameters`
    WATCH: str  # what a check of a desk can prove, unless its YAML says otherwise when it is drafted
    ADDRESS: re.Pattern[str] | None  # what only its addresses look like, on any host: matches all of a desk's
    HOSTS: tuple[str, ...]  # whose addresses are its own, those below them too; none: the host of EXAMPLE
    MARKS: tuple[str, ...]  # XPath: what its pages hold and nobody else's do

    def first(self, visit: VisitContext) -> PageRequest:
        """Return the first request of a visit; ValueError where the desk's address is not this platform's."""

    def read(self, page: Page) -> Reading:
        """Say what a page proves or leads on to; `Reading()` where it is not understood."""

    def forbidden(self, url: str, method: str) -> bool:
        """Tell whether this request would take a slot: the base never makes it, nor follows there."""


def _takes_nothing(url: str, method: str) -> bool:  # noqa: ARG001 -- a platform's own tells by them
    return False


_NOBODYS = ("invalid", "example")  # top level names that no site has, RFC 2606
_DEFAULTS = {
    "BUDGET": 6,
    "COST": 1,
    "OPEN_COST": 0,
    "EXAMPLE_PARAMETERS": MappingProxyType({}),
    "Parameters": Strict,
    "WATCH": "full",
    "ADDRESS": None,
    "HOSTS": (),
    "MARKS": (),
    "forbidden": _takes_nothing,
}


@lru_cache(maxsize=1)
def platforms() -> dict[str, Platform]:
    """Return every platform by name, which is its file's."""
    return {name: _load(name) for name in sorted(module.name for module in iter_modules(__path__))}


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
    """Tell whether an address is on a host of the platform's own."""
    example_host = (urlsplit(reader.EXAMPLE).hostname or "").removeprefix("www.")
    homes = reader.HOSTS or (() if example_host.endswith(_NOBODYS) else (example_host,))
    return f".{urlsplit(url).hostname}".endswith(tuple(f".{home}" for home in homes))


def _load(name: str) -> Platform:
    module = import_module(f"{__name__}.{name}")
    for each, default in _DEFAULTS.items():
        if not hasattr(module, each):
            setattr(module, each, default)
    return cast("Platform", module)
