"""The full path (claim, fetch, read, compare, commit) beside bare aiohttp, bare Scrapy and urlwatch.

The same pages, in turns.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

from deploy.bench.figures import Effort, Figure, Say, at_least, below
from deploy.bench.fixture import BenchFixture, BenchStack, ground
from deploy.bench.pages import FORM, address
from deploy.bench.servers import cpu, let_pass
from deploy.bench.urlwatch import Urlwatch
from deploy.external_tools import installed

_PLACES = 64
_WARM = 8.0  # seconds of checks before anything is counted: each desk has had one


@dataclass(frozen=True)
class Work:
    """What a crawl did in a time: pages asked, seconds passed, CPU seconds of its process (and of our servers)."""

    pages: int
    seconds: float
    cpu: float
    servers: float = 0.0

    @property
    def rate(self) -> float:
        """Pages a second."""
        return self.pages / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a page."""
        return 1000 * self.cpu / self.pages

    def __str__(self) -> str:
        return f"{self.rate:.0f} pages/s, {self.cpu_ms:.2f} ms CPU a page"


@dataclass(frozen=True)
class CrawlRound:
    """One turn of each."""

    full: Work
    scrapy: Work
    aiohttp: Work
    urlwatch_ms: float


@dataclass(frozen=True)
class ChangingRound:
    """One turn of each on pages that differ each time."""

    full: Work
    aiohttp: Work


def run(effort: Effort, say: Say) -> list[Figure]:
    """Measure in turns; figures are medians of the rounds."""
    other = Urlwatch(installed("urlwatch"))
    hosts, rounds = effort.of(1500, 100), range(effort.of(3, 1))
    with ground(BenchFixture(hosts, hosts), _PLACES) as made:
        unchanged = [_round(made, other, effort, say) for _ in rounds]
    with ground(BenchFixture(hosts, hosts, changing=True), _PLACES) as made:
        changing = [_changing_round(made, effort, say) for _ in rounds]
    return _figures(unchanged) + _changing_figures(changing)


def _round(made: BenchStack, other: Urlwatch, effort: Effort, say: Say) -> CrawlRound:
    seconds = effort.of(8.0, 1.0)
    scrapy, aiohttp = _bare("bare_scrapy", made, seconds), _bare("bare_aiohttp", made, seconds)
    full = _full(made, seconds)
    pages = [f"http://{address(n)}:{made.port}/booking/create/{FORM}/2" for n in range(made.world.hosts)]
    unchanged = other.unchanged(made.state, pages)
    say(f"full {full}; bare aiohttp {aiohttp}; bare Scrapy {scrapy}; urlwatch {unchanged:.2f} ms")
    return CrawlRound(full, scrapy, aiohttp, unchanged)


def _changing_round(made: BenchStack, effort: Effort, say: Say) -> ChangingRound:
    seconds = effort.of(8.0, 1.0)
    aiohttp, full = _bare("bare_aiohttp", made, seconds), _full(made, seconds)
    say(f"pages that change: full {full}; bare aiohttp {aiohttp}")
    return ChangingRound(full, aiohttp)


def _bare(program: str, made: BenchStack, seconds: float) -> Work:
    arguments = map(str, (made.world.hosts, made.port, _PLACES, seconds))
    command = [sys.executable, "-m", f"deploy.bench.{program}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Work(**json.loads(done.stdout.splitlines()[-1]))


def _full(made: BenchStack, seconds: float) -> Work:
    with made.spiders() as (spider,):
        let_pass(_WARM)
        pages, began, ours, servers = made.requests, time.monotonic(), cpu(spider), made.servers_cpu()
        let_pass(seconds)
        return Work(
            made.requests - pages, time.monotonic() - began, cpu(spider) - ours, made.servers_cpu() - servers
        )


def _figures(rounds: list[CrawlRound]) -> list[Figure]:
    return [
        Figure("full path, pages/s", median(each.full.rate for each in rounds)),
        Figure("bare Scrapy, pages/s", median(each.scrapy.rate for each in rounds)),
        Figure("bare aiohttp, pages/s", median(each.aiohttp.rate for each in rounds)),
        Figure(
            "full ÷ bare Scrapy, pages/s",
            median(each.full.rate / each.scrapy.rate for each in rounds),
            at_least(1.3),
        ),
        Figure(
            "full ÷ bare aiohttp, pages/s",
            median(each.full.rate / each.aiohttp.rate for each in rounds),
            at_least(0.3),
        ),
        Figure("full path, CPU ms a page", median(each.full.cpu_ms for each in rounds)),
        Figure(
            "planner, PostgreSQL and Redis, CPU ms a page",
            median(1000 * each.full.servers / each.full.pages for each in rounds),
        ),
        Figure("bare Scrapy, CPU ms a page", median(each.scrapy.cpu_ms for each in rounds)),
        Figure("bare aiohttp, CPU ms a page", median(each.aiohttp.cpu_ms for each in rounds)),
        Figure("urlwatch, CPU ms a page", median(each.urlwatch_ms for each in rounds)),
        Figure(
            "full ÷ urlwatch, CPU a page", median(r.full.cpu_ms / r.urlwatch_ms for r in rounds), below(1.0)
        ),
    ]


def _changing_figures(rounds: list[ChangingRound]) -> list[Figure]:
    ratio = median(each.full.rate / each.aiohttp.rate for each in rounds)
    return [
        Figure("pages that change: full path, pages/s", median(each.full.rate for each in rounds)),
        Figure("pages that change: full ÷ bare aiohttp, pages/s", ratio),
        Figure("pages that change: full path, CPU ms a page", median(each.full.cpu_ms for each in rounds)),
    ]
