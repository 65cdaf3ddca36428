"""Where platforms tell the ids that their desks need: one file each, found by being here.

Pure: a file says what to ask and how to read the answer; who asks is crawler/platform_detection/id_lookup.py.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple, Protocol, cast

from crawler.reading import Page, PageRequest


class IdChoice(NamedTuple):
    """One thing that an answer offers: what people call it (nothing: as before), and the parameters that it makes.

    `remark` is what a person should know of it, `lacks` what it still needs and no answer tells.
    """

    label: str
    parameters: Mapping[str, Any]
    remark: str = ""
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class KnownIds:
    """What is known of a desk while its ids are looked up. `department`: its prefecture's code, where that is said."""

    url: str
    told: Mapping[str, Any]
    department: str | None = None


class LookupStep(NamedTuple):
    """One request that tells a parameter. `ask` returns None where too little is known to ask.

    `own`: whether the shape of its answer is no other platform's, so that a saved one names its platform.
    """

    tells: str
    ask: Callable[[KnownIds], PageRequest | None]
    read: Callable[[Page], Iterable[IdChoice]]
    own: bool = False


class Lookup(Protocol):
    """What a platform's file offers. All of it may be left out."""

    STEPS: tuple[LookupStep, ...]  # in their order; one whose parameter is known already is passed over
    BY_HAND: str  # where a person finds what no answer tells, in one sentence

    def in_address(self, url: str) -> Mapping[str, Any]:
        """Return the parameters that stand in a desk's address."""


def steps_of(name: str) -> tuple[LookupStep, ...]:
    """Return what there is to ask of a platform, one after the other."""
    return _lookup(name).STEPS


def by_hand(name: str) -> str:
    """Return where a person finds the ids of a platform's desks."""
    return _lookup(name).BY_HAND or f"docs/platforms/{name}.md says what they are"


def in_address(name: str, url: str) -> Mapping[str, Any]:
    """Return the parameters that stand in the address of a platform's desk."""
    return _lookup(name).in_address(url)


def read_choices(name: str, page: Page) -> list[IdChoice]:
    """Return what a saved answer offers a platform's desk; nothing where it is none that tells ids."""
    return next(filter(None, (list(step.read(page)) for step in steps_of(name))), [])


def is_own(name: str, page: Page) -> bool:
    """Tell whether an answer is one of those that tell this platform's ids, and could be nobody else's."""
    return any(next(iter(step.read(page)), None) for step in steps_of(name) if step.own)


def asked_by_the_page(_known: KnownIds) -> None:
    """Say that only the page itself asks so: a browser hears it (`--browser`), or a person saves it (`--file`)."""
    return


def _nothing(url: str) -> Mapping[str, Any]:  # noqa: ARG001 -- a platform's own reads it
    return {}


_DEFAULTS = {"STEPS": (), "BY_HAND": "", "in_address": _nothing}
_FILES = frozenset(module.name for module in iter_modules(__path__))


@lru_cache
def _lookup(name: str) -> Lookup:
    module: Any = import_module(f"{__name__}.{name}") if name in _FILES else _None()
    for each, default in _DEFAULTS.items():
        if not hasattr(module, each):
            setattr(module, each, default)
    return cast("Lookup", module)


class _None:
    """A platform whose ids no request is known to tell, or which needs none."""
