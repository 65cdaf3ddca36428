"""The platforms, found by being here: one file each, pure: what to ask, how to read the answer."""

from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol, cast

from configs.strict import Strict
from crawler.reading import Ask, Page, Reading, Visit


class UnknownPlatform(LookupError):
    """No file of this folder has that name; the text names those that exist."""


class Platform(Protocol):
    """What a platform's module offers."""

    SYSTEM: str  # the booking system whose spider checks it
    BUDGET: int  # requests a minute and host, for all processes
    COST: int  # requests of the cheapest visit, redirects counted
    EXAMPLE: str  # an address of its shape, for saved pages that name none
    Parameters: type[Strict]  # what a desk's YAML may say under `parameters`

    def first(self, visit: Visit) -> Ask:
        """Return the first request of a visit; ValueError where the desk's address is not this platform's."""

    def read(self, page: Page) -> Reading:
        """Say what a page proves or leads on to; `Reading()` where it is not understood."""

    def forbidden(self, url: str, method: str) -> bool:
        """Tell whether this request would take a slot: the base never makes it, nor follows there."""


@lru_cache(maxsize=1)
def platforms() -> dict[str, Platform]:
    """Return every platform by name, which is its file's."""
    names = sorted(module.name for module in iter_modules(__path__))
    return {name: cast("Platform", import_module(f"{__name__}.{name}")) for name in names}


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
