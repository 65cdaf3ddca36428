"""Intervals: how often a desk is asked, and when it is due after an outcome. Pure; seconds and instants."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zlib import crc32

from configs.world.check_intervals import (
    CAPTCHA_PROBE_SECONDS,
    CLOSED_PROBE_SECONDS,
    INTERVAL_JITTER,
    MAINTENANCE_PROBE_SECONDS,
    PAUSE_PROBE_SECONDS,
)
from configs.world.desk import FASTEST
from configs.world.outcome import Outcome

# How many checks in a row that prove nothing pause a desk
PAUSE_AFTER = 5

MINUTE = 60
COUNTED = frozenset({Outcome.CAPTCHA, Outcome.BLOCKED, Outcome.UNREACHABLE, Outcome.UNREADABLE})
_DOUBLINGS = 12  # more would only make large numbers larger


@dataclass(frozen=True, slots=True)
class WishedInterval:
    """What one desk of a host would like: an interval in seconds, at so many requests a visit."""

    seconds: float
    cost: float


def wished_interval(own: float, plans: Iterable[float], heartbeat: float) -> float:
    """Return the wished interval: `own` (the tier's, or the operator's) or the fastest entitled plan's.

    Without an entitled alert it is the heartbeat, so that no user buys a desk whose state is unknown.
    """
    promised = list(plans)
    return min(own, *promised) if promised else max(own, heartbeat)


def share_budget(wishes: Mapping[str, WishedInterval], budget: float) -> dict[str, float]:
    """Share a host's budget (requests a minute) among its desks, in proportion to what they wish.

    Returns the interval, in seconds, that each desk's share allows; below its wish where there is room.
    """
    asked = sum(wish.cost / wish.seconds for wish in wishes.values())
    load = asked * MINUTE / budget
    return {desk: wish.seconds * load for desk, wish in wishes.items()}


def effective_interval(wish: float | None, possible: float | None, fallback: float) -> float:
    """Return the slower of the two, `fallback` while the planner has decided neither."""
    return max((each for each in (wish, possible) if each), default=fallback)


def minimum_interval(wish: float | None, possible: float | None, fallback: float) -> float:
    """Return the seconds that a desk waits at least, to which its draw adds (see `next_due`).

    Where its host's budget decides, the longest draw makes what that allows: its visits are held apart by the host's
    own floor and bucket, and desks that came due later would leave a full host idle.
    """
    return effective_interval(wish, possible and possible / (1 + INTERVAL_JITTER()), fallback)


def minimum_gap(own: float | None) -> float:
    """Return the least seconds between two checks of one desk; only stand-ins allow less than 30."""
    return min(FASTEST, own or FASTEST)


def host_floor(requests: int, budget: float) -> float:
    """Return for how many seconds a host is left alone after a visit of so many requests."""
    return requests * MINUTE / budget


def stable_random(*of: object) -> float:
    """Return a number from 0 to 1 that looks drawn by lot and is the same for the same things."""
    return crc32(" ".join(map(str, of)).encode()) / 2**32


def first_due(desk_id: str, interval: float, now: datetime) -> datetime:
    """Spread desks over their interval: each has its own place in it, the same after every restart."""
    return now + timedelta(seconds=interval * stable_random(desk_id))


def counts_towards_pause(outcome: Outcome, *, captcha_expected: bool = False) -> bool:
    """Tell whether a check that proves nothing counts towards the pause.

    A captcha does not where the page always has one: there it is all that can be seen.
    """
    return outcome in COUNTED and not (captcha_expected and outcome is Outcome.CAPTCHA)


def next_wait(outcome: Outcome, interval: float, inconclusive: int) -> float:
    """Return the seconds from a check's start to the desk's next one, before any jitter.

    `inconclusive` says how many in a row have counted towards the pause, this one included.
    """
    slowest = _probe(outcome)
    if inconclusive >= PAUSE_AFTER and outcome in COUNTED:
        doublings = min(inconclusive - PAUSE_AFTER + 1, _DOUBLINGS)
        return max(interval, slowest, min(PAUSE_PROBE_SECONDS(), interval * 2.0**doublings))
    return max(interval * _slowdown(outcome, inconclusive), slowest)


def next_due(
    outcome: Outcome,
    *,
    started_at: datetime,
    now: datetime,
    interval: float,
    inconclusive: int,
    lot: float = 0,
    releases_at: datetime | None = None,
) -> datetime:
    """Return when the desk is due again: never in the past, never before its interval is over.

    Where its page says when more slots will be put on line (`releases_at`), it is due at that instant too.

    `lot`, from 0 to 1, is its draw: intervals are longer by up to INTERVAL_JITTER, so that desks that started
    together do not stay together, and no site sees a clock.
    """
    seconds = next_wait(outcome, interval, inconclusive) * (1 + INTERVAL_JITTER() * lot)
    due = max(started_at + timedelta(seconds=seconds), now)
    return releases_at if releases_at and now < releases_at < due else due


def _probe(outcome: Outcome) -> float:
    """Return how seldom a desk is asked at the most after this outcome; 0 where that is up to its interval."""
    probes = {
        Outcome.CAPTCHA: CAPTCHA_PROBE_SECONDS(),
        Outcome.MAINTENANCE: MAINTENANCE_PROBE_SECONDS,
        Outcome.CLOSED: CLOSED_PROBE_SECONDS,
    }
    return probes.get(outcome, 0)


def _slowdown(outcome: Outcome, inconclusive: int) -> float:
    if outcome is Outcome.OVERLOADED:
        return 2  # never more: sites are overloaded when they open their slots
    if outcome is Outcome.UNREACHABLE:
        return 1.5
    return 2 if outcome is Outcome.UNREADABLE and inconclusive > 1 else 1
