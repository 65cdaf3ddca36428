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
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: _class_of(f"{__name__}.{name}")() for name in names}


def _class_of(name: str) -> type[Platform]:
    """Return the class that a module defines.

    Raises:
        TypeError: it defines no class of Platform, or several.
    """
    defined = vars(importlib.import_module(name)).values()
    of_platforms = [each for each in defined if isinstance(each, type) and issubclass(each, Platform)]
    own = [each for each in of_platforms if each.__module__ == name]
    if len(own) != 1:
        raise TypeError(f"{name} must define one subclass of Platform, it defines {len(own)}")
    return own[0]


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
    """Tell whether an address is on one of the platform's own hosts."""
    example_host = (urlsplit(reader.EXAMPLE).hostname or "").removeprefix("www.")
    homes = reader.HOSTS or (() if example_host.endswith(_RESERVED) else (example_host,))
    return f".{urlsplit(url).hostname}".endswith(tuple(f".{home}" for home in homes))
