"""Page read → provider accepted: one alert by e-mail, on a quiet stack and beside a crawl at full speed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local.processes import free_port
from tests.lab.bench import latency
from tests.lab.bench.figures import Effort, Figure, Say, percentiles_ms
from tests.lab.bench.fixture import BenchFixture, page_server

# Desks due every second, three pages each: about as many checks as the 10,000 that a server holds at 30 s. They fall due
# in one burst each second. The alert's desk keeps its moment in it, another one in each stack.
_FULL_SPEED = BenchFixture(hosts=300, desks=300)
_STACKS = 3


def run(effort: Effort, say: Say) -> list[Figure]:
    """Measure a quiet stack and stacks at full speed."""
    slots = effort.of(40, 2)
    os.environ["EMAIL_PER_HOUR"] = "36000"  # all alerts go to one contact
    quiet = list(_figures("quiet", _measure(slots, say, latency.hasty), (20, 80)))
    if effort.quick:
        return quiet
    os.environ["HEARTBEAT_SECONDS"] = "1"  # these desks have no subscribers and are still checked each second
    busy = [ledger for _ in range(_STACKS) for ledger in _measure_beside(_FULL_SPEED, slots, say)]
    return [*quiet, *_figures("crawl at full speed", busy, (25, 100))]


def _measure_beside(desks: BenchFixture, slots: int, say: Say) -> list[latency.Ledger]:
    port = free_port()
    with (
        TemporaryDirectory(prefix="rdv-bench-") as folder,
        page_server(desks, port, Path(folder) / "pages.log"),
    ):
        return _measure(slots, say, lambda text: desks.beside(latency.hasty(text), port))


def _measure(slots: int, say: Say, edit: Callable[[str], str]) -> list[latency.Ledger]:
    with latency.run_stack(say, edit) as stack:
        latency.seed_by_mail_only(stack)
        ledgers = latency.measure(stack, slots)
    say(f"{len(ledgers)} slots told")
    return ledgers


def _figures(where: str, ledgers: list[latency.Ledger], goals: tuple[float, float]) -> Iterator[Figure]:
    half, most = map("< {}".format, goals)
    for stage in ("committed", "matched", "accepted"):
        seconds = [ledger[stage] / 1000 for ledger in ledgers]
        told = {50: half, 99: most} if stage == "accepted" else {50: "", 99: ""}
        yield from percentiles_ms(f"page read → {stage}, {where}", seconds, told)
