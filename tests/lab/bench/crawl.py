"""The full path (claim, fetch, read, compare, commit) beside bare aiohttp, bare Scrapy and urlwatch.

The same pages, in turns.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from deploy.local.processes import wait_until
from tests.lab.bench.figures import Effort, Figure, Say, median_ratio
from tests.lab.bench.fixture import BenchFixture, BenchStack, ground
from tests.lab.bench.pages import FORM, address
from tests.lab.bench.servers import cpu, let_pass
from tests.lab.external_tools import installed

_PLACES = 64
_URLWATCH_FILES = {"urls": "urls.yaml", "config": "config.yaml", "hooks": "hooks.py", "cache": "cache.db"}


@dataclass(frozen=True)
class Work:
    """What a crawl did in a time: pages asked, seconds passed, CPU seconds of its process."""

    pages: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Pages a second."""
        return self.pages / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a page."""
        return 1000 * self.cpu / self.pages


def run(effort: Effort, say: Say) -> list[Figure]:
    """Measure in turns."""
    python = installed("urlwatch")
    hosts, seconds = effort.of(1500, 100), effort.of(8.0, 1.0)
    with ground(BenchFixture(hosts, hosts), _PLACES) as made:
        pages = [f"http://{address(n)}:{made.port}/booking/create/{FORM}/2" for n in range(hosts)]
        found = effort.run_in_turns(
            scrapy=partial(_crawl_bare, "bare_scrapy", made, seconds),
            aiohttp=partial(_crawl_bare, "bare_aiohttp", made, seconds),
            full=partial(_crawl_fully, made, seconds),
            urlwatch=partial(_watch_unchanged, python, made.state, pages),
        )
    for name, works in found.items():
        texts = [f"{each.rate:.0f} pages/s, {each.cpu_ms:.2f} ms CPU a page" for each in works]
        say(f"{name}: {'; '.join(texts)}")
    return _figures(found)


def _crawl_bare(peer: str, made: BenchStack, seconds: float) -> Work:
    arguments = map(str, (made.world.hosts, made.port, _PLACES, seconds))
    command = [sys.executable, "-m", f"tests.lab.bench.{peer}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Work(**json.loads(done.stdout.splitlines()[-1]))


def _crawl_fully(made: BenchStack, seconds: float) -> Work:
    with made.spider() as spider:
        _warm(made)
        pages, began, used = made.requests, time.monotonic(), cpu(spider)
        let_pass(seconds)
        return Work(made.requests - pages, time.monotonic() - began, cpu(spider) - used)


def _warm(made: BenchStack) -> None:
    """Wait until each desk has had a check or two of this spider: what it shows first is parsed, later only compared."""
    enough = _count_checks(made) + 2 * made.world.desks
    wait_until(lambda: _count_checks(made) >= enough, what="the second check of each desk", seconds=300)


def _count_checks(made: BenchStack) -> int:
    return made.number("SELECT count(*) FROM checks")


def _watch_unchanged(python: Path, folder: Path, addresses: Sequence[str]) -> Work:
    """Have urlwatch ask pages that did not change since its last run; its start is left out."""
    jobs = _write_jobs(folder / "urlwatch", addresses)
    nothing = _write_jobs(folder / "urlwatch-nothing", addresses[:1])
    for each in (jobs, nothing):
        _watch_once(python, each)  # now it knows the pages
    start = min(_watch_once(python, nothing) for _ in range(2))
    began = time.monotonic()
    used = _watch_once(python, jobs)
    return Work(len(addresses) - 1, time.monotonic() - began, used - start)


def _write_jobs(folder: Path, addresses: Sequence[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "urls.yaml").write_text("---\n".join(f"url: {each}\n" for each in addresses), "utf-8")
    return folder


def _watch_once(python: Path, folder: Path) -> float:
    """Let urlwatch look once at all its pages; return its CPU seconds."""
    files = [f"--{name}={folder / file}" for name, file in _URLWATCH_FILES.items()]
    apart = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(folder))
    before = _read_children_cpu()
    command = [str(python.with_name("urlwatch")), *files]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | apart)
    return _read_children_cpu() - before


def _read_children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _figures(found: dict[str, list[Work]]) -> list[Figure]:
    rates = {name: [each.rate for each in works] for name, works in found.items()}
    cpus = {name: [each.cpu_ms for each in works] for name, works in found.items()}
    names = {"scrapy": "bare Scrapy", "aiohttp": "bare aiohttp"}
    return [
        Figure("full path, pages/s", median(rates["full"])),
        *(Figure(f"{shown}, pages/s", median(rates[name])) for name, shown in names.items()),
        Figure("full ÷ bare Scrapy, pages/s", median_ratio(rates["full"], rates["scrapy"]), "≥ 1.3"),
        Figure("full ÷ bare aiohttp, pages/s", median_ratio(rates["full"], rates["aiohttp"]), "≥ 0.3"),
        Figure("full path, CPU ms a page", median(cpus["full"])),
        *(Figure(f"{shown}, CPU ms a page", median(cpus[name])) for name, shown in names.items()),
        Figure("urlwatch, CPU ms a page", median(cpus["urlwatch"])),
        Figure("full ÷ urlwatch, CPU a page", median_ratio(cpus["full"], cpus["urlwatch"]), "< 1"),
    ]
