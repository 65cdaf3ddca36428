"""The ground that parts measure on: a page server, the servers, the tables, a planner and spiders, without the rest."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import sqlalchemy as sa

from configs.made_up import DEPARTMENT, PREFECTURE, desk_entry, host_entry, prefecture_file
from deploy.bench.pages import address, first_page
from deploy.local.environment import sandbox_environment
from deploy.local.ports import Ports, choose
from deploy.local.postgres import start_postgres
from deploy.local.processes import free_port, start, stop, wait_until, with_parent
from deploy.local.valkey import start_valkey

_DAY = date(2026, 11, 20)


@dataclass(frozen=True)
class World:
    """What is watched: so many desks, dealt out to so many hosts (the last `hanging` never answer), how often."""

    hosts: int
    desks: int
    interval: int = 1  # seconds
    hanging: int = 0

    def names(self, port: int) -> dict[str, str]:
        """Return the desks' ids by their addresses."""
        return {first_page(n, self.hosts, port): f"{PREFECTURE}/{_slug(n)}" for n in range(self.desks)}

    def write(self, folder: Path, port: int) -> None:
        """Write all of it as one prefecture."""
        folder.mkdir(parents=True, exist_ok=True)
        text = prefecture_file(tier=1, hosts=self._hosts(port), desks=self._desks(port))
        (folder / f"{PREFECTURE}.yaml").write_text(text, "utf-8")

    def beside(self, text: str, port: int) -> str:
        """Return a desk file's text with these hosts and desks in it, where it is the prefecture that they are of."""
        if DEPARTMENT not in text:
            return text
        for section, entries in (("hosts", self._hosts(port)), ("desks", self._desks(port))):
            text = text.replace(f"\n{section}:\n", f"\n{section}:\n{''.join(entries)}")
        return text

    def _hosts(self, port: int) -> list[str]:
        reason = "a page server made for measuring"
        return [host_entry(f"{address(n)}:{port}", 60_000, reason) for n in range(self.hosts)]

    def _desks(self, port: int) -> list[str]:
        return [
            desk_entry(_slug(n), first_page(n, self.hosts, port), _DAY, interval=self.interval)
            for n in range(self.desks)
        ]


def _slug(number: int) -> str:
    return f"bench-{number}"


@dataclass
class Ground:
    """Running servers: what is watched, where they keep their state, the environment of our programs, who runs."""

    world: World
    state: Path
    port: int
    environment: dict[str, str]
    pages: "subprocess.Popen[bytes]"
    planner: "subprocess.Popen[bytes]"

    def __post_init__(self) -> None:
        """Make the one connection that counts, so that counting costs nothing."""
        self.engine = sa.create_engine(self.environment["DATABASE_URL"])

    @property
    def requests(self) -> int:
        """Return how many requests all checks made so far."""
        return self.number("SELECT coalesce(sum(requests), 0) FROM checks")

    def number(self, query: str) -> int:
        """Return what a query of one number says."""
        with self.engine.connect() as connection:
            return int(connection.scalar(sa.text(query)) or 0)

    @contextmanager
    def spiders(self, number: int = 1) -> Iterator[list[psutil.Process]]:
        """Run spiders while the block lasts; each is at work when it begins."""
        began = datetime.now(UTC)
        with ExitStack() as ends:
            logs = [self.state / f"spider-{each}.log" for each in range(number)]
            crawl = ["-m", "scrapy", "crawl", "prefenligne"]
            processes = [ends.enter_context(child(crawl, log, self.environment)) for log in logs]
            for log, process in zip(logs, processes, strict=True):
                at_work = partial(self._at_work, process.pid, began)
                wait_until(at_work, log, what="a spider", process=process, seconds=300)
            yield [psutil.Process(process.pid) for process in processes]

    def _at_work(self, pid: int, since: datetime) -> bool:
        query = sa.text("SELECT 1 FROM checks WHERE started_at > :since AND process LIKE :pid LIMIT 1")
        with self.engine.connect() as connection:
            return bool(connection.scalar(query, {"since": since, "pid": f"%:{pid}"}))

    def servers_cpu(self) -> float:
        """Return the CPU seconds that the planner, PostgreSQL and Redis have used."""
        ours = psutil.Process().children(recursive=True)
        aside = {self.pages.pid}
        spent = 0.0
        for process in ours:
            line = " ".join(process.cmdline())
            if process.pid not in aside and ("scrapy plan" in line or "postgres" in line or "valkey" in line):
                spent += cpu(process)
        return spent


@contextmanager
def ground(world: World, places: int = 64, **more: str) -> Iterator[Ground]:
    """Start everything but the spiders, and end it with the block. `more` are settings."""
    with ExitStack() as ends:
        state = Path(ends.enter_context(TemporaryDirectory(prefix="rdv-bench-")))
        port = free_port()
        pages = ends.enter_context(page_server(world, port, state / "pages.log"))
        postgres = start_postgres(state / "postgres")
        ends.callback(postgres.stop)
        valkey = start_valkey(state / "redis")
        ends.callback(valkey.stop)
        postgres.create("bench")
        made = sandbox_environment(state, choose(Ports()), postgres.url("bench"), valkey.url())
        world.write(state / "desks", port)
        environment = made | {
            "PREFECTURES_DIR": str(state / "desks"),
            "SPIDER_PLACES": str(places),
            "HEARTBEAT_SECONDS": str(world.interval),
            **more,
        }
        migrate = [sys.executable, "-m", "api.migrations", "upgrade"]
        subprocess.run(migrate, env=environment, check=True, capture_output=True)
        planner = ends.enter_context(child(["-m", "scrapy", "plan"], state / "planner.log", environment))
        made_ground = Ground(world, state, port, environment, pages, planner)
        ends.callback(made_ground.engine.dispose)
        yield made_ground


@contextmanager
def page_server(world: World, port: int, log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a page server for a world."""
    command = ["-m", "deploy.bench.pages", *map(str, (world.hosts, world.hanging, port))]
    with child(command, log, dict(os.environ)) as process:
        wait_until(lambda: "ready" in log.read_text(), log, what="the page server", process=process)
        yield process


@contextmanager
def child(
    arguments: list[str], log: Path, environment: dict[str, str]
) -> "Iterator[subprocess.Popen[bytes]]":
    """Run one of our programs while the block lasts."""
    process = start(with_parent([sys.executable, *arguments]), log, env=environment)
    try:
        yield process
    finally:
        stop(process)


def cpu(process: psutil.Process) -> float:
    """Return the CPU seconds a process has used."""
    used = process.cpu_times()
    return float(used.user + used.system)


def let_pass(seconds: float) -> None:
    """Wait, as long as it takes."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.5))
