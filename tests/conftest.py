"""The ground of the tests: one real PostgreSQL and one real Redis for the run, a clean share of each per test."""

import functools
import gc
import json
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import hypothesis
import pytest
import redis
import redis.utils
import sqlalchemy as sa
import structlog
from hypothesis.internal.conjecture import providers

from api.models import session_options as database_connection
from api.models.base import replace_database_clock
from configs import settings as settings_module
from configs.ground.database import database_seconds
from configs.ground.push_keys import draw_keys
from configs.world.desk import set_tried_desks
from crawler.scheduling import due_queue
from deploy.local.postgres import Postgres, start_postgres
from deploy.local.short_periods import VARIABLE, gather, list_constants
from deploy.local.valkey import Valkey, start_valkey
from tests import databases
from tests.fuzz import FUZZ, times
from tests.roles import USERS, act_as_programs, act_as_users

if TYPE_CHECKING:
    from types import FrameType

    import time_machine

    from tests.running_sandbox import Running
    from tests.sandbox_controls import StripeControl

_VAPID = draw_keys()
_FIXED = {
    "APP_ENV": "test",
    "BCRYPT_COST": "4",
    "EVEN_ANSWER_SECONDS": "0",
    "DISCOVERY": "false",  # a keeper starts no walk that a test did not ask for
    "INLINE_SLOW_SECONDS": "60",  # no busy machine counts as a slow provider
    "INTERVAL_JITTER": "0",
    "JWT_SECRET": "0123456789abcdef-0123456789abcdef-tests",
    "LINK_KEY": "0123456789abcdef-0123456789abcdef-links",
    "DATA_KEYS": "0123456789abcdef-0123456789abcdef-data",
    "LOOKUP_KEY": "0123456789abcdef-0123456789abcdef-lookup",
    "SENDGRID_API_KEY": "SG.tests",
    "TWILIO_ACCOUNT_SID": "AC0123456789abcdef0123456789abcdef",
    "TWILIO_AUTH_TOKEN": "tests-token",
    "TWILIO_PHONE_NUMBER": "RDVPriority",
    "TWILIO_VOICE_NUMBER": "+33162000001",
    "TELEGRAM_BOT_TOKEN": "123456:tests",
    "SCRAPYD_PASSWORD": "tests-password",
    "VAPID_PRIVATE_KEY": _VAPID[0],
    "VAPID_PUBLIC_KEY": _VAPID[1],
}
# A machine that other tests keep busy is no finding; the same examples each time, so that CI is no lottery.
hypothesis.settings.register_profile("patient", deadline=None, derandomize=True)
# `make fuzz`: many more examples, and others each time; what fails prints how to see it again.
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=times(100), print_blob=True)
hypothesis.settings.load_profile("patient" if FUZZ == 1 else "fuzz")
# Nor do usual examples hang on which of our modules are loaded: a worker of a fresh clone read the source of all, 2 s.
if FUZZ == 1:
    providers._get_local_constants = lambda: providers._local_constants
# A program tries again; a test does not, and a busy machine takes its time for a new process of PostgreSQL.
database_connection.CONNECT_SECONDS = 60.0
# As our programs log: with the variables of all frames, which is structlog's default, a traceback takes 2 s.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)
_MESSAGING = ("sendgrid", "twilio", "twilio_calls", "telegram")  # providers that a test's stand-ins play
_ROOT = Path(__file__).parents[1]
_FROZEN = date(2026, 11, 20)  # the day of most frozen clocks
_ROOM = 4 * 2**30  # bytes; PostgreSQL alone may keep 1 GiB of its log
_servers: dict[str, Postgres | Valkey] = {}
_folder: list[Path] = []


def pytest_configure(config: pytest.Config) -> None:
    """Start both servers once for the whole run; the workers of pytest-xdist find them in the environment."""
    os.environ.update(gather(_FIXED))
    replace_database_clock(partial(datetime.now, UTC))  # a test that freezes ours freezes these, too
    due_queue.CLOCK = "local now, shift = tonumber(ARGV[1]), 0\n"
    if hasattr(config, "workerinput"):
        act_as_users()
        # Turns at hashing passwords are taken there, for all processes of a machine: workers would wait for each other.
        os.environ["STATE_DIR"] += f"/{config.workerinput['workerid']}"
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    folder = Path(tempfile.mkdtemp(prefix="rdv-tests-", dir=_find_memory()))
    _folder.append(folder)
    os.environ["STATE_DIR"] = str(folder / "state")
    postgres = start_postgres(folder / "postgres", durable=False)
    valkey = start_valkey(folder / "valkey", durable=False)
    _servers.update(postgres=postgres, valkey=valkey)
    os.environ["TEST_POSTGRES"] = postgres.url("{}")
    os.environ["TEST_REDIS"] = valkey.url(0).removesuffix("0")
    os.environ[USERS] = json.dumps(valkey.passwords)
    act_as_users()
    os.environ["TEST_TEMPLATES"] = str(folder / "templates")
    (folder / "templates").mkdir()
    postgres.create(databases.TEMPLATE)
    _migrate(postgres.url(databases.TEMPLATE))
    databases.leave_alone()


