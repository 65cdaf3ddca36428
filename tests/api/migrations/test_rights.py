"""Rights of the programs' roles: as declared, for every table and column, and no more than that."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
import sqlalchemy as sa

from api.migrations.roles import OWNER, PROGRAMS, RIGHTS, grant_rights, list_rights, role_of
from api.models.base import engine, session
from configs.settings.common import DatabaseProgram
from tests.in_turn import in_turn

pytestmark = pytest.mark.usefixtures("database")
Right = tuple[str, str, str, str]  # program, table, right, column (empty: of the table as a whole)

_TABLES = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
AND NOT c.relispartition
"""
_COLUMNS = """
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND NOT a.attisdropped
"""
_HELD = f"""
SELECT r.rolname, t.relname, p.name, t.attname FROM ({_COLUMNS}) t
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p (name) JOIN pg_roles r ON r.rolname = ANY(:roles)
WHERE has_column_privilege(r.rolname, 'public.' || t.relname, t.attname, p.name)
UNION ALL SELECT r.rolname, t.relname, p.name, '' FROM ({_TABLES}) t
CROSS JOIN unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) p (name) JOIN pg_roles r ON r.rolname = ANY(:roles)
WHERE has_table_privilege(r.rolname, 'public.' || t.relname, p.name)
"""  # noqa: S608 -- no text from outside
_DAYS_OF_CHECKS = ("make_check_days(date, date)", "drop_oldest_check_day(date)", "analyze_table(text)")


def ask(statement: str, **given: object) -> list[tuple[Any, ...]]:
    with engine().connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement), given)]


def list_declared() -> Iterator[Right]:
    columns: dict[str, list[str]] = {}
    for table, column in ask(_COLUMNS):
        columns.setdefault(table, []).append(column)
    for table in RIGHTS:
        for program in PROGRAMS:
            for right, named in list_rights(program, table).items():
                for column in [""] if right == "DELETE" else named or columns[table]:
                    yield program, table, right, column


def test_every_program_has_the_rights_that_are_declared_for_each_table_and_no_more() -> None:
    tables = {table for (table,) in ask(_TABLES)}
    assert tables - RIGHTS.keys() == set(), "say in api/migrations/roles.py which programs use these tables"
    assert RIGHTS.keys() - tables == set()
    programs = {role_of(program): program for program in PROGRAMS if program != "backup"}
    held = {(programs[role], *right) for role, *right in ask(_HELD, roles=list(programs))}
    declared = {right for right in list_declared() if right[0] != "backup"}
    assert held - declared == set()
    assert declared - held == set()


@in_turn("program", ["crawler", "reader"])
def test_neither_crawler_nor_reader_may_see_secrets_addresses_or_accounts_of_money(
    program: DatabaseProgram,
) -> None:
    secret = (
        "password_hash",
        "totp_secret",
        "token_hash",
        "code_hash",
        "address",
        "new_address",
        "email",
        "chat_id",
        "recovery_hashes",
        "lookup_hashes",
    )
    readable = {
        (table, column)
        for who, table, right, column in list_declared()
        if (who, right) == (program, "SELECT")
    }
    assert {each for each in readable if each[1] in secret} == set()
    assert readable.isdisjoint({("notifications", "title"), ("notifications", "text")})
    closed = {"phone_codes", "registrations", "telegram_links"}
    if program == "crawler":
        closed |= {
            "payments",
            "payment_events",
            "refunds",
            "stripe_events",
            "stripe_ids",
            "subscriptions",
            "audit",
        }
    assert {table for table, _ in readable} & closed == set()


@in_turn("role", [OWNER, *map(role_of, get_args(DatabaseProgram))])
def test_a_role_is_nobodys_login_and_has_no_power_over_others(role: str) -> None:
    query = "SELECT rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication"
    assert ask(f"{query} FROM pg_roles WHERE rolname = :role", role=role) == [(False,)]


def test_no_program_owns_anything() -> None:
    query = (
        "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    )
    assert ask(query) == [(OWNER,)]
    assert ask(
        "SELECT DISTINCT proowner::regrole::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    ) == [(OWNER,)]


@in_turn("function", _DAYS_OF_CHECKS)
def test_only_the_background_program_makes_and_drops_days_of_checks(function: str) -> None:
    may = "SELECT rolname FROM pg_roles WHERE rolname = ANY(:roles) AND has_function_privilege(rolname, :function, 'EXECUTE')"
    asked = ask(may, roles=[role_of(program) for program in PROGRAMS], function=function)
    assert asked == [(role_of("background"),)]
    how = "SELECT prosecdef, proconfig FROM pg_proc WHERE oid = CAST(:function AS regprocedure)"
    ((secure, path),) = ask(how, function=function)
    assert (secure, path) == (True, ["search_path=pg_catalog, pg_temp"])


def test_a_right_that_is_declared_no_more_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RIGHTS, "users", {"crawler": "SELECT (id), DELETE"})
    with session() as s:
        grant_rights(s.connection())
        query = "SELECT has_column_privilege('rdvpriority_crawler', 'users', :column, 'SELECT')"
        assert [s.scalar(sa.text(query), {"column": each}) for each in ("id", "language", "role")] == [
            True,
            False,
            False,
        ]
        assert (
            s.scalar(sa.text("SELECT has_table_privilege('rdvpriority_crawler', 'users', 'DELETE')")) is True
        )
        assert s.scalar(sa.text("SELECT has_table_privilege('rdvpriority_api', 'users', 'DELETE')")) is False
        s.rollback()
