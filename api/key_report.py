"""Report about keys: the age of each value, which programs have it, and what to do about it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.key_needs import count_encrypted_rows, describe_need
from api.models.key_losses import find_lost_lookup_keys, find_lost_signing_keys
from api.models.key_sighting import KeySighting
from configs.ground.clock import clock
from configs.ground.formatting import pluralize
from configs.settings import settings
from configs.settings.keys import ROTATE_AFTER, fingerprint_key, read_keys

if TYPE_CHECKING:
    from collections import Counter

_WEBHOOK, _TELEGRAM = "telegram_webhook_secret", "telegram"


class KeyState(StrEnum):
    """What to do about a value."""

    GOOD = "good"
    OLD = "old"  # older than recommended
    UNSEEN = "unseen"  # no program has started with it
    RESTART = "restart"  # programs lack it, or have it although it is gone
    NEXT = "next"  # all programs accept it: it can become the first
    NEEDED = "needed"
    REMOVABLE = "removable"


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One value of a key: of these settings, or of a program that runs with other ones."""

    key: str  # variable
    place: int | None  # in these settings, from 1; None: not there
    fingerprint: str
    first_seen_at: datetime | None
    programs: tuple[str, ...]  # that have it
    state: KeyState
    advice: str


@dataclass(frozen=True, slots=True)
class _Sighted:
    """The sightings of one value, by all programs."""

    fingerprint: str
    first_seen_at: datetime | None
    holders: frozenset[str]  # programs whose last start had it
    firsts: dict[str, datetime]  # those that have it as their first value, since when


@dataclass(frozen=True, slots=True)
class _Key:
    """A key: its values by their place in these settings (None: not there), and the encrypted texts by place."""

    name: str
    values: list[tuple[int | None, _Sighted]]
    rows: "Counter[int | None]"

    @property
    def holders(self) -> frozenset[str]:
        return frozenset(each for _, value in self.values for each in value.holders)


def report_keys(s: Session) -> tuple[list[KeyValue], list[str]]:
    """Return all values of all keys, and a line for each that was taken out too early.

    Keys of other programs, which these settings do not have, are known by their sightings only.
    """
    sightings = s.scalars(sa.select(KeySighting)).all()
    newest: dict[str, datetime] = {}
    for row in sightings:
        newest[row.program] = max(row.started_at, newest.get(row.program, row.started_at))
    rows = count_encrypted_rows(s)
    keys = read_keys(settings())
    found = []
    for name in [*keys, *sorted({row.name for row in sightings} - set(keys))]:
        of_key = [row for row in sightings if row.name == name]
        held = {each for each in of_key if each.started_at == newest[each.program]}
        key = _Key(name, _sight(name, keys.get(name, ()), of_key, held), rows)
        found += [_describe(s, key, place, value, is_here=name in keys) for place, value in key.values]
    return found, _list_losses(s, rows)


def _list_losses(s: Session, rows: "Counter[int | None]") -> list[str]:
    lost = [*find_lost_lookup_keys(s), *find_lost_signing_keys(s)]
    if rows[None]:
        lost.append(
            f"{pluralize(rows[None], 'row')} that no key of DATA_KEYS decrypts: give it back the key that it lost"
        )
    return lost


def _sight(
    name: str, values: Sequence[str], rows: Sequence[KeySighting], held: Collection[KeySighting]
) -> list[tuple[int | None, _Sighted]]:
    """Return the values here by their place, then those that only programs have."""
    here = [fingerprint_key(name, value) for value in values]
    gone = sorted({row.fingerprint for row in held} - set(here))
    places = [*enumerate(here), *((None, each) for each in gone)]
    return [(place, _gather(fingerprint, rows, held)) for place, fingerprint in places]


def _gather(fingerprint: str, rows: Sequence[KeySighting], held: Collection[KeySighting]) -> _Sighted:
    having = [row for row in held if row.fingerprint == fingerprint]
    return _Sighted(
        fingerprint,
        min((row.first_seen_at for row in rows if row.fingerprint == fingerprint), default=None),
        frozenset(row.program for row in having),
        {row.program: row.first_since for row in having if row.first_since},
    )


def _describe(s: Session, key: _Key, place: int | None, value: _Sighted, *, is_here: bool) -> KeyValue:
    if place is None and is_here:
        state, advice = KeyState.RESTART, f"not in these settings: restart {_join(value.holders)}"
    elif place is None:
        state, advice = _judge_elsewhere(key, value)
    elif place == 0:
        state, advice = _judge_first(key, value)
    else:
        state, advice = _judge_further(s, key, place, value)
    shown = None if place is None else place + 1
    programs = tuple(sorted(value.holders))
    return KeyValue(key.name.upper(), shown, value.fingerprint, value.first_seen_at, programs, state, advice)


def _judge_elsewhere(key: _Key, value: _Sighted) -> tuple[KeyState, str]:
    """Judge a value of a key that only other programs are given: of several first ones the newest is meant."""
    newest = max((at for _, each in key.values for at in each.firsts.values()), default=None)
    if value.firsts and newest not in value.firsts.values():
        return KeyState.RESTART, _ask_restart(frozenset(value.firsts))
    return _judge_age(value)


def _judge_first(key: _Key, value: _Sighted) -> tuple[KeyState, str]:
    if not value.holders:
        return KeyState.UNSEEN, "no program has started with it"
    if lacking := key.holders - value.firsts.keys():
        return KeyState.RESTART, _ask_restart(lacking)
    return _judge_age(value)


def _judge_age(value: _Sighted) -> tuple[KeyState, str]:
    if value.first_seen_at and clock() - value.first_seen_at > ROTATE_AFTER:
        return KeyState.OLD, f"older than {pluralize(ROTATE_AFTER.days, 'day')}: replace it"
    return KeyState.GOOD, ""


def _judge_further(s: Session, key: _Key, place: int, value: _Sighted) -> tuple[KeyState, str]:
    """Judge a value that is not the first: it is the next one, or an old one."""
    first = key.values[0][1]
    seen, first_seen = value.first_seen_at, first.first_seen_at
    if seen is None or (first_seen is not None and seen > first_seen):
        if lacking := key.holders - value.holders - {_TELEGRAM}:
            return KeyState.RESTART, _ask_restart(lacking)
        return KeyState.NEXT, "all programs accept it: put it first"
    if lacking := key.holders - first.firsts.keys():
        return KeyState.RESTART, _ask_restart(lacking)
    if key.name == _WEBHOOK and _TELEGRAM not in first.firsts:
        return KeyState.NEEDED, "Telegram may send it: run set-webhook"
    if need := describe_need(s, key.name, place, max(first.firsts.values()), key.rows):
        return KeyState.NEEDED, need
    return KeyState.REMOVABLE, "nothing needs it: take it out"


def _ask_restart(programs: frozenset[str]) -> str:
    steps = [f"restart {_join(others)}"] if (others := programs - {_TELEGRAM}) else []
    steps += ["run set-webhook"] if _TELEGRAM in programs else []
    return ", ".join(steps)


def _join(programs: frozenset[str]) -> str:
    return ", ".join(sorted(programs))