def _find_memory() -> Path | None:
    """Return a file system in memory with room for both servers: on a disk they take a tenth more of the processors."""
    found = Path("/dev/shm")
    roomy = found.is_dir() and os.access(found, os.W_OK) and shutil.disk_usage(found).free > _ROOM
    return found if roomy else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests of random play recorded as `printed`: their seeds, and how often what happened."""
    for each in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in each.user_properties:
            if name == "printed":
                terminalreporter.write_line(f"{each.nodeid}: {value}")


def pytest_report_header() -> str | None:
    """Name the servers, which the environment may choose (REDIS_SERVER, EMBEDDED_POSTGRES_MAJOR)."""
    return f"servers: {_name_servers()}" if _servers else None


def _name_servers() -> str:
    found: Any = redis.Redis.from_url(f"{os.environ['TEST_REDIS']}0").info("server")
    name = found.get("server_name", "redis")  # Redis names itself by its version alone
    return f"PostgreSQL {databases.read_version()}, {name} {found.get(f'{name}_version', found['redis_version'])}"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let a worker count for itself how often a test failed: it alone tries that test again.

    pytest-rerunfailures asks the main process before each test, which reads byte by byte, beside all else that it does.
    """
    config: Any = session.config
    if hasattr(config, "workerinput") and hasattr(config, "failures_db"):
        from pytest_rerunfailures import StatusDB

        config.failures_db.sock.close()
        config.failures_db = StatusDB()


def _find_callers() -> list[tuple["FrameType"]]:
    """Return the two nearest frames, as `inspect.stack` does of all and with their source."""
    return [(sys._getframe(1),), (sys._getframe(2),)]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """Search for no garbage among what is imported and collected: nearly all of it stays.

    Scrapy asks three times, as it is imported, for the source of all callers, of which it looks at the second: 1 s where
    all tests are collected.
    """
    gc.disable()
    try:
        with mock.patch("inspect.stack", _find_callers):
            return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Leave all that was imported and collected out of every later search for garbage, and search less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End both servers."""
    for server in _servers.values():
        server.stop()
    for folder in _folder:
        shutil.rmtree(folder, ignore_errors=True)


def _migrate(url: str) -> None:
    from api.migrations.__main__ import config
    from api.migrations.tables import upgrade_tables
    from api.models.check import make_partitions
    from configs.ground.clock import clock

    engine = sa.create_engine(url, poolclass=sa.NullPool)
    upgrade_tables(config(), engine)
    with sa.orm.Session(engine) as session, session.begin():
        for day in (clock().date(), _FROZEN):  # a test that made its own days would need a new clone after it
            make_partitions(session, day)


def _kept(build: Callable[..., sa.Engine]) -> Callable[..., sa.Engine]:
    """Return each engine with a pool again: it keeps what was compiled for it, a fifth of a test's time."""
    made: dict[str, sa.Engine] = {}

    def create_engine(url: Any, **options: Any) -> sa.Engine:
        if "pool_size" not in options:
            return build(url, **options)
        found = settings_module.settings()  # what a new connection is set to
        key = f"{url} {sorted(options.items())} {found.program} {database_seconds()}"
        if key not in made:
            databases.pooled.append(made.setdefault(key, build(url, **options)))
            act_as_programs(made[key])
        return made[key]

    return create_engine


sa.create_engine = _kept(sa.create_engine)


_NAMES = {name.upper().encode() for name in settings_module.Settings.model_fields}
_desks_read_in: list[frozenset[tuple[bytes, bytes]]] = []


def _environment() -> frozenset[tuple[bytes, bytes]]:
    """Return the variables that settings are read from. Decoding all others took a twentieth of a usual test."""
    # a test may put a plain mapping in the environment's place
    variables = getattr(os.environ, "_data", None) or {
        os.fsencode(k): os.fsencode(v) for k, v in os.environ.items()
    }
    return frozenset(item for item in variables.items() if item[0].upper() in _NAMES)


def _read_once(load: Callable[..., settings_module.Settings]) -> Callable[..., settings_module.Settings]:
    """Return the settings of an environment that was read before: to read it takes 12 ms, thrice in most tests."""
    found: dict[frozenset[tuple[bytes, bytes]], settings_module.Settings] = {}

    def load_once(**overrides: object) -> settings_module.Settings:
        seen = _environment()
        if overrides or os.environ.get("APP_ENV") != "test":  # others read a file, too
            return load(**overrides)
        return found[seen] if seen in found else found.setdefault(seen, load())

    return load_once


settings_module.load = _read_once(settings_module.load)
# Each connection reads the metadata of the installed package for it, 6 ms.
redis.utils.get_lib_version = functools.cache(redis.utils.get_lib_version)


