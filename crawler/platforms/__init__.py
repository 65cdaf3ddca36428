"""Registry of the platforms: each file or folder here holds one class of Platform, and is found by being here."""

from datetime import date
from functools import lru_cache
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from configs.ground.class_registry import load_folder
from crawler.platform_base import Platform
from crawler.reading import VisitContext


class UnknownPlatform(LookupError):
    """No file of this folder has that name; the text names those that exist."""


_RESERVED = ("invalid", "example")  # top-level domains that no site has, RFC 2606


@lru_cache(maxsize=1)
def platforms() -> dict[str, Platform]:
    """Return every platform by name, which is its file's."""
    return load_folder(__name__, __path__, Platform)  # type: ignore[type-abstract] # only its subclasses are built


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
