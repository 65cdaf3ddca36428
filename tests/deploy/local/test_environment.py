"""Environment of a local stack's programs, and no more connections than PostgreSQL takes."""

import configparser
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import psycopg2
import pytest
import redis
import sqlalchemy as sa
from supervisor.datatypes import dict_of_key_value_pairs

from api.admin.health.checks import CHECKS
from api.jobs.__main__ import CHILDREN as BACKGROUND
from api.models.base import LIMITS, engine
from configs.ground.redis import read_rules
from configs.settings import Settings
from configs.settings.common import DatabaseProgram, Program
from configs.settings.program_settings import list_allowed, list_secrets
from configs.world.desk import Fetch
from crawler.catalogue import systems
from crawler.scheduling.due_queue import CrawlQueue
from deploy.local.environment import program_addresses, sandbox_variables
from deploy.local.ports import StackPorts, choose, usual
from deploy.local.postgres import USER, start_postgres
from deploy.local.processes import StartFailed, free_port, start, stop, wait_until
from deploy.local.programs import commands, database_programs, write_supervisor
from deploy.local.short_periods import gather
from deploy.local.state_dir import (
    StateUnusable,
    alone,
    is_held,
    read_kept,
    write_variables,
)
from deploy.local.valkey import start_valkey
from notifier.workers import CHILDREN as NOTIFIER
from tests.deploy.compose_files import secrets_of as secrets_of_service
from tests.deploy.compose_files import services
from tests.in_turn import in_turn
from tests.waiting import ONE_TRY


def made(state: Path) -> dict[str, str]:
    own = sandbox_variables(state, StackPorts(), "postgresql://u:p@127.0.0.1/x", "redis://127.0.0.1/0")
    return gather(dict(os.environ) | own)


def test_what_is_kept_is_read_by_us_and_by_a_shell_and_by_nobody_else(tmp_path: Path) -> None:
    variables, file = {"A": "it's $HOME", "B": "two words\nand a line", "C": ""}, tmp_path / "env"
    write_variables(file, {"OLD": "gone"})
    write_variables(file, variables)
    assert read_kept(file) == variables
    script = f"set -a; . '{file}'; printenv A"
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env={}, check=True)
    assert (told.stdout, stat.S_IMODE(file.stat().st_mode)) == ("it's $HOME\n", 0o600)


def test_every_program_but_the_sandbox_has_the_rights_of_one_program() -> None:
    assert set(database_programs()) == set(commands(StackPorts())) - {"sandbox"}


def held_by(state: Path, name: str) -> dict[str, str]:
    """Return the whole environment of a program of `make run`."""
    own = made(state)
    addresses = program_addresses(state, own["DATABASE_URL"])
    own |= {f"DATABASE_URL_{program.upper()}": address for program, address in addresses.items()}
    conf = configparser.RawConfigParser()
    queue = {user: f"redis://{user}:word@127.0.0.1:1/0" for user in read_rules()}
    conf.read(write_supervisor(state, commands(StackPorts()), state, queue))
    given: dict[str, str] = dict_of_key_value_pairs(conf[f"program:{name}"]["environment"])
    return own | given


def secrets_of(environment: dict[str, str]) -> set[str]:
    names = {*list_secrets(Settings.model_fields), "sendgrid_receipt_secret"}
    return {name for name in names if environment.get(name.upper())}


@in_turn("name, own", database_programs().items())
def test_a_program_is_given_the_secrets_that_production_gives_it(
    tmp_path: Path, name: str, own: Program
) -> None:
    environment = held_by(tmp_path, name)
    assert environment["PROGRAM"] == own
    held = secrets_of(environment)
    of_child = {"database_url_reader"} if name == "background" else set()
    assert held <= (list_allowed(own) | of_child) - {"database_url"}
    service = services()[{"api": "api-1"}.get(name, name)]
    assert {Path(each).name for each in secrets_of_service(service)} - held == set(), name
    user = secrets_of_service(service)["redis_url"].removeprefix("redis_url_")
    assert environment["REDIS_URL"] == f"redis://{user}:word@127.0.0.1:1/0"


@in_turn("name", commands(StackPorts()))
def test_no_key_is_another_one_or_made_of_it(tmp_path: Path, name: str) -> None:
    """So a program without JWT_SECRET has it under no other name either."""
    key = made(tmp_path)["JWT_SECRET"].removeprefix("sandbox-")
    environment = held_by(tmp_path, name)
    assert [at for at, value in environment.items() if key in value] == (
        ["JWT_SECRET"] if database_programs().get(name) in ("api", "stream") else []
    )
    held = [environment[secret.upper()] for secret in secrets_of(environment)]
    assert len(set(held)) == len(held)
    drawn = {name: value for name, value in made(tmp_path).items() if value.startswith("sandbox-")}
    assert {"JWT_SECRET", "LINK_KEY", "DATA_KEYS", "LOOKUP_KEY"} <= drawn.keys()
    assert len(set(drawn.values())) == len(drawn)


