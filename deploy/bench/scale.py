"""Today's size some times over: the planner on all desk files, desks kept at 30 s, and a crowd of one detection.

Today is 136 scheduled desks of 226; a crowd is a thousand alerts. `--times` says how often.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from configs.clock import clock
from configs.prefecture import desks
from crawler.planner import Planner
from crawler.scheduling import due_queue
from deploy.bench.bulk_notify import tell_crowd
from deploy.bench.capacity import hold_desks
from deploy.bench.figures import Effort, Figure, Say, forget
from deploy.bench.notifier_stack import CROWD_DESK, run_notifier
from deploy.bench.people import Crowd
from deploy.bench.scaled_desks import write_scaled_desks
from deploy.bench.servers import Settings, cpu, servers

_DESKS, _CROWD = 136, 1000
_TICKS = 10


def run(effort: Effort, say: Say) -> list[Figure]:
    """Measure each size, the smallest first."""
    return [
        figure
        for times in effort.of(effort.times, (1,))
        for measure in (_plan, _hold, _notify)
        for figure in measure(times, effort, say)
    ]


def _plan(times: int, _: Effort, say: Say) -> list[Figure]:
    """Let a planner of this process read the files and plan them: all at first, nothing, and all again."""
    with servers(lambda state: _set_desks(state, times)) as made:
        os.environ |= made.environment | {"PROGRAM": "crawler"}
        forget()
        held = psutil.Process().memory_info().rss
        reading = _measure_cpu(lambda: len(desks()))
        held = psutil.Process().memory_info().rss - held
        with due_queue.connect() as client:
            planner = Planner(client)
            first = _measure_cpu(lambda: planner.run_once(clock()))
            idle = _measure_cpu(lambda: [planner.run_once(clock()) for _ in range(_TICKS)]) / _TICKS
            again = _measure_cpu(lambda: Planner(client).run_once(clock()))
            redis = client.info("memory")["used_memory"]
        name = f"{times} times today, {len(desks())} desks in files"
        say(f"{name}: first {first:.2f} s, again {again:.2f} s, each second {1000 * idle:.0f} ms")
    return [
        Figure(f"{name}: reading them, CPU s", reading),
        Figure(f"{name}: memory of each program that reads them, MB", held / 2**20),
        Figure(f"{name}: planning all at first, CPU s with servers", first),
        Figure(f"{name}: planning all again (each hour), CPU s with servers", again),
        Figure(f"{name}: planner each second without a change, CPU ms with servers", 1000 * idle),
        Figure(f"{name}: Redis, MB", redis / 2**20),
    ]


def _set_desks(state: Path, times: int) -> Settings:
    folder = write_scaled_desks(state / "desks", times)
    return {"PREFECTURES_DIR": str(folder), "ANTS_TOKEN": "any"}


def _hold(times: int, effort: Effort, say: Say) -> list[Figure]:
    step = hold_desks(_DESKS * times, effort, say)
    name = f"{step.desks} desks at 30 s, 2 spiders"
    return [
        Figure(f"{name}: lateness p95, ms", step.late_ms),
        Figure(f"{name}: checks/s", step.rate),
        Figure(f"{name}: CPU ms a check (3 pages), servers included", step.cpu_ms),
    ]


def _notify(times: int, effort: Effort, say: Say) -> list[Figure]:
    people = effort.of(_CROWD * times, 60)
    with run_notifier() as stack:
        Crowd("crowd", people, f"NULL, NULL, '{CROWD_DESK}'").write(stack.engine)
        before = _read_cpu()
        seconds, _ = tell_crowd(stack, 0, 0, say)
        spent = _read_cpu() - before
    return [
        Figure(f"a crowd of {people}, page read → all accepted, s", seconds),
        Figure(
            f"a crowd of {people}: CPU ms a message, receipts and stand-in included", 1000 * spent / people
        ),
    ]


def _measure_cpu(work: Callable[[], object]) -> float:
    before = _read_cpu()
    work()
    return _read_cpu() - before


def _read_cpu() -> float:
    """Return the CPU seconds of this process and of its children."""
    spent = cpu(psutil.Process())
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            spent += cpu(process)
    return spent
