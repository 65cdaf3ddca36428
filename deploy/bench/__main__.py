"""`make bench`: measures, prints a table, writes .state/bench.json. Ratios count: these machines are noisy."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from configs.clock import clock
from deploy.bench import full, latency
from deploy.local.ports import Ports
from deploy.local.processes import free_port, wait_until
from deploy.local.seed import seed
from deploy.local.stack import running, wait_ready

HOSTS, PLACES = 1500, 64


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds of the crawl, seconds a round, slots told."""

    rounds: int = 3
    seconds: float = 8.0
    slots: int = 100


_QUICK = Effort(1, 1.0, 2)


def crawl(effort: Effort, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure the full path beside bare Scrapy, in turns; return rates, CPU and their ratios (medians)."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="rdv-bench-") as folder:
        state = Path(folder)
        with full.child(
            ["-m", "deploy.bench.pages", str(HOSTS), str(port)], state / "pages.log", dict(os.environ)
        ) as server:
            log = state / "pages.log"
            wait_until(lambda: "ready" in log.read_text(), log, what="the page server", process=server)
            pairs = []
            with full.ground(state, HOSTS, port, PLACES) as environment:
                for turn in range(effort.rounds):
                    bare = _bare(port, effort.seconds)
                    whole = full.measure(state, environment, effort.seconds)
                    say(f"  round {turn + 1}: full {whole.rate:.0f} pages/s, bare {bare.rate:.0f} pages/s")
                    pairs.append((whole, bare))
    return _ratios(pairs)


def _bare(port: int, seconds: float) -> full.Work:
    command = [sys.executable, "-m", "deploy.bench.bare", *map(str, (HOSTS, port, PLACES, seconds))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return full.Work(**json.loads(done.stdout.splitlines()[-1]))


def _ratios(pairs: list[tuple[full.Work, full.Work]]) -> dict[str, Any]:
    median = statistics.median
    return {
        "full pages/s": median(whole.rate for whole, _ in pairs),
        "bare Scrapy pages/s": median(bare.rate for _, bare in pairs),
        "full ÷ bare, pages/s": median(whole.rate / bare.rate for whole, bare in pairs),
        "full CPU ms a page": median(whole.cpu_ms for whole, _ in pairs),
        "bare Scrapy CPU ms a page": median(bare.cpu_ms for _, bare in pairs),
        "full ÷ bare, CPU a page": median(whole.cpu_ms / bare.cpu_ms for whole, bare in pairs),
    }


def telling(effort: Effort, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure page read → provider accepted for one alert by e-mail on a quiet stack."""
    with tempfile.TemporaryDirectory(prefix="rdv-bench-") as folder:
        usual = Ports(*(free_port() for _ in range(5)))
        with running(Path(folder), usual, say, world=False, edit=latency.hasty) as stack:
            os.environ.update(stack.environment)
            wait_ready(stack)
            seed(stack)
            latency.by_mail_only(stack)
            delays = latency.measure(stack, effort.slots)
    return {
        "slots told": len(delays.ledgers),
        "page read → committed, p50 ms": delays.percentile("committed", 50),
        "page read → matched, p50 ms": delays.percentile("matched", 50),
        "page read → accepted, p50 ms": delays.percentile("accepted", 50),
        "page read → accepted, p99 ms": delays.percentile("accepted", 99),
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure all, print, write."""
    parser = argparse.ArgumentParser(prog="python -m deploy.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it works")
    parser.add_argument("--to", type=Path, default=Path(".state/bench.json"), help="where the figures go")
    options = parser.parse_args(arguments)
    effort = _QUICK if options.quick else Effort()
    console = Console(highlight=False)
    figures: dict[str, Any] = {}
    for title, part in {"full path beside bare Scrapy": crawl, "telling, quiet": telling}.items():
        console.print(f"[bold]{title}[/]")
        figures |= part(effort, lambda text: console.print(text, style="dim"))
    _show(console, figures)
    options.to.parent.mkdir(parents=True, exist_ok=True)
    options.to.write_text(
        json.dumps({"command": "make bench", **_where(), "figures": figures}, indent=2), "utf-8"
    )
    console.print(f"written to {options.to}")
    return 0


def _show(console: Console, figures: dict[str, Any]) -> None:
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:.2f}" if isinstance(value, float) else str(value))
    console.print(table)


def _where() -> dict[str, Any]:
    return {
        "date": clock().isoformat(),
        "python": platform.python_version(),
        "cores": full.cores(),
        "system": platform.platform(),
    }


if __name__ == "__main__":
    sys.exit(main())
