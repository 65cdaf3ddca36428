"""Looks at a desk's page, and whether two are of different people: what judgement, trust and the simulation share."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

_REGISTERED_TOGETHER = timedelta(hours=1)
_REGISTERED_NEAR = timedelta(days=7)  # an IPv4 and an IPv6 network may be of one line
NETWORK_FAMILIES = frozenset({4, 6})  # first byte of a network's hash (api/ground/network_hashes.py)
Pair = frozenset[UUID]


class Person(NamedTuple):
    """Who looked: by what is known of the account."""

    id: UUID
    registered_at: datetime
    registered_from: frozenset[bytes] = frozenset()
    is_trusted: bool = False
    is_named: bool = False  # by an operator, or one
    is_witness: bool = True  # what they carried was not denied lately
    networks: frozenset[bytes] = frozenset()  # of all their looks that are kept


class Look(NamedTuple):
    """A look that counts: it saw slots, or none. `networks`: api/models/report.py."""

    id: UUID
    person: Person
    at: datetime
    saw_slots: bool
    networks: frozenset[bytes] = frozenset()
    is_answer: bool = False  # to a message: it opens nothing
    days: Collection[str] = ()  # of its slots
    since: datetime | None = None  # when the person said so first, of what is open

    @property
    def first_at(self) -> datetime:
        """When the person said so first."""
        return self.since or self.at

    def is_said_again(self, began_at: datetime) -> bool:
        """Return whether the person said so before, of what began then."""
        return self.since is not None and self.since >= began_at


def are_unrelated(one: Look, other: Look) -> bool:
    """Return whether two looks are of people who do not seem to be one; without a known network none are."""
    mine, its = one.person, other.person
    if mine.id == its.id or not one.networks or not other.networks or one.networks & other.networks:
        return False
    apart = abs(mine.registered_at - its.registered_at)
    if _is_across(one.networks, other.networks):
        met = (mine.networks | one.networks) & (its.networks | other.networks)
        return apart > _REGISTERED_NEAR and not met
    return apart > _REGISTERED_TOGETHER or not mine.registered_from & its.registered_from


def _is_across(one: Collection[bytes], other: Collection[bytes]) -> bool:
    """Return whether one network is of IPv4, the other of IPv6."""
    mine, its = ({each[0] for each in several} & NETWORK_FAMILIES for several in (one, other))
    return bool(mine and its) and mine.isdisjoint(its)
