"""Revision of the tables: the one that this code needs, and the one that the database has.

A release migrates before its programs start, and a rollback leaves the tables as they are
(docs/operations.md, "Deploying and upgrading"). So code meets tables that are newer, and must not meet older ones.
"""

import re
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa
import structlog

from configs.ground.database import database_url
from configs.programs.startup import NotReady

_VERSIONS = Path(__file__).parents[1] / "migrations" / "versions"
_CONNECT_SECONDS = 5
# What the server says to a login that it does not let in
REFUSED_LOGIN = re.compile(
    'password authentication failed for user "[^"]*"|(role|database) "[^"]*" does not exist'
)
log = structlog.get_logger(__name__)


@lru_cache(maxsize=1)
def expected_revision() -> str:
    """Return the last revision of this code, without Alembic, which few programs have: files are numbered in order."""
    return max(file.name.partition("_")[0] for file in _VERSIONS.glob("[0-9]*_*.py"))


def check_tables() -> None:
    """Refuse to start before the migration and its logins. A server that is away is no reason: programs wait for it.

    Raises:
        configs.programs.startup.NotReady: the tables lack a migration, or the server does not know the login.
    """
    try:
        found = _read_revision()
    except sa.exc.OperationalError as error:
        if found_refusal := REFUSED_LOGIN.search(str(error.orig)):
            raise NotReady(
                f"the database does not let this program in, {found_refusal[0]}:"
                " `python -m api.migrations upgrade --logins` makes its login"
            ) from None
        return
    needed = expected_revision()
    if found is None or found < needed:
        state = f"of revision {found}" if found else "not there"
        raise NotReady(
            f"the tables are {state}, this code needs {needed}: run `python -m api.migrations upgrade`"
        )
    if found != needed:
        log.warning("the tables are newer than this code, as after a rollback", tables=found, code=needed)


def _read_revision() -> str | None:
    options = {"connect_timeout": _CONNECT_SECONDS}
    engine = sa.create_engine(database_url(), poolclass=sa.NullPool, connect_args=options)
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(sa.text("SELECT max(version_num) FROM alembic_version"))
        return found
