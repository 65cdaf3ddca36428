"""Logins of the programs: the one that a program's address names is made a member of the program's role.

A login has what a role cannot hand on: its password and the settings that its sessions begin with. Names and passwords
stand in DATABASE_URL_<PROGRAM> and in no migration.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import cursor, encrypt_password
from psycopg2.sql import SQL, Composable, Identifier, Literal
from sqlalchemy.engine import make_url

from api.migrations.retries import MigrationFailed, run_with_retries
from api.migrations.roles import PROGRAMS, role_of
from api.models.session_options import list_session_options
from configs.ground.database import database_seconds, database_url, owner_url
from configs.settings import settings
from configs.settings.common import DatabaseProgram

_FIND = """
SELECT rolsuper OR rolcreaterole OR rolname = session_user OR NOT rolcanlogin AS refused,
  (SELECT array_agg(roleid::regrole::text) FROM pg_auth_members WHERE member = r.oid) AS roles
FROM pg_roles r WHERE rolname = %s
"""


class LoginRefused(RuntimeError):
    """A login cannot be made; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Login:
    """A login as a program's address names it."""

    program: DatabaseProgram
    name: str
    password: str | None  # None: the server trusts a socket or a certificate

    @property
    def variable(self) -> str:
        """The variable that names it."""
        return f"DATABASE_URL_{self.program.upper()}"


def read_logins() -> list[Login]:
    """Return the logins that the environment names, one a program.

    Raises:
        LoginRefused: an address names none, or the one of another program.
    """
    addresses = {each: database_url(each) for each in PROGRAMS if settings().find_own_database(each)}
    return parse_logins(addresses)


def parse_logins(addresses: Mapping[DatabaseProgram, str]) -> list[Login]:
    """Return the logins of the programs' addresses.

    Raises:
        LoginRefused: an address names none, or the one of another program.
    """
    found: dict[str, Login] = {}
    for program, address in addresses.items():
        url = make_url(address)
        login = Login(program, url.username or "", url.password)
        if not login.name:
            raise LoginRefused(f"{login.variable} names no login: write postgresql://login:password@…")
        if login.name in found:
            raise LoginRefused(f"{login.variable} and {found[login.name].variable} name one login: name two")
        found[login.name] = login
    return list(found.values())


def make_logins(owner: str, logins: Iterable[Login], seconds: float) -> list[str]:
    """Make logins, or bring those that exist up to date; return a line for each.

    `owner`: an address that may; `seconds`: DATABASE_SECONDS of the programs.

    Raises:
        LoginRefused: a name belongs to another kind of role, or the owner may not make it.
    """
    lines = []
    address = owner.replace("+psycopg2", "", 1)
    with closing(psycopg2.connect(address, connect_timeout=10)) as connection, connection.cursor() as sql:
        connection.autocommit = True
        for login in logins:
            try:
                lines.append(_make(sql, login, seconds))
            except psycopg2.errors.InsufficientPrivilege as error:
                raise LoginRefused(
                    f"the login of DATABASE_URL may not make {login.name} ({login.variable}):"
                    f" {str(error).partition(chr(10))[0]}; docs/database-roles.md says what it needs"
                ) from None
    return lines


def run(say: Callable[[str], object] = print) -> int:
    """Make the logins of the environment.

    Raises:
        SystemExit: a login is refused; the text says why.
    """
    try:
        owner, logins = owner_url(), read_logins()
        undone = "the logins are not complete; the same command makes the rest"
        lines = run_with_retries(lambda: make_logins(owner, logins, database_seconds()), say, undone)
    except (LoginRefused, MigrationFailed) as error:
        raise SystemExit(str(error)) from None
    for line in lines or ["no DATABASE_URL_<PROGRAM> is set: all programs use the login of DATABASE_URL"]:
        say(line)
    return 0


def _make(sql: cursor, login: Login, seconds: float) -> str:
    sql.execute(_FIND, (login.name,))
    found, role = sql.fetchone(), role_of(login.program)
    if found and (found[0] or {*(found[1] or ())} - {role}):
        raise LoginRefused(
            f"{login.name} ({login.variable}) is another role already: name a login of the program's own"
        )
    name = Identifier(login.name)
    if not found:
        sql.execute(SQL("CREATE ROLE {} LOGIN").format(name))
    for change in _list_changes(sql, login, seconds):
        sql.execute(SQL("ALTER ROLE {} ").format(name) + change)
    if not (found and found[1]):
        sql.execute(SQL("GRANT {} TO {}").format(Identifier(role), name))
    return f"{login.name} is {'up to date' if found else 'made'}: {role}"


def _list_changes(sql: cursor, login: Login, seconds: float) -> list[Composable]:
    changes: list[Composable] = [SQL("REPLICATION")] if login.program == "backup" else []
    if login.password is not None:  # as the server stores it: a log of statements has no password
        stored = encrypt_password(login.password, login.name, sql.connection, "scram-sha-256")
        changes.append(SQL("PASSWORD {}").format(Literal(stored)))
    options = list_session_options(login.program, seconds)
    return changes + [
        SQL("SET {} TO {}").format(Identifier(option), Literal(value)) for option, value in options.items()
    ]
