"""Logins of the programs: made from their addresses, with their settings, by an owner that is no superuser."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection

from api.migrations.__main__ import main
from api.migrations.logins import LoginRefused, make_logins, parse_logins
from api.migrations.tables import _CREATE
from configs.ground.database import database_seconds
from configs.settings.common import Program
from deploy.local.postgres import start_postgres
from tests.conftest import _migrate
from tests.in_turn import in_turn
from tests.waiting import until

# A server of its own, which each worker would start.
pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("cluster")]


def address_of(owner: str, login: str, password: str = "drawn-at-random") -> str:  # noqa: S107 -- of this server
    return owner.replace("rdv:of-the-owner", f"{login}:{password}")


def make(owner: str, **logins: str) -> list[str]:
    """Make logins: `make(owner, api="api_1")`."""
    addresses: dict[Any, str] = {program: address_of(owner, name) for program, name in logins.items()}
    return make_logins(owner, parse_logins(addresses), database_seconds())


@contextmanager
def connected(address: str) -> Iterator[connection]:
    with closing(psycopg2.connect(address.replace("+psycopg2", ""))) as made:
        made.autocommit = True
        yield made


def ask(address: str, statement: str, *given: object) -> Any:
    with connected(address) as made, made.cursor() as sql:
        sql.execute(statement, given)
        return sql.fetchall()[0][0] if sql.description else None


def test_a_login_has_the_rights_and_the_settings_of_its_program(
    owner: str, settings_env: Callable[..., None]
) -> None:
    settings_env(DATABASE_SECONDS="90")
    assert make(owner, notifier="notifier_1", api="api_1") == [
        "notifier_1 is made: rdvpriority_notifier", "api_1 is made: rdvpriority_api",
    ]  # fmt: skip
    api, notifier = address_of(owner, "api_1"), address_of(owner, "notifier_1")
    assert ask(api, "SELECT count(*) FROM audit") == 0
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(notifier, "SELECT count(*) FROM audit")
    for address, seqscan in ((api, "on"), (notifier, "off")):
        shown = [
            ask(address, f"SHOW {each}")
            for each in ("timezone", "statement_timeout", "jit", "enable_seqscan")
        ]
        assert shown == ["UTC", "90s", "off", seqscan]


def test_what_is_there_is_brought_up_to_date(owner: str, settings_env: Callable[..., None]) -> None:
    make(owner, crawler="crawler_1")
    renewed = {"crawler": address_of(owner, "crawler_1", "drawn-anew")}
    login = parse_logins(renewed)  # type: ignore[arg-type]
    assert make_logins(owner, login, 30) == ["crawler_1 is up to date: rdvpriority_crawler"]
    assert ask(renewed["crawler"], "SHOW statement_timeout") == "30s"
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        ask(address_of(owner, "crawler_1"), "SELECT 1")


def test_the_backups_login_may_read_all_tables_and_the_log_and_a_reader_s_changes_nothing(owner: str) -> None:
    make(owner, backup="backup_1", reader="reader_1")
    address = address_of(owner, "backup_1")
    assert ask(address, "SELECT count(*) FROM registrations") == 0
    assert ask(address, "SELECT rolreplication FROM pg_roles WHERE rolname = current_user") is True
    assert ask(address, "SHOW statement_timeout") == "0"
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        ask(address_of(owner, "reader_1"), "CREATE TEMPORARY TABLE mine (id int)")


@in_turn(
    "logins, why",
    [
        ({"api": "rdv"}, "is another role already"),
        ({"api": "rdvpriority_notifier"}, "is another role already"),
        ({"api": "rdvpriority"}, "is another role already"),  # the superuser
        (
            {"api": "shared", "background": "shared"},
            "DATABASE_URL_BACKGROUND and DATABASE_URL_API name one login",
        ),
    ],
)
def test_a_login_of_somebody_else_is_left_alone(owner: str, logins: dict[str, str], why: str) -> None:
    with pytest.raises(LoginRefused, match=why):
        make(owner, **logins)


def test_the_command_makes_what_the_environment_names(
    owner: str, settings_env: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    settings_env(DATABASE_URL=owner, PROGRAM="api")
    assert main(["logins"]) == 0
    assert "no DATABASE_URL_<PROGRAM> is set" in capsys.readouterr().out
    settings_env(DATABASE_URL_API=address_of(owner, "api_old"))
    assert main(["upgrade", "--logins"]) == 0
    assert "api_old is made: rdvpriority_api" in capsys.readouterr().out


def test_two_migrations_at_once_make_a_role_once(owner: str) -> None:
    create = _CREATE.format(role="rdvpriority_trial")
    with connected(owner) as one, connected(owner) as other, ThreadPoolExecutor(1) as pool:
        one.autocommit = False
        one.cursor().execute(create)
        waiting = pool.submit(lambda: other.cursor().execute(create))
        waits = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        until(lambda: ask(owner, waits, other.info.backend_pid) == 1)
        one.commit()
        waiting.result()
        for each in (one, other):
            each.cursor().execute(create)
    assert ask(owner, "SELECT count(*) FROM pg_roles WHERE rolname = 'rdvpriority_trial'") == 1


@pytest.mark.parametrize("program", ["api", "notifier"])
def test_a_program_s_sessions_need_no_option_of_the_connection(
    owner: str, settings_env: Callable[..., None], program: Program
) -> None:
    from api.models.base import engine

    settings_env(DATABASE_URL=owner, PROGRAM=program)
    with engine().connect() as made:
        shown = [made.exec_driver_sql(f"SHOW {each}").scalar() for each in ("timezone", "enable_seqscan")]
        assert shown == ["UTC", "off" if program == "notifier" else "on"]
        sent = made.connection.dbapi_connection.get_dsn_parameters()  # type: ignore[union-attr]
        assert not sent.get("options")


_SET_UP = (
    "CREATE ROLE rdv LOGIN CREATEROLE REPLICATION PASSWORD 'of-the-owner'",
    "GRANT pg_read_all_data TO rdv WITH ADMIN OPTION",
    "CREATE DATABASE rdv OWNER rdv",
)


@pytest.fixture(scope="session")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a plain owner of a migrated database."""
    server = start_postgres(tmp_path_factory.mktemp("cluster"), durable=False)
    with closing(psycopg2.connect(server.url("postgres").replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        with connection.cursor() as sql:
            for statement in _SET_UP:
                sql.execute(statement)
    address = f"postgresql+psycopg2://rdv:of-the-owner@127.0.0.1:{server.port}/rdv"
    _migrate(address)
    yield address
    server.stop()