# Why `make run` does not start is one line that says what to do; what it writes is for its owner alone.


def test_a_folder_is_held_by_one_and_free_afterwards(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with alone(state):
        assert is_held(state)
        with pytest.raises(StateUnusable, match="in use by process"), alone(state):
            pass
    assert not is_held(state)
    with alone(state):
        pass


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def anywhere(**given: int) -> StackPorts:
    return StackPorts(**({port.name: free_port() for port in fields(StackPorts)} | given))


def test_a_taken_port_moves_to_the_next_and_is_told(taken: int) -> None:
    usual = anywhere(api=taken)
    chosen = choose(usual)
    assert taken < chosen.api < taken + 50
    assert chosen.describe_moves(usual) == [f"port {taken} is taken: api listens on {chosen.api}"]


def test_a_program_that_ends_or_does_not_get_ready_is_told_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    process = start([sys.executable, "-c", "print('no licence'); raise SystemExit(3)"], log)
    with pytest.raises(StartFailed, match=r"(?s)it ended with 3.*no licence"):
        wait_until(lambda: False, log, what="it", process=process)
    stop(process)
    with pytest.raises(StartFailed, match=r"(?s)it is not ready after 0.05 s.*\(no log\)"):
        wait_until(lambda: False, tmp_path / "none", what="it", seconds=0.05)


def test_the_servers_want_their_passwords_and_keep_their_data(tmp_path: Path) -> None:
    for is_new in (True, False):
        postgres = start_postgres(tmp_path / "pg", durable=False)
        try:
            assert postgres.create("kept") is is_new
            with pytest.raises(psycopg2.OperationalError, match="password"):
                psycopg2.connect(
                    host="127.0.0.1", port=postgres.port, user=USER, password="guess", dbname="kept"
                )
        finally:
            postgres.stop()
    valkey = start_valkey(tmp_path / "redis")
    try:
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(host="127.0.0.1", port=valkey.port, retry=ONE_TRY).ping()
    finally:
        valkey.stop()
    for secret in ("pg/password", "redis/conf"):
        assert stat.S_IMODE((tmp_path / secret).stat().st_mode) == 0o600


# All programs of a stack together open fewer connections than PostgreSQL takes

_OPERATORS = 10  # connections of psql, `make status`, commands


def read_gunicorn(option: str) -> int:
    (found,) = re.findall(rf"--{option} (\d+)", " ".join(commands(usual(any_port=True))["api"]))
    return int(found)


def count_processes() -> dict[str, int]:
    """Return, by program, the number of processes that may hold connections; a spider and its successor run at once."""
    spiders = (
        sum(CrawlQueue(system, fetch).processes for system in systems() for fetch in Fetch) + 1
    )  # and discovery
    return {
        "api": read_gunicorn("workers"),
        "stream": 1,
        "scrapyd": 2 * spiders,
        "planner": 1,
        "notifier": len(NOTIFIER),
        "background": len(BACKGROUND),
    }


def test_the_server_that_we_set_up_takes_them_all(database: str) -> None:
    counted = count_processes()
    rights = {name: own for name, own in database_programs().items() if own != "proofs"}
    assert counted.keys() == rights.keys()
    # of which one runs nowhere here, the other is a child of background
    elsewhere = LIMITS["backup"] + LIMITS["reader"]
    ours = sum(processes * LIMITS[rights[name]] for name, processes in counted.items()) + elsewhere
    with engine().connect() as connection:
        read = connection.exec_driver_sql("SHOW max_connections").scalar_one()
        reserved = connection.exec_driver_sql("SHOW superuser_reserved_connections").scalar_one()
    assert ours + _OPERATORS <= int(read) - int(reserved)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("program", [*get_args(DatabaseProgram), None])
def test_a_process_opens_no_more_than_its_limit(
    program: DatabaseProgram | None, settings_env: Callable[..., None]
) -> None:
    settings_env(**({"PROGRAM": program} if program else {}))
    pool = engine().pool
    assert isinstance(pool, sa.QueuePool)
    assert pool.size() + pool._max_overflow == LIMITS[program]


def test_a_process_of_the_api_has_a_connection_for_each_thread_and_health_check() -> None:
    asks_database = {"database", "checks", "partitions", "background"}
    assert asks_database < {each.name for each in CHECKS}
    assert LIMITS["api"] >= read_gunicorn("threads") + len(asks_database)
