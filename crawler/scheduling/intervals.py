"""Intervals, budgets and rounds: how often a desk is asked, at what cost, and when it is due after an outcome.

All figures are in seconds, or requests.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from zlib import crc32

from configs.ground.addresses import host_of, resolve_stand_in
from configs.settings import settings
from configs.world.desk import (
    CLOSED_PROBE_SECONDS,
    FASTEST,
    MAINTENANCE_PROBE_SECONDS,
    TIERS,
    Desk,
    Outcome,
    WatchLevel,
    captcha_probe_seconds,
    interval_jitter,
    is_stand_in,
    pause_probe_seconds,
)
from configs.world.prefecture import desks_by_host, host_rules, prefecture
from crawler.platforms import platform
from crawler.scheduling.due_queue import HostBucket, visit_requests

# How many checks in a row that prove nothing pause a desk
PAUSE_AFTER = 5
MINUTE = 60
# Outcomes that count towards the pause
COUNTED = frozenset({Outcome.CAPTCHA, Outcome.BLOCKED, Outcome.UNREACHABLE, Outcome.UNREADABLE})
_DOUBLINGS = 12  # more would only make large numbers larger


def wished_interval(own: float, plans: Iterable[float], heartbeat: float) -> float:
    """Return the wished interval: `own` (the tier's, or the operator's) or the fastest entitled plan's.

    Without an entitled alert it is the heartbeat, so that no user buys a desk whose state is unknown.
    """
    promised = list(plans)
    return min(own, *promised) if promised else max(own, heartbeat)


def share_budget(wished: Mapping[str, float], costs: Mapping[str, float], budget: float) -> dict[str, float]:
    """Share a host's budget (requests a minute) among its desks, in proportion to what they wish.

    `wished`: intervals in seconds, also of other hosts' desks; `costs`: the requests of a visit to each of this host's.
    Returns the interval that each desk's share allows; below its wish where there is room.
    """
    load = sum(cost / wished[desk] for desk, cost in costs.items()) * MINUTE / budget
    return {desk: wished[desk] * load for desk in costs}


def promise_waited(
    own: Mapping[str, float], wished: Mapping[str, float], costs: Mapping[str, float], budget: float
) -> dict[str, float]:
    """Return, as `share_budget`, what each desk of `own` would get if it alone began to wish that interval."""
    load = sum(cost / wished[desk] for desk, cost in costs.items())
    return {
        desk: (seconds * (load - costs[desk] / wished[desk]) + costs[desk]) * MINUTE / budget
        for desk, seconds in own.items()
    }


def effective_interval(wish: float | None, possible: float | None, fallback: float) -> float:
    """Return the slower of the two, `fallback` while the planner has decided neither."""
    return max((each for each in (wish, possible) if each), default=fallback)


def minimum_interval(wish: float | None, possible: float | None, fallback: float) -> float:
    """Return the seconds that a desk waits at least, to which its draw adds (see `next_due`).

    Where its host's budget decides, the longest draw makes what that allows: its visits are held apart by the host's
    own floor and bucket, and desks that came due later would leave a full host idle.
    """
    return effective_interval(wish, possible and possible / (1 + interval_jitter()), fallback)


def host_floor(requests: int, budget: float) -> float:
    """Return for how many seconds a host is left alone after a visit of so many requests."""
    return requests * MINUTE / budget


def stable_random(*of: object) -> float:
    """Return a number from 0 to 1 that looks drawn by lot and is the same for the same things."""
    return crc32(" ".join(map(str, of)).encode()) / 2**32


def first_due(desk_id: str, interval: float, now: datetime) -> datetime:
    """Spread desks over their interval: each has its own place in it, the same after every restart."""
    return now + timedelta(seconds=interval * stable_random(desk_id))


def next_wait(outcome: Outcome, interval: float, inconclusive: int) -> float:
    """Return the seconds from a check's start to the desk's next one, before any jitter.

    `inconclusive` says how many in a row have counted towards the pause, this one included.
    """
    probes = {
        Outcome.CAPTCHA: captcha_probe_seconds(),
        Outcome.MAINTENANCE: MAINTENANCE_PROBE_SECONDS,
        Outcome.CLOSED: CLOSED_PROBE_SECONDS,
    }
    slowest = probes.get(outcome, 0)  # seconds: what rests is asked this seldom at the most
    if inconclusive >= PAUSE_AFTER and outcome in COUNTED:
        doublings = min(inconclusive - PAUSE_AFTER + 1, _DOUBLINGS)
        return max(interval, slowest, min(pause_probe_seconds(), interval * 2.0**doublings))
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
    seconds = next_wait(outcome, interval, inconclusive) * (1 + interval_jitter() * lot)
    due = max(started_at + timedelta(seconds=seconds), now)
    return releases_at if releases_at and now < releases_at < due else due


def _slowdown(outcome: Outcome, inconclusive: int) -> float:
    if outcome is Outcome.OVERLOADED:
        return 2  # never more: sites are overloaded when they open their slots
    if outcome is Outcome.UNREACHABLE:
        return 1.5
    return 2 if outcome is Outcome.UNREADABLE and inconclusive > 1 else 1


def own_interval(desk: Desk) -> float:
    """Return the seconds between checks that the operator, or else the prefecture's tier, asks for."""
    if desk.interval:
        return desk.interval
    return TIERS[prefecture(desk.prefecture_id).tier]()


