"""Accuracy of intervals, from the recorded checks: against what hosts' budgets allow, and how late."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from configs.desk import Desk
from configs.outcome import Outcome
from crawler.scheduling import intervals
from crawler.scheduling.desk_budgets import budget_of, captcha_expected, cost_of
from deploy.bench.due_times import Arrivals
from deploy.bench.servers import Servers

_CHECKS = sa.text("""
SELECT desk_id, outcome, requests, extract(epoch FROM started_at)::float8 AS at, milliseconds / 1000.0 AS seconds
FROM checks ORDER BY started_at
""")
_WISHED = sa.text("SELECT id, wished_seconds::float8 AS seconds FROM desks")
_PROVEN = (Outcome.SLOTS, Outcome.NO_SLOTS)


@dataclass(frozen=True)
class CheckTimes:
    """One check of a desk: when it began (unix seconds), for how long it lasted, its requests, its end."""

    desk: Desk
    at: float
    seconds: float
    requests: int
    outcome: Outcome

    @property
    def odd(self) -> bool:
        """Whether it ended otherwise than a well stand-in answers."""
        return self.outcome not in ((Outcome.CAPTCHA,) if captcha_expected(self.desk) else _PROVEN)

    @property
    def leaves_host_alone_until(self) -> float:
        """Return when its host may be asked again."""
        return self.at + max(self.seconds, intervals.host_floor(self.requests, budget_of(self.desk)))


@dataclass(frozen=True)
class IntervalAccuracy:
    """The seconds between two checks of a desk (their mean), beside those that its host's budget allows."""

    desk: Desk
    achieved: float
    feasible: float

    @property
    def ratio(self) -> float:
        """Return how many times longer than feasible it waited."""
        return self.achieved / self.feasible


def checks(made: Servers, watched: Collection[Desk]) -> list[CheckTimes]:
    """Return all checks, the oldest first."""
    known = {desk.id: desk for desk in watched}
    with made.engine.connect() as connection:
        return [
            CheckTimes(known[row.desk_id], row.at, float(row.seconds), row.requests, Outcome(row.outcome))
            for row in connection.execute(_CHECKS)
        ]


def arrivals(found: Iterable[CheckTimes]) -> Arrivals:
    """Return when each desk was asked."""
    times: Arrivals = defaultdict(list)
    for check in found:
        times[check.desk.id].append(check.at)
    return times


def read_wished_intervals(made: Servers) -> dict[str, float]:
    """Return the seconds that the planner wishes for each desk."""
    with made.engine.connect() as connection:
        return {row.id: row.seconds for row in connection.execute(_WISHED)}


def judge_intervals(
    watched: Collection[Desk],
    found: Sequence[CheckTimes],
    wishes: Mapping[str, float],
    probe: float,
    end: float,
) -> list[IntervalAccuracy]:
    """Judge every desk that had the time: asked twice, or not again within its interval until `end`.

    What is feasible follows from what visits really took. `probe`: the seconds between two looks at a captcha.
    """
    times, feasible = arrivals(found), _feasible(watched, found, wishes)
    judged = []
    for desk in watched:
        slowest = max(wishes[desk.id], feasible[desk.id], probe if captcha_expected(desk) else 0)
        mine = times.get(desk.id) or [found[0].at]
        if len(mine) > 1:
            judged.append(IntervalAccuracy(desk, (mine[-1] - mine[0]) / (len(mine) - 1), slowest))
        elif end - mine[0] > slowest:
            judged.append(IntervalAccuracy(desk, end - mine[0], slowest))
    return judged


def _feasible(
    watched: Collection[Desk], found: Iterable[CheckTimes], wishes: Mapping[str, float]
) -> dict[str, float]:
    """Return what each host's budget allows its desks, at the requests that their visits took on the mean."""
    took: dict[str, list[int]] = defaultdict(list)
    for check in found:
        took[check.desk.id].append(check.requests)
    hosts: dict[str, list[Desk]] = defaultdict(list)
    for desk in watched:
        hosts[desk.host].append(desk)
    shares: dict[str, float] = {}
    for sharing in hosts.values():
        # the last visit of each was followed by no interval
        means = {desk.id: _mean(took[desk.id][:-1] or took[desk.id]) or cost_of(desk) for desk in sharing}
        each = {desk.id: intervals.WishedInterval(wishes[desk.id], means[desk.id]) for desk in sharing}
        shares |= intervals.share_budget(each, min(budget_of(desk) for desk in sharing))
    return shares


def _mean(values: Collection[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def late(found: Iterable[CheckTimes], coming: Iterable[tuple[str, float, float]]) -> Iterator[float]:
    """Yield how many milliseconds each visit began after it was due and its host might be asked again."""
    free: dict[str, list[tuple[float, float]]] = defaultdict(list)
    host_of = {}
    for check in found:
        free[check.desk.host].append((check.at, check.leaves_host_alone_until))
        host_of[check.desk.id] = check.desk.host
    for desk, due, at in coming:
        before = free[host_of[desk]][: bisect_left(free[host_of[desk]], (at, 0.0))]
        yield 1000 * (at - max(due, before[-1][1] if before else due))
