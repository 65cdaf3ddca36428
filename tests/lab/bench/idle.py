"""Memory and CPU of the whole stack when nothing happens: one spider, no browser, the sandbox left out."""

import re
from collections import defaultdict
from collections.abc import Iterator

import psutil
import sqlalchemy as sa

from deploy.local.processes import wait_until
from deploy.local.stack import Stack
from tests.lab.bench.figures import Effort, Figure, Say
from tests.lab.bench.latency import run_stack
from tests.lab.bench.servers import cpu, let_pass

_MODULE = re.compile(r" -m ([\w.]+)")  # that a process runs


def run(effort: Effort, say: Say) -> list[Figure]:
    """Let a stack come to rest, then measure."""
    seconds = effort.of(20.0, 2.0)
    with run_stack(say) as stack:
        _wait_watched(stack)
        let_pass(effort.of(15.0, 1.0))
        before = {process: cpu(process) for process in _ours()}
        let_pass(seconds)
        after = {process: cpu(process) for process in before if process.is_running()}
        # Shares in MB: what a process has in common with others is counted once among them
        memory = _by_program({each: each.memory_full_info().pss / 2**20 for each in after})
        used = _by_program({process: 100 * (after[process] - before[process]) / seconds for process in after})
    for name in sorted(memory, key=memory.__getitem__, reverse=True):
        say(f"{name}: {memory[name]:.0f} MB, {used[name]:.2f} % of a core")
    return [
        Figure("memory of the whole stack (PSS), MB", sum(memory.values()), "≤ 1250"),
        Figure("CPU of the whole stack, % of one core", sum(used.values()), "< 5"),
        *(Figure(f"of it {name}, MB", memory[name]) for name in sorted(memory)),
        *(Figure(f"of it {name}, % of one core", used[name]) for name in sorted(used) if used[name]),
    ]


def _wait_watched(stack: Stack) -> None:
    """Wait until the spider works: before, it is starting and not idle."""
    engine = sa.create_engine(stack.environment["DATABASE_URL"], poolclass=sa.NullPool)

    def checked() -> bool:
        with engine.connect() as connection:
            return bool(connection.scalar(sa.text("SELECT count(*) FROM checks")))

    wait_until(checked, stack.state / "logs" / "scrapyd.log", what="the spider", seconds=90)


def _ours() -> Iterator[psutil.Process]:
    """Yield every process of the stack but the world's stand-ins."""
    for process in psutil.Process().children(recursive=True):
        line = " ".join(process.cmdline())
        if line and "deploy.sandbox" not in line:
            yield process


def _by_program(values: dict[psutil.Process, float]) -> dict[str, float]:
    told: dict[str, float] = defaultdict(float)
    for process, value in values.items():
        module = _MODULE.search(" ".join(process.cmdline()))
        told[module[1] if module else process.name()] += value
    return told
