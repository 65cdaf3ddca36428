"""The full path on the same pages: claim, fetch, read, compare, commit, by the product's own processes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import sqlalchemy as sa

from deploy.bench.pages import FORM, address
from deploy.local.environment import sandbox_environment
from deploy.local.ports import Ports, choose
from deploy.local.postgres import start_postgres
from deploy.local.processes import start, stop, wait_until, with_parent
from deploy.local.valkey import start_valkey

_HEAD = """\
name: Essonne
department: "91"
region: Île-de-France
chef_lieu: Évry-Courcouronnes
site: https://www.essonne.gouv.fr
time_zone: Europe/Paris
tier: 1
"""
_HOST = "  {host}:{port}: {{budget: 60000, reason: a page server made for measuring}}\n"
_DESK = """\
  - slug: bench-{number}
    label: Bench {number}
    procedures: [NATURALISATION]
    platform: ezbooking
    url: http://{host}:{port}/booking/create/{form}
    grade: confirmed
    source: made for measuring
    date: 2026-11-20
    interval: 1
"""


@dataclass(frozen=True)
class Work:
    """What a crawl did in a time: pages asked, seconds passed, CPU seconds of the spider process."""

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


def write_desks(folder: Path, hosts: int, port: int) -> None:
    """Write one prefecture with a desk on each host, all due every second."""
    folder.mkdir(parents=True, exist_ok=True)
    rules = "".join(_HOST.format(host=address(n), port=port) for n in range(hosts))
    desks = "".join(_DESK.format(number=n, host=address(n), port=port, form=FORM) for n in range(hosts))
    (folder / "evry-courcouronnes_91.yaml").write_text(f"{_HEAD}hosts:\n{rules}desks:\n{desks}", "utf-8")


@contextmanager
def ground(state: Path, hosts: int, port: int, places: int) -> Iterator[dict[str, str]]:
    """Give servers, tables and a running planner over the desks of the page server; yields the environment."""
    with ExitStack() as ends:
        postgres = start_postgres(state / "postgres")
        ends.callback(postgres.stop)
        valkey = start_valkey(state / "redis")
        ends.callback(valkey.stop)
        postgres.create("bench")
        made = sandbox_environment(state, choose(Ports()), postgres.url("bench"), valkey.url())
        environment = made | {
            "PREFECTURES_DIR": str(state / "desks"),
            "SPIDER_PLACES": str(places),
            "HEARTBEAT_SECONDS": "1",
        }
        write_desks(state / "desks", hosts, port)
        subprocess.run(
            [sys.executable, "-m", "api.migrations", "upgrade"],
            env=environment,
            check=True,
            capture_output=True,
        )
        ends.enter_context(child(["-m", "scrapy", "plan"], state / "planner.log", environment))
        yield environment


@contextmanager
def child(arguments: list[str], log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of our programs while the block lasts."""
    process = start(with_parent([sys.executable, *arguments]), log, env=environment)
    try:
        yield process
    finally:
        stop(process)


def measure(state: Path, environment: dict[str, str], seconds: float, warm: float = 3) -> Work:
    """Run one spider process; after `warm` seconds of checks count pages and CPU for `seconds`."""
    engine = sa.create_engine(environment["DATABASE_URL"], poolclass=sa.NullPool)
    log = state / "spider.log"
    with child(["-m", "scrapy", "crawl", "prefenligne"], log, environment) as process:
        before = _requests(engine)
        wait_until(lambda: _requests(engine) > before, log, what="the spider", process=process, seconds=60)
        _pass(warm)
        spider = psutil.Process(process.pid)
        first = _mark(engine, spider)
        _pass(seconds)
        last = _mark(engine, spider)
    return Work(last[0] - first[0], last[1] - first[1], last[2] - first[2])


def _mark(engine: sa.Engine, spider: psutil.Process) -> tuple[int, float, float]:
    used = spider.cpu_times()
    return _requests(engine), time.monotonic(), used.user + used.system


def _requests(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.text("SELECT coalesce(sum(requests), 0) FROM checks")) or 0)


def _pass(seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
    end = clock() + seconds
    while clock() < end:
        time.sleep(0.05)


def cores() -> int:
    """Return how many cores this machine gives us."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
