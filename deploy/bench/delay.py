"""Page read → provider accepted: one alert by e-mail, on a quiet stack and beside a crawl at full speed."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.bench import latency
from deploy.bench.figures import Effort, Figure, Goal, Say, below, forget
from deploy.bench.fixture import BenchFixture, page_server
from deploy.local.ports import StackPorts
from deploy.local.processes import free_port
from deploy.local.seed import seed
from deploy.local.stack import running, wait_ready
from deploy.sample_desk_files import only

# Desks due every second, three pages each. 300 make about as many checks as the 10,000 that a server holds at 30 s;
# 1,500 are more than one spider can ask.
_FULL_SPEED = BenchFixture(hosts=300, desks=300)
_TOO_MANY = BenchFixture(hosts=1500, desks=1500)
# They fall due in one burst each second. The alert's desk keeps its moment in it, another one in each stack.
_STACKS = 3


def run(effort: Effort, say: Say) -> list[Figure]:
    """Measure a quiet stack, stacks at full speed, and one whose spider is never idle."""
    slots = effort.of(40, 2)
    os.environ |= dict.fromkeys(("EMAIL_PER_HOUR", "USER_PER_HOUR"), "36000")  # all alerts go to one contact
    quiet = _figures("quiet", _measure(slots, say, latency.hasty), (20, 80))
    if effort.quick:
        return quiet
    os.environ["HEARTBEAT_SECONDS"] = "1"  # these desks have no subscribers and are still checked each second
    busy = [_measure_beside(_FULL_SPEED, slots, say) for _ in range(_STACKS)]
    together = latency.Delays([ledger for delays in busy for ledger in delays.ledgers])
    return [
        *quiet,
        *_figures("crawl at full speed", together, (25, 100)),
        *_figures("spider never idle", _measure_beside(_TOO_MANY, slots, say)),
    ]


def _measure_beside(desks: BenchFixture, slots: int, say: Say) -> latency.Delays:
    port = free_port()
    with (
        TemporaryDirectory(prefix="rdv-bench-") as folder,
        page_server(desks, port, Path(folder) / "pages.log"),
    ):
        delays = _measure(slots, say, lambda text: desks.beside(latency.hasty(text), port))
    say(f"beside {desks.desks} desks: page read → accepted, p50 {delays.percentile('accepted', 50):.1f} ms")
    return delays


def _measure(slots: int, say: Say, edit: Callable[[str], str]) -> latency.Delays:
    with TemporaryDirectory(prefix="rdv-bench-") as folder:
        usual = StackPorts(*(free_port() for _ in range(5)))
        with running(Path(folder), usual, say, edit=lambda text: only("ezbooking", edit(text))) as stack:
            os.environ.update(stack.environment)
            forget()  # the stack before
            wait_ready(stack, 180)
            seed(stack)
            latency.by_mail_only(stack)
            delays = latency.measure(stack, slots)
    say(f"{len(delays.ledgers)} slots told")
    return delays


def _figures(where: str, delays: latency.Delays, goals: tuple[float, float] | None = None) -> list[Figure]:
    def figure(stage: str, percent: int, goal: Goal | None = None) -> Figure:
        return Figure(f"page read → {stage}, {where}, p{percent} ms", delays.percentile(stage, percent), goal)

    half, most = map(below, goals) if goals else (None, None)
    return [
        *(figure(stage, percent) for stage in ("committed", "matched") for percent in (50, 99)),
        figure("accepted", 50, half),
        figure("accepted", 99, most),
    ]
