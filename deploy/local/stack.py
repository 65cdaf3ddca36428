"""A whole stack on one machine: servers, tables, stand-ins and programs, started and ended in order."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

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
from deploy.local.postgres import Postgres, start_postgres
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
from deploy.local.state_dir import ENVIRONMENT, LOGS, alone, write_variables
from deploy.local.valkey import Valkey, start_valkey
from deploy.sandbox import addresses
from deploy.sandbox.control_client import ask

ROOT = Path(__file__).resolve().parents[2]
_SANDBOX_DESKS = ROOT / "deploy" / "sandbox" / "prefectures"
_DATABASE = "rdvpriority"
_LOGINS_SECONDS = 60.0  # longest wait for a statement that makes them


@dataclass
class RestartableServer:
    """A running server and how to start it again."""

    name: str
    server: Postgres | Valkey
    again: Callable[[], Postgres | Valkey]
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def revive(self) -> None:
        """Start it again if it ended.

        A try that fails is made again at the next call: a PostgreSQL that was killed leaves children for a moment.
        """
        if not self._turn.locked() and self.server.process.poll() is not None:
            with self._turn, suppress(StartFailed):
                self.server = self.again()

    @contextmanager
    def down(self) -> Iterator[None]:
        """End it in order, and keep it down while the block lasts."""
        with self._turn:
            self.server.stop()
            yield

    def stop(self) -> None:
        """End it in order."""
        self.server.stop()


@dataclass(frozen=True)
class Stack:
    """A running stack: where it keeps its state, its ports, its environment, and what must not end."""

    state: Path
    ports: StackPorts
    environment: dict[str, str]
    queue: dict[str, str]  # Redis' address of each program's user
    servers: list[RestartableServer]
    supervisor: subprocess.Popen[bytes]

    def look_after(self) -> None:
        """Restart the servers that ended and have no supervisor.

        Raises:
            deploy.local.processes.StartFailed: supervisord ended, and with it all programs.
        """
        if (code := self.supervisor.poll()) is not None:
            log = self.state / LOGS / "supervisord.log"
            raise StartFailed(f"supervisord ended with {code}, and all programs with it; {log}:\n{tail(log)}")
        for server in self.servers:
            server.revive()


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
        deploy.local.state_dir.StateUnusable: another stack uses the folder, or it cannot be written.
        deploy.local.processes.StartFailed: no port is free, or a program did not come up; the text has its log.
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
        write_variables(state / ENVIRONMENT, gather(variables))
        usual_port, port = f":{addresses.SITES_PORT}", f":{ports.sites}"
        write_desk_files(
            _SANDBOX_DESKS, state / "prefectures", lambda text: edit(text.replace(usual_port, port))
        )
        _migrate(postgres.url(_DATABASE))
        make_logins(postgres.url(_DATABASE), parse_logins(addresses_of), _LOGINS_SECONDS)
        environment = gather(_unmeasured(os.environ) | variables)
        queue = {user: valkey.url(user=user) for user in read_rules()}
        supervisor = _supervise(state / LOGS, commands(ports), environment, queue)
        ends.callback(stop_with_descendants, supervisor)
        yield Stack(state, ports, environment, queue, servers, supervisor)


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


def _supervise(
    logs: Path, programs: dict[str, list[str]], environment: dict[str, str], queue: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start supervisord, which logs to a file. What it prints besides goes to no disk: a full one would end it."""
    conf = write_supervisor(logs, programs, ROOT, queue)
    supervisord = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(conf)]
    return start(with_parent(supervisord), Path(os.devnull), env=environment, cwd=ROOT)


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


def begin_world(stack: Stack) -> None:
    """Let slots open and go by themselves, once all programs have reported to health, or after a minute."""
    with suppress(StartFailed):
        wait_until(partial(is_healthy, stack), stack.state / LOGS / "api.log", what="health")
    ask(f"{addresses.url(addresses.INBOX, stack.ports.inbox)}/api/world", {})


def is_healthy(stack: Stack) -> bool:
    """Whether /api/health says that all is well."""
    try:
        return requests.get(f"http://127.0.0.1:{stack.ports.api}/api/health", timeout=3).ok
    except OSError:
        return False
