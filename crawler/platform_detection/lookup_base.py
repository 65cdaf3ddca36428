"""The interface of a platform's id lookup: requests that tell the ids which a desk's parameters need.

A lookup is pure: it says what to request and how to read the answer. id_lookup.py makes the requests.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from crawler.reading import Page, PageRequest


class IdChoice(NamedTuple):
    """One thing that an answer offers, and the desk parameters that it sets."""

    label: str  # its name for people; empty: the desk's label stays
    parameters: Mapping[str, Any]
    remark: str = ""  # a note for the operator
    lacks: str = ""  # parameters that are still missing and that no answer tells


@dataclass(frozen=True, slots=True)
class KnownIds:
    """The state of a lookup: the desk's address and the parameters found so far."""

    url: str
    told: Mapping[str, Any]
    department: str | None = None  # the code of the desk's prefecture, where it is known


class LookupStep(NamedTuple):
    """One request that tells one parameter."""

    tells: str  # the parameter; the step is left out where it is known already
    ask: Callable[[KnownIds], PageRequest | None]  # None: too little is known for the request
    read: Callable[[Page], Iterable[IdChoice]]
    own: bool = False  # the answer's shape is this platform's only, so a saved answer identifies the platform


class PlatformLookup:
    """Base class of lookups. A platform without a lookup uses it as it is."""

    STEPS: ClassVar[tuple[LookupStep, ...]] = ()  # in their order
    BY_HAND: ClassVar[str] = ""  # where a person finds what no answer tells, in one sentence

    def in_address(self, url: str) -> Mapping[str, Any]:  # noqa: ARG002 -- lookups that read addresses override it
        """Return the parameters that a desk's address contains."""
        return MappingProxyType({})


def only_page_asks(_known: KnownIds) -> None:
    """`ask` of a step whose request only the page itself makes: heard by `--browser`, or saved for `--file`."""
    return
