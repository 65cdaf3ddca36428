"""A whole stack on one machine: servers, tables, stand-ins and programs, started and ended in order."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import requests
import sqlalchemy as sa
from alembic.util import CommandError

from api.migrations.__main__ import config
from api.migrations.logins import make_logins, parse_logins
from api.migrations.retries import MigrationFailed
from api.migrations.tables import upgrade_tables
from configs.ground.redis import read_rules
from configs.settings import SettingMissing
from deploy.local.environment import program_addresses, sandbox_variables, write_desk_files
from deploy.local.ports import StackPorts, choose
from deploy.local.postgres import start_postgres
from deploy.local.processes import (
    StartFailed,
    StopRequested,
    answers,
    deaf,
    start,
    stop_with_descendants,
    tail,
    wait_until,
    with_parent,
)
from deploy.local.programs import commands, write_supervisor
from deploy.local.short_periods import gather
from deploy.local.state_dir import ENVIRONMENT, LOGS, alone, keep
from deploy.local.valkey import start_valkey
from deploy.sandbox import addresses
from deploy.sandbox.control_client import ask

ROOT = Path(__file__).resolve().parents[2]
_SANDBOX_DESKS = ROOT / "deploy" / "sandbox" / "prefectures"
_DATABASE = "rdvpriority"
_LOGINS_SECONDS = 60.0  # longest wait for a statement that makes them
_SUPERVISED = Path(LOGS, "supervisor.out")  # what supervisord says
# In its log, and in those of parents that fork their children (configs/ground/worker_processes.py)
_EXIT = re.compile(rb" exited: .*; not expected\)|child died and is started again")


class Server(Protocol):
    """What PostgreSQL and Redis here have in common."""

    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it in order."""


@dataclass
class RestartableServer:
    """A running server and how to start it again."""

    name: str
    server: Server
    again: Callable[[], Server]
    _failing: bool = False
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def revive(self) -> str | None:
        """Start it again if it ended; return what to tell a person, None where nothing is new.

        A try that fails is made again at the next call: a PostgreSQL that was killed leaves children for a moment.
        """
        if self._turn.locked() or self.server.process.poll() is None:
            return None
        with self._turn:
            try:
                self.server = self.again()
            except StartFailed as failure:
                before, self._failing = self._failing, True
                return None if before else f"{self.name} ended and does not start again yet: {failure}"
        self._failing = False
        return f"{self.name} ended: it was started again"

    @contextmanager
    def down(self) -> Iterator[None]:
        """End it in order, and keep it down while the block lasts."""
        with self._turn:
            self.server.stop()
            yield

    def stop(self) -> None:
        """End it in order."""
        self.server.stop()


@dataclass
class ExitLog:
    """A log that tells of programs that ended unexpectedly, read from now on."""

    file: Path
    _read: int = field(init=False)

    def __post_init__(self) -> None:
        self._read = self._size()

    def read_new(self) -> list[str]:
        """Return the lines about such programs that were written since the last look."""
        size = self._size()
        if size == self._read:
            return []
        with self.file.open("rb") as opened:
            opened.seek(self._read if size > self._read else 0)  # a shorter one took its name
            lines = opened.read().splitlines()
        self._read = size
        return [f"{line.decode('utf-8', 'replace')} ({self.file})" for line in lines if _EXIT.search(line)]

    def _size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0


@dataclass(frozen=True)
class Stack:
    """A running stack: where it keeps its state, its ports, its environment, and what must not end."""

    state: Path
    ports: StackPorts
    environment: dict[str, str]
    queue: dict[str, str]  # Redis' address of each program's user
    servers: list[RestartableServer]
    supervisor: subprocess.Popen[bytes]
    exits: list[ExitLog]

    @property
    def supervisor_log(self) -> Path:
        """Return where supervisord says what it does."""
        return self.state / _SUPERVISED

    def look_after(self) -> list[str]:
        """Restart the servers that ended and have no supervisor; return the lines to print.

        Raises:
            deploy.local.processes.StartFailed: supervisord ended, and with it all programs.
        """
        if (code := self.supervisor.poll()) is not None:
            log = self.supervisor_log
            raise StartFailed(f"supervisord ended with {code}, and all programs with it; {log}:\n{tail(log)}")
        return [
            *(said for server in self.servers if (said := server.revive())),
            *(said for each in self.exits for said in each.read_new()),
        ]


