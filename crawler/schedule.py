"""What the desk files and the settings say about a desk's schedule: its own interval, its host's budget."""

from configs.desk import Desk
from configs.prefecture import host_rules, prefecture
from configs.settings import settings
from crawler.platforms import platform


def own_interval(desk: Desk) -> float:
    """Return the seconds between checks that the operator, or else the prefecture's tier, asks for."""
    if desk.interval:
        return desk.interval
    current = settings()
    tiers = {1: current.tier_1_seconds, 2: current.tier_2_seconds, 3: current.tier_3_seconds}
    return tiers[prefecture(desk.prefecture_id).tier]


def budget_of(desk: Desk) -> float:
    """Return the requests a minute that the desk's host may be asked, over all processes and systems."""
    rule = host_rules().get(desk.host)
    return rule.budget if rule else platform(desk.platform).BUDGET


def cost_of(desk: Desk) -> int:
    """Return the requests of the cheapest visit."""
    return platform(desk.platform).COST


def hold_seconds() -> float:
    """Return for how long a claim may last: the deadline, our own pauses within a visit, and a margin."""
    current = settings()
    pauses = current.step_gap_seconds * current.visit_requests
    return current.http_deadline_seconds + pauses + current.claim_margin_seconds
