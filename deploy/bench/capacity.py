"""How many desks are held at 30 s, by two spiders on this machine, and what one costs from 100 up to there."""

from dataclasses import dataclass

import psutil

from deploy.bench.due_times import Watch
from deploy.bench.figures import Effort, Figure, Say, at_least, percentile
from deploy.bench.ground import Ground, World, cpu, ground, let_pass

_HOSTS, _INTERVAL, _SPIDERS = 1500, 30, 2
_STEPS = (100, 1000, 3000, 6000, 10_000)
_LATE_MS = 1000.0


@dataclass(frozen=True)
class Step:
    """What so many desks took: lateness p95, checks a second, CPU ms a check of all our processes and servers."""

    desks: int
    late_ms: float
    rate: float
    cpu_ms: float


def run(effort: Effort, say: Say) -> list[Figure]:
    """Climb until the lateness is more than a second."""
    steps: list[Step] = []
    for desks in effort.of(_STEPS, (20,)):
        steps.append(_step(desks, effort, say))
        if steps[-1].late_ms > _LATE_MS:
            break
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


def _step(desks: int, effort: Effort, say: Say) -> Step:
    interval, window = effort.of(_INTERVAL, 2), effort.of(30.0, 5.0)
    world = World(hosts=min(desks, _HOSTS), desks=desks, interval=interval)
    with ground(world, SPIDER_PROCESSES=str(_SPIDERS)) as made, made.spider() as one, made.spider() as two:
        let_pass(1.2 * interval)
        watch, before = Watch(made, 1.0), _spent(made, one.pid, two.pid)
        with watch.watching():
            let_pass(window)
            after = _spent(made, one.pid, two.pid)
            let_pass(0.5 * interval)
    checks, spent = after[0] - before[0], after[1] - before[1]
    step = Step(desks, percentile(watch.lateness() or [0.0], 95), checks / window, 1000 * spent / checks)
    say(
        f"{desks} desks: {step.rate:.0f} checks/s, lateness p95 {step.late_ms:.0f} ms, {step.cpu_ms:.1f} ms CPU a check"
    )
    return step


def _spent(made: Ground, *spiders: int) -> tuple[int, float]:
    used = sum(cpu(psutil.Process(pid)) for pid in spiders)
    return made.number("SELECT count(*) FROM checks"), used + made.servers_cpu()
