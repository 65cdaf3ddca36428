"""Budgets and intervals of desks, from the desk files and the settings."""

import math
from collections.abc import Collection, Iterable
from datetime import datetime

from configs.ground.hosts import host_of, resolve_stand_in
from configs.settings import settings
from configs.world.check_intervals import TIERS
from configs.world.desk import FASTEST, Desk, WatchLevel, is_stand_in
from configs.world.prefecture import desks_by_host, host_rules, prefecture
from crawler.platforms import platform
from crawler.scheduling.due_queue import HostBucket
from crawler.scheduling.intervals import MINUTE
from crawler.scheduling.queues import VISIT_REQUESTS


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
    costs = [cost_of(desk) if is_real(desk) else VISIT_REQUESTS() for desk in sharing]
    return HostBucket(max(budget, *costs), budget / MINUTE)


def desks_on(host: str) -> list[Desk]:
    """Return the desks that are checked on a host (`name:port`)."""
    return [desk for desk in desks_by_host().get(host, ()) if desk.schedulable]


def is_real(desk: Desk) -> bool:
    """Whether asking this desk reaches a site of the world, not a stand-in on loopback."""
    return not is_stand_in(host_of(resolve_stand_in(desk.url, settings().sandbox_hosts)))


def captcha_expected(desk: Desk) -> bool:
    """Whether the page always asks for a captcha: it proves that the procedure exists, and no more can be seen."""
    return desk.watch is WatchLevel.PRESENCE


def visit_limit(desk: Desk) -> float:
    """Return how many requests one visit may make: a minute's budget, which is what a host's bucket holds.

    A real site banned an address after 15 requests in 17 seconds: a visit that needs more than its budget ends with
    what it covered, and the next one begins elsewhere (`Visit.turn`).
    """
    return budget_of(desk) if is_real(desk) else math.inf


def cost_of(desk: Desk) -> int:
    """Return the requests of the cheapest visit."""
    return platform(desk.platform).COST


def open_cost_of(desk: Desk) -> float:
    """Return the requests of a visit that sees slots, as far as the platform tells and one visit may make them."""
    return min(platform(desk.platform).OPEN_COST or cost_of(desk), visit_limit(desk))
