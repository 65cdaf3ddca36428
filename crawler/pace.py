"""How often a desk is asked, and what an answer means for its next time: pure decisions, seconds and instants."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zlib import crc32

from configs.desk import FASTEST
from configs.outcome import Outcome

MINUTE = 60
HOUR = 3600
PAUSE_AFTER = 5  # checks in a row that prove nothing and count
BLOCK_REST = 5 * MINUTE
RATE_REST = MINUTE
LONGEST_REST = 2 * HOUR
COUNTED = frozenset({Outcome.CAPTCHA, Outcome.BLOCKED, Outcome.UNREACHABLE, Outcome.UNREADABLE})
_PROBES = {Outcome.CAPTCHA: 15 * MINUTE, Outcome.MAINTENANCE: 5 * MINUTE, Outcome.CLOSED: 24 * HOUR}


@dataclass(frozen=True, slots=True)
class Wish:
    """What one desk of a host would like: an interval in seconds, at so many requests a visit."""

    seconds: float
    cost: int


@dataclass(frozen=True, slots=True)
class Next:
    """What an outcome does: the desk's next time, and the host's rest with its reason where it rests."""

    due: datetime
    rest_until: datetime | None = None
    rest_reason: str | None = None


def wished(own: float, plans: Iterable[float], heartbeat: float) -> float:
    """Return the wished interval: `own` (the tier's, or the operator's) or the fastest entitled plan's.

    Where nobody entitled waits it is the heartbeat, so that nobody buys a desk whose state is unknown.
    """
    promised = list(plans)
    return min(own, *promised) if promised else max(own, heartbeat)


def feasible(wishes: Mapping[str, Wish], budget: float) -> dict[str, float]:
    """Share a host's budget (requests a minute) among its desks, in proportion to what they wish.

    Returns the interval, in seconds, that each desk's share allows; below its wish where there is room.
    """
    asked = sum(wish.cost / wish.seconds for wish in wishes.values())
    load = asked * MINUTE / budget
    return {desk: wish.seconds * load for desk, wish in wishes.items()}


def effective(wish: float | None, possible: float | None, fallback: float) -> float:
    """Return the slower of the two, `fallback` while the planner has decided neither."""
    return max((each for each in (wish, possible) if each), default=fallback)


def gap(own: float | None) -> float:
    """Return the seconds between two checks of one desk, whoever asks; only stand-ins allow less than 30."""
    return min(FASTEST, own or FASTEST)


def floor(requests: int, budget: float) -> float:
    """Return for how many seconds a host is left alone after a visit of so many requests."""
    return requests * MINUTE / budget


def first_due(desk_id: str, interval: float, now: datetime) -> datetime:
    """Spread desks over their interval: each has its own place in it, the same after every restart."""
    return now + timedelta(seconds=interval * crc32(desk_id.encode()) / 2**32)


def inconclusive(outcome: Outcome, before: int) -> int:
    """Return how many checks in a row now count towards the pause."""
    if outcome.conclusive:
        return 0
    return before + (outcome in COUNTED)


def after(
    outcome: Outcome,
    *,
    started_at: datetime,
    now: datetime,
    interval: float,
    inconclusive: int,
    retry_after: float | None = None,
) -> Next:
    """Decide what follows a check. `inconclusive` counts this one; `retry_after` is the site's, in seconds."""
    wait = _wait(outcome, interval, inconclusive)
    due = max(started_at + timedelta(seconds=wait), now)
    seconds, reason = _rest(outcome, retry_after)
    if not reason:
        return Next(due)
    until = now + timedelta(seconds=seconds)
    return Next(max(due, until), until, reason)


def _wait(outcome: Outcome, interval: float, inconclusive: int) -> float:
    if outcome in _PROBES:
        return max(interval, _PROBES[outcome])
    if outcome in (Outcome.BLOCKED, Outcome.RATE_LIMITED):
        return interval  # what rests is the host, not the desk
    return interval if outcome.conclusive else _slower(outcome, interval, inconclusive)


def _slower(outcome: Outcome, interval: float, inconclusive: int) -> float:
    if outcome is Outcome.OVERLOADED:
        return interval * 2  # never more: sites are overloaded when they open their slots
    if inconclusive >= PAUSE_AFTER:
        doublings = min(inconclusive - PAUSE_AFTER + 1, 12)  # 2**12 seconds are more than an hour
        return max(interval, min(HOUR, interval * 2.0**doublings))
    if outcome is Outcome.UNREACHABLE:
        return interval * 1.5
    return interval * 2 if inconclusive > 1 else interval


def _rest(outcome: Outcome, retry_after: float | None) -> tuple[float, str | None]:
    if outcome is Outcome.BLOCKED:
        return max(BLOCK_REST, min(retry_after or 0, LONGEST_REST)), "the site refused us"
    if outcome is Outcome.RATE_LIMITED:
        return min(retry_after or RATE_REST, LONGEST_REST), "the site asked us to come less often"
    return 0, None