def _worker() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def forget() -> None:
    """Drop what the process read from the environment, so that the next read sees what the test set."""
    from psycopg2 import extensions

    from api.models import base
    from configs.ground.clock import use_offset_file
    from configs.settings import settings
    from configs.world import prefecture

    settings.cache_clear()
    if answers := sys.modules.get("api.ground.cache"):
        answers._open_cache.cache_clear()  # the process keeps public answers
    named = [Path(os.environ[name]) for name in ("PREFECTURES_DIR", "HOSTS_FILE") if name in os.environ]
    seen = {item for item in _environment() if item[0] not in (b"DATABASE_URL", b"REDIS_URL")}
    if named and not (seen in _desks_read_in and all(path.is_relative_to(_ROOT) for path in named)):
        prefecture._world.cache_clear()  # a test may rewrite its own, and tokens decide what is watched
        _desks_read_in[:] = [frozenset(seen)]
    use_offset_file(None)
    extensions.set_wait_callback(None)  # engine() sets it from DATABASE_SECONDS
    if base.engine.cache_info().currsize:
        databases.let_rest(base.engine())
        base.engine.cache_clear()


@pytest.fixture(autouse=True)
def _logs_restored() -> Iterator[None]:
    """Undo what a test's programs set up: `set_up_logs`, a request's id bound to each line."""
    structlog.contextvars.clear_contextvars()
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level, kept = list(root.handlers), root.level, structlog.get_config()
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level
    structlog.configure(**kept)
    sys.excepthook, threading.excepthook = hooks


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Give a port at which no server listens: the test's for its time, also for a server of its own that names it."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def settings_env(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Set variables, or constants, for one test: `settings_env(LEASE_SECONDS="1")`."""

    def put(**values: Any) -> None:
        given = {name: str(value) for name, value in values.items()}
        if given.keys() & list_constants():
            given = gather({VARIABLE: os.environ.get(VARIABLE, "")} | given)
        if given.get("APP_ENV", "test") not in settings_module.AWAY_FROM_LIFE:
            given[VARIABLE] = ""  # a real program is refused it
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        forget()

    forget()
    yield put
    monkeypatch.undo()
    forget()


def _read_anew(name: str, value: str) -> None:
    """Read the settings until they hold a value: a thread of the test before may cache what it began to read."""
    from configs.settings import settings

    while (found := getattr(settings(), name)) is None or found.get_secret_value() != value:
        forget()


@pytest.fixture
def database(request: pytest.FixtureRequest, settings_env: Callable[..., None]) -> Iterator[str]:
    """Give a clean database of its own, as the migrated template is. Returns its address.

    A test with the mark `months` has one with room for the checks of months.
    """
    has_months = request.node.get_closest_marker("months") is not None
    name = f"rdv_test_{_worker()}{'_months' * has_months}"
    databases.clean(name, has_months=has_months)
    url = databases.address(name)
    settings_env(DATABASE_URL=url)
    _read_anew("database_url", url)
    yield url
    forget()
    set_tried_desks(())


@pytest.fixture
def redis_server(settings_env: Callable[..., None]) -> Iterator[redis.Redis]:
    """Give a clean Redis database of its own, REDIS_URL pointing at it."""
    url = f"{os.environ['TEST_REDIS']}{_worker()}"
    settings_env(REDIS_URL=url)
    _read_anew("redis_url", url)
    client = redis.Redis.from_url(url)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture(scope="session")
def _sandbox() -> Iterator["Running"]:
    from tests.running_sandbox import running

    with running() as world:
        yield world


@pytest.fixture
def sandbox(_sandbox: "Running", settings_env: Callable[..., None]) -> Iterator["Running"]:
    """Give the stand-ins, as new, and name them in STAND_INS."""
    _sandbox.reset()
    settings_env(
        STAND_INS=_sandbox.list_stand_ins(_MESSAGING),
        SMTP_URL=_sandbox.smtp,
        PUSH_HOSTS="push.sandbox.test",
        SANDBOX_HOSTS=f"push.sandbox.test={_sandbox.push.partition('//')[2]}",
    )
    yield _sandbox
    _sandbox.reset()


@pytest.fixture
def stripe_stand_in(
    sandbox: "Running", settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> "StripeControl":
    """Give the controls of Stripe's stand-in, as new; events wait until the test takes them."""
    from tests.nearby_stripe import NearbyStripe, leave_out_sockets

    leave_out_sockets(sandbox, monkeypatch)
    settings_env(
        STAND_INS=sandbox.list_stand_ins((*_MESSAGING, "stripe")),
        STRIPE_SECRET_KEY="sk_test_tests",
        STRIPE_WEBHOOK_SECRET="whsec_tests",
    )
    return NearbyStripe(sandbox)


@pytest.fixture(scope="session")
def browser() -> Path:
    """Return the browser to test with; without one the test is skipped, in CI it fails."""
    from configs.programs.browser_binary import browser_path, missing_browser

    path = browser_path()
    if not path and os.environ.get("CI") == "true":
        pytest.fail(f"CI has no browser (make browser): {missing_browser()}")
    return path or pytest.skip(f"there is no browser: {missing_browser()}")


@pytest.fixture
def frozen() -> Iterator["time_machine.Traveller"]:
    """Freeze the clock at a Friday morning; `move_to` and `shift` move it."""
    import time_machine

    with time_machine.travel("2026-11-20T09:00:00+00:00", tick=False) as traveller:
        yield traveller
