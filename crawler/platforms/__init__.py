"""Registry of the platforms: each file or folder here holds one class of Platform, and is found by being here."""

import importlib
import pkgutil
from datetime import date
from functools import lru_cache
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from crawler.platform_base import Platform
from crawler.reading import VisitContext


class UnknownPlatform(LookupError):
    """No file of this folder has that name; the text names those that exist."""


_RESERVED = ("invalid", "example")  # top-level domains that no site has, RFC 2606


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
