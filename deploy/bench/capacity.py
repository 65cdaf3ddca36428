"""Capacity: how many desks two spiders on this machine keep at 30 s, and the cost of one from 100 desks up to there."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import psutil

from deploy.bench.due_times import DueTimeWatch, arrivals
from deploy.bench.figures import Effort, Figure, Say, at_least, percentile
from deploy.bench.fixture import BenchFixture, BenchStack, ground
from deploy.bench.servers import cpu, let_pass

_HOSTS, _INTERVAL, _SPIDERS = 1500, 30, 2
_STEPS = (100, 1000, 10_000)
_LATE_MS = 1000.0


@dataclass(frozen=True)
class CapacityStep:
    """What so many desks took: lateness p95, checks a second, CPU ms a check of all our processes and servers."""

    desks: int
    late_ms: float
    rate: float
    cpu_ms: float


def run(effort: Effort, say: Say) -> list[Figure]:
    """Climb; where the last step is too much, try nine tenths of what it got through."""
    steps = [hold_desks(desks, effort, say) for desks in effort.of(_STEPS, (20,))]
    if not effort.quick and steps[-1].late_ms > _LATE_MS:
        steps.append(hold_desks(int(0.9 * _INTERVAL * steps[-1].rate), effort, say))
    held = [step for step in steps if step.late_ms <= _LATE_MS]
    return [
        Figure(
            "desks held at 30 s, lateness p95 ≤ 1 s",
            max((s.desks for s in held), default=0),
            at_least(10_000),
        ),
        *(Figure(f"{step.desks} desks: lateness p95, ms", step.late_ms) for step in steps),
        *(Figure(f"{step.desks} desks: checks/s", step.rate) for step in steps),
        *(
            Figure(f"{step.desks} desks: CPU ms a check (3 pages), servers included", step.cpu_ms)
            for step in steps
        ),
    ]


def hold_desks(desks: int, effort: Effort, say: Say) -> CapacityStep:
    """Watch so many desks for half a minute; return what that took."""
    interval, window = effort.of(_INTERVAL, 2), effort.of(30.0, 3.0)
    world = BenchFixture(hosts=min(desks, _HOSTS), desks=desks, interval=interval)
    spiders = effort.of(_SPIDERS, 1)
    with (
        ground(world, SPIDER_PROCESSES=str(spiders)) as made,
        made.spiders(["prefenligne"] * spiders) as running,
    ):
        let_pass(interval / 2 if desks < _STEPS[-1] else interval)  # what fell due during the start is over
        watch = DueTimeWatch(made, partial(arrivals, made), 1.0)
        before = _count_costs(made, running)
        with watch.watching():
            let_pass(window)
            after = _count_costs(made, running)
    checks, spent = after[0] - before[0], after[1] - before[1]
    step = CapacityStep(
        desks, percentile(watch.lateness() or [0.0], 95), checks / window, 1000 * spent / checks
    )
    say(
        f"{desks} desks: {step.rate:.0f} checks/s, lateness p95 {step.late_ms:.0f} ms, {step.cpu_ms:.1f} ms CPU a check"
    )
    return step


def _count_costs(made: BenchStack, spiders: Sequence[psutil.Process]) -> tuple[int, float]:
    return made.number("SELECT count(*) FROM checks"), sum(map(cpu, spiders)) + made.servers_cpu()
