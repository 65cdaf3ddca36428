"""Judgement of looks: the action that follows one more look at a desk's page. Pure: looks in, an action out.

A look that saw slots opens, or confirms. What one untrusted person saw is in doubt until it is corroborated: by a
trusted person, or by two unrelated ones within CONFIRMED_WITHIN. What is corroborated is closed by nobody's `none`: it
lapses. What is in doubt is ended by two unrelated ones. What one untrusted person says again lasts no longer for it:
two liars would hold an opening for days, and hide each one that comes meanwhile (tests/lab/liars.py).
"""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import combinations
from typing import NamedTuple
from uuid import UUID

from configs.settings import Constant

CONFIRMED_WITHIN = timedelta(minutes=5)  # of each other
# What comes back so soon after it was gone is the same opening
RETURNS_WITHIN = timedelta(hours=2)
_REGISTERED_TOGETHER = timedelta(hours=1)
# How long what people saw is open after the last of them saw it
report_lapse_seconds = Constant("REPORT_LAPSE_SECONDS", 600.0)

Pair = frozenset[UUID]


class Person(NamedTuple):
    """Who looked: by what is known of the account."""

    id: UUID
    registered_at: datetime
    registered_from: frozenset[bytes] = frozenset()
    is_trusted: bool = False


class Look(NamedTuple):
    """A look that counts: it saw slots, or none. `networks`: api/models/report.py."""

    id: UUID
    person: Person
    at: datetime
    saw_slots: bool
    networks: frozenset[bytes] = frozenset()
    is_answer: bool = False  # to a message: it opens nothing


@dataclass(frozen=True, slots=True)
class Opening:
    """What people saw at a desk last: open, or gone since `gone_at`."""

    id: UUID  # of its first detection
    seen_at: datetime  # by the last look that saw slots
    in_doubt: bool
    gone_at: datetime | None = None


class Action(Enum):
    """What follows a look."""

    NOTHING = auto()
    OPEN = auto()
    RETURN = auto()  # the same opening is open again
    CONFIRM = auto()  # seen once more
    REPEAT = auto()  # seen once more, by somebody alone: it lasts no longer for that
    CORROBORATE = auto()  # in doubt no more
    END = auto()


class Verdict(NamedTuple):
    """What follows a look, and whose look it corroborates."""

    action: Action
    in_doubt: bool = False  # what is open afterwards
    partner: Look | None = None


def are_unrelated(one: Look, other: Look) -> bool:
    """Return whether two looks are of people who do not seem to be one."""
    mine, its = one.person, other.person
    is_near = not one.networks or not other.networks or one.networks & other.networks
    if mine.id == its.id or is_near:
        return False
    at_once = abs(mine.registered_at - its.registered_at) <= _REGISTERED_TOGETHER
    return not (at_once and mine.registered_from & its.registered_from)


def judge_look(
    look: Look,
    before: Collection[Look],
    opening: Opening | None,
    known_pairs: AbstractSet[Pair] = frozenset(),
) -> Verdict:
    """Return what follows a look, by the looks before it and what was open.

    `known_pairs`: people who corroborated each other lately, and may not again.
    """
    open_now = opening if opening and opening.gone_at is None else None
    if not look.saw_slots:
        ends = open_now and open_now.in_doubt and _is_denied_twice([*before, look], open_now.seen_at)
        return Verdict(Action.END if ends else Action.NOTHING)
    partner = None if look.person.is_trusted else _find_partner(look, before, known_pairs)
    is_sure = look.person.is_trusted or partner is not None
    if open_now:
        if open_now.in_doubt and is_sure:
            return Verdict(Action.CORROBORATE, partner=partner)
        return Verdict(Action.CONFIRM if is_sure else Action.REPEAT, in_doubt=open_now.in_doubt)
    if look.is_answer:
        return Verdict(Action.NOTHING)
    is_same = opening is not None and _comes_back(look, before, opening)
    return Verdict(Action.RETURN if is_same else Action.OPEN, in_doubt=not is_sure, partner=partner)


def has_lapsed(opening: Opening, now: datetime) -> bool:
    """Return whether the last look at an opening is too long ago."""
    return now >= opening.seen_at + timedelta(seconds=report_lapse_seconds())


def _find_partner(look: Look, before: Iterable[Look], known_pairs: AbstractSet[Pair]) -> Look | None:
    """Return a look that corroborates this one: any two that saw slots do, whom no trusted look between denied."""
    lately = [each for each in before if look.at - CONFIRMED_WITHIN <= each.at <= look.at]
    denied_at = max(
        (each.at for each in lately if each.person.is_trusted and not each.saw_slots), default=None
    )
    for each in lately:
        is_met = Pair((each.person.id, look.person.id)) in known_pairs
        is_denied = denied_at is not None and each.at <= denied_at
        if each.saw_slots and not is_met and not is_denied and are_unrelated(each, look):
            return each
    return None


def _comes_back(look: Look, before: Collection[Look], opening: Opening) -> bool:
    is_soon = opening.gone_at is not None and look.at - opening.gone_at <= RETURNS_WITHIN
    return is_soon and not _is_denied_twice(before, opening.seen_at)


def _is_denied_twice(looks: Iterable[Look], since: datetime) -> bool:
    """Return whether two unrelated people saw none since then; who has no network is unrelated to nobody."""
    denials = [each for each in looks if not each.saw_slots and each.at >= since and each.networks]
    return any(are_unrelated(one, other) for one, other in combinations(denials, 2))
