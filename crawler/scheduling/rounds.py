"""Rounds: all visits in which each place and week of a desk is asked for once, where one visit cannot ask for all."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from configs.world.desk import ROUND_SECONDS, Desk
from crawler.platforms import platform
from crawler.scheduling.intervals import most_requests, share_budget
from crawler.visit_state import visit_of

# A round is all visits in which each place and week of a desk is asked for once.
PROVEN_ROUNDS = 2  # within which a full round must lie for its desk to count as proven


def count_visits(desk: Desk, places: int | None) -> int:
    """Return the visits of a round of a desk that is asked in rounds; `places`: None while they are not known."""
    visit = replace(visit_of(desk), requests=most_requests(desk))
    return platform(desk.platform).count_round(visit, places)


def proven_intervals(desk: Desk, places: int) -> int | None:
    """Return in how many visits' intervals such a desk must have been covered; None for any other desk."""
    return PROVEN_ROUNDS * count_visits(desk, places or None) if desk.in_rounds else None


def plan_rounds(
    visits: Mapping[str, int],
    *,
    fast: Mapping[str, float],
    wished: Mapping[str, float],
    waited_for: Collection[str],
    watched: Collection[str],
    costs: Mapping[str, float],
    budget: float,
) -> tuple[dict[str, float], dict[str, float]]:
    """Decide which desks of a host are asked in rounds at their `fast` interval; return all wishes, and the rounds.

    `visits` of a round, of those desks only; `wished`: the intervals of all desks of the host while none of these is
    watched; `watched`: which were until now; `costs` of a visit and `budget` as for `share_budget`.

    A desk that somebody waits for is watched if it was, or if no round becomes longer than ROUND_SECONDS by it. The
    round of a desk that is not watched is the longest that there would be if it were: by that it is sold.
    """
    plan, kept, rounds = dict(wished), list[str](), dict[str, float]()
    for desk in sorted(visits, key=lambda each: (each not in waited_for, each not in watched, each)):
        trial = plan | {desk: fast[desk]}
        taken = _measure_rounds(visits, trial, costs, budget)
        rounds[desk] = max(taken[each] for each in (*kept, desk))
        if desk in waited_for and (desk in watched or rounds[desk] <= ROUND_SECONDS):
            plan, kept = trial, [*kept, desk]
    taken = _measure_rounds(visits, plan, costs, budget)
    return plan, rounds | {desk: taken[desk] for desk in kept}


def _measure_rounds(
    visits: Mapping[str, int], wished: Mapping[str, float], costs: Mapping[str, float], budget: float
) -> dict[str, float]:
    shares = share_budget(wished, costs, budget)
    return {desk: number * max(wished[desk], shares[desk]) for desk, number in visits.items()}