def interval_at(desk: Desk, now: datetime) -> float:
    """Return the seconds between checks that are asked for at this moment: the fewest while slots are published."""
    release = desk.release(now) if desk.shows_slots else None
    return min(own_interval(desk), FASTEST) if release and release.begins <= now else own_interval(desk)


def desks_releasing(every: Iterable[Desk], now: datetime) -> frozenset[str]:
    """Return the desks whose slots are published about now, as far as their files tell."""
    return frozenset(
        desk.id for desk in every if desk.releases and (found := desk.release(now)) and found.begins <= now
    )


def budget_of(desk: Desk) -> float:
    """Return the requests a minute that the desk's host may be asked, over all processes and systems."""
    rule = host_rules().get(desk.host)
    return rule.budget if rule and rule.budget else platform(desk.platform).BUDGET


def bucket_of(sharing: Collection[Desk], share: float = 1.0) -> HostBucket:
    """Return the bucket of the host that these desks share: one minute's budget, of which `share` is left.

    However little is left, it holds the cheapest visit of each; a stand-in's holds a whole visit of any kind.
    """
    budget = min(budget_of(desk) for desk in sharing) * share
    costs = [cost_of(desk) if is_real(desk) else visit_requests() for desk in sharing]
    return HostBucket(max(budget, *costs), budget / MINUTE)


def desks_on(host: str) -> list[Desk]:
    """Return the desks that are checked on a host (`name:port`)."""
    return [desk for desk in desks_by_host().get(host, ()) if desk.schedulable]


def is_real(desk: Desk) -> bool:
    """Whether asking this desk reaches a site of the world, not a stand-in on loopback."""
    return not is_stand_in(host_of(resolve_stand_in(desk.url, settings().sandbox_hosts)))


def captcha_expected(desk: Desk) -> bool:
    """Whether the page always asks for a captcha: it proves that the procedure exists, and a check sees no more."""
    return desk.watch in (WatchLevel.PEOPLE, WatchLevel.PRESENCE)


def visit_limit(desk: Desk) -> float:
    """Return how many requests one visit may make: a minute's budget, which is what a host's bucket holds.

    A real site banned an address after 15 requests in 17 seconds: a visit that needs more than its budget ends with
    what it covered, and the next one begins elsewhere (`Visit.turn`).
    """
    return budget_of(desk) if is_real(desk) else math.inf


def most_requests(desk: Desk) -> int:
    """Return how many requests one visit makes at the most."""
    return int(min(visit_limit(desk), visit_requests()))


def cost_of(desk: Desk) -> int:
    """Return the requests of the cheapest visit."""
    return platform(desk.platform).COST


def open_cost_of(desk: Desk) -> float:
    """Return the requests of a visit that sees slots, as far as the platform tells and one visit may make them."""
    return min(platform(desk.platform).OPEN_COST or cost_of(desk), visit_limit(desk))
