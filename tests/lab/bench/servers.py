"""The servers, the tables, a planner and spiders, without the rest: what parts measure with, on whatever is watched."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import sqlalchemy as sa

from deploy.local.environment import sandbox_variables
from deploy.local.ports import StackPorts, choose
from deploy.local.postgres import start_postgres
from deploy.local.processes import answers, free_port, start, stop, wait_until, with_parent
from deploy.local.programs import commands
from deploy.local.short_periods import gather
from deploy.local.valkey import start_valkey

API = "api.app:create_app()"
Settings = dict[str, str]


@dataclass
class Servers:
    """Running servers: where they keep their state, and the environment of our programs."""

    state: Path
    environment: Settings
    ports: StackPorts  # of programs that may be started beside them

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
    def planner(self) -> Iterator[None]:
        """Run a planner while the block lasts."""
        with child([sys.executable, "-m", "crawler.loops"], self.state / "planner.log", self.environment):
            yield

    @contextmanager
    def spider(self) -> Iterator[psutil.Process]:
        """Run a spider while the block lasts; it is at work when it begins."""
        began, log = datetime.now(UTC), self.state / "spider.log"
        command = [sys.executable, "-m", "scrapy", "crawl", "prefenligne"]
        with child(command, log, self.environment) as process:
            at_work = partial(self._at_work, process.pid, began)
            wait_until(at_work, log, what="a spider", process=process, seconds=300)
            yield psutil.Process(process.pid)

    def _at_work(self, pid: int, since: datetime) -> bool:
        query = sa.text("SELECT 1 FROM checks WHERE started_at > :since AND process LIKE :pid LIMIT 1")
        with self.engine.connect() as connection:
            return bool(connection.scalar(query, {"since": since, "pid": f"%:{pid}"}))


@contextmanager
def servers(settings: Callable[[Path], Settings]) -> Iterator[Servers]:
    """Start PostgreSQL with our tables and Redis; end them with the block. `settings`: more of them, by the folder."""
    with ExitStack() as ends:
        state = Path(ends.enter_context(TemporaryDirectory(prefix="rdv-bench-")))
        postgres = start_postgres(state / "postgres")
        ends.callback(postgres.stop)
        valkey = start_valkey(state / "redis")
        ends.callback(valkey.stop)
        postgres.create("bench")
        ports = choose(StackPorts(*(free_port() for _ in range(5))))
        made = sandbox_variables(state, ports, postgres.url("bench"), valkey.url())
        environment = gather(dict(os.environ) | made | settings(state))
        migrate = [sys.executable, "-m", "api.migrations", "upgrade"]
        subprocess.run(migrate, env=environment, check=True, capture_output=True)
        running = Servers(state, environment, ports)
        ends.callback(running.engine.dispose)
        yield running


@contextmanager
def serve_app(made: Servers, app: str, **more: str) -> Iterator[int]:
    """Run gunicorn with an app as the stack does; give its port."""
    port = free_port()
    command = [
        app if part.startswith("api.app:") else part
        for part in commands(replace(StackPorts(), api=port))["api"]
    ]
    log = made.state / f"{app.partition(':')[0]}.log"
    with child(command, log, made.environment | more) as process:
        wait_until(lambda: answers("127.0.0.1", port), log, what="gunicorn", process=process)
        yield port


@contextmanager
def child(command: list[str], log: Path, environment: Settings) -> "Iterator[subprocess.Popen[bytes]]":
    """Run one of our programs while the block lasts."""
    process = start(with_parent(command), log, env=environment)
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