@contextmanager
def running(
    state: Path,
    usual: StackPorts,
    say: Callable[[str], None],
    *,
    edit: Callable[[str], str] = str,
) -> Iterator[Stack]:
    """Start everything on `state` and end it when the block is left, in the reverse order.

    Nothing opens by itself before `begin_world`; `edit` may change the text of the sandbox's desk files.

    Raises:
        deploy.local.state_dir.AlreadyRunning: another stack uses the folder.
        deploy.local.state_dir.StateUnusable: the folder cannot be written.
        deploy.local.ports.NoPort: no port is free.
        deploy.local.processes.StartFailed: a program did not come up; the text has its log.
    """
    state = state.resolve()
    with _ends(say) as ends:
        ends.enter_context(alone(state))
        ports = choose(usual)
        for text in ports.describe_moves(usual):
            say(text)
        postgres = start_postgres(state / "postgres")
        again = partial(start_postgres, state / "postgres", port=postgres.port)
        servers = [RestartableServer("PostgreSQL", postgres, again)]
        ends.callback(servers[0].stop)
        valkey = start_valkey(state / "redis")
        servers.append(
            RestartableServer("Redis", valkey, partial(start_valkey, state / "redis", port=valkey.port))
        )
        ends.callback(servers[1].stop)
        postgres.create(_DATABASE)
        addresses_of = program_addresses(state, postgres.url(_DATABASE))
        variables = sandbox_variables(state, ports, postgres.url(_DATABASE), valkey.url()) | {
            f"DATABASE_URL_{program.upper()}": address for program, address in addresses_of.items()
        }
        keep(state / ENVIRONMENT, gather(variables))
        moved = partial(_replace_address, f":{addresses.SITES_PORT}", f":{ports.sites}")
        write_desk_files(_SANDBOX_DESKS, state / "prefectures", lambda text: edit(moved(text)))
        _migrate(postgres.url(_DATABASE))
        make_logins(postgres.url(_DATABASE), parse_logins(addresses_of), _LOGINS_SECONDS)
        parents = ("notifier.log", "background.log")
        exits = [ExitLog(state / _SUPERVISED), *(ExitLog(state / LOGS / name) for name in parents)]
        environment = gather(_unmeasured(os.environ) | variables)
        queue = {user: valkey.url(user=user) for user in read_rules()}
        supervisor = _supervise(state / _SUPERVISED, commands(ports), environment, queue)
        ends.callback(stop_with_descendants, supervisor)
        yield Stack(state, ports, environment, queue, servers, supervisor, exits)


@contextmanager
def _ends(say: Callable[[str], None]) -> Iterator[ExitStack]:
    """Collect what must be ended, and end it undisturbed, in the reverse order."""
    ends = ExitStack()
    try:
        yield ends
    finally:
        with deaf(), ends:
            if isinstance(sys.exception(), StopRequested):
                say("stopping …")  # this may fail, where the terminal was closed


def _migrate(database_url: str) -> None:
    """Bring the tables up to date, in this process: a second one would load SQLAlchemy once more."""
    try:
        upgrade_tables(config(), sa.create_engine(database_url, poolclass=sa.NullPool))
    except (sa.exc.SQLAlchemyError, CommandError, MigrationFailed, SettingMissing) as error:
        raise StartFailed(
            f"the tables cannot be brought up to date; without the state folder all begins anew:\n{error}"
        ) from error


def _unmeasured(environment: Mapping[str, str]) -> dict[str, str]:
    """Return it without what lets coverage.py measure further processes: a traced stack takes twice the time to start.

    https://coverage.readthedocs.io/en/latest/subprocess.html
    """
    return {name: value for name, value in environment.items() if not name.startswith("COVERAGE_PROCESS")}


def _replace_address(usual: str, really: str, text: str) -> str:
    return text.replace(usual, really)


def _supervise(
    log: Path, programs: dict[str, list[str]], environment: dict[str, str], queue: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    conf = write_supervisor(log.parent, programs, ROOT, queue)
    supervisord = [sys.executable, "-m", "deploy.local.run_supervisord", "-n", "-c", str(conf)]
    return start(with_parent(supervisord), log, env=environment, cwd=ROOT)


def wait_ready(stack: Stack, seconds: float = 180) -> None:
    """Wait until the API, scrapyd and the stand-ins answer.

    Raises:
        StartFailed: one did not in time; the text has the end of its log.
    """
    doors = {
        "sandbox": (addresses.INBOX, stack.ports.inbox),
        "scrapyd": ("127.0.0.1", stack.ports.scrapyd),
        "api": ("127.0.0.1", stack.ports.api),
    }
    for name, (address, port) in doors.items():
        log = stack.state / LOGS / f"{name}.log"
        wait_until(partial(answers, address, port), log, what=name, seconds=seconds)


def begin_world(stack: Stack, seconds: float = 60) -> None:
    """Let slots open and go by themselves, once all programs have reported to health, or after so long."""
    with suppress(StartFailed):
        wait_until(partial(is_healthy, stack), stack.state / LOGS / "api.log", what="health", seconds=seconds)
    ask(f"{addresses.url(addresses.INBOX, stack.ports.inbox)}/api/world", {})


def is_healthy(stack: Stack) -> bool:
    """Whether /api/health says that all is well."""
    try:
        return requests.get(f"http://127.0.0.1:{stack.ports.api}/api/health", timeout=3).ok
    except OSError:
        return False
