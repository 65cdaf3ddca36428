"""Database roles of the programs: who owns the tables, and grants as `rights.py` declares them.

A role has no login. Logins are members of one (api/migrations/logins.py). `rdvpriority_migrations` owns everything, so
that neither a program nor the login that migrates does, and functions that act for a program are no superuser's.
"""

import re
from collections.abc import Iterable, Iterator
from typing import get_args

import sqlalchemy as sa

from api.migrations.rights import RIGHTS
from configs.settings import DatabaseProgram

OWNER = "rdvpriority_migrations"
PROGRAMS: tuple[DatabaseProgram, ...] = get_args(DatabaseProgram)
_GRANT = re.compile(r"(\w+)(?: \(([^)]*)\))?(?:, |$)")
_COLUMNS = sa.text("""
SELECT c.relname, array_agg(a.attname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY c.relname ORDER BY c.relname
""")
_OWN = f"""
DO $$ DECLARE each text; BEGIN
  FOR each IN SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
    AND c.relkind IN ('r', 'p') AND c.relowner <> '{OWNER}'::regrole
  LOOP EXECUTE format('ALTER TABLE %%s OWNER TO {OWNER}', each); END LOOP;
  FOR each IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
    AND p.proowner <> '{OWNER}'::regrole
  LOOP EXECUTE format('ALTER FUNCTION %%s OWNER TO {OWNER}', each); END LOOP;
END $$
"""  # noqa: S608 -- the name is our own


def role_of(program: DatabaseProgram) -> str:
    """Return the name of a program's role."""
    return f"rdvpriority_{program}"


def list_rights(program: DatabaseProgram, table: str) -> dict[str, tuple[str, ...] | None]:
    """Return the declared rights on a table: `SELECT` and the like, each with its columns (None: all)."""
    declared = RIGHTS[table].get(program, "")
    return {
        right: tuple(re.split(r",\s*", columns)) if columns else None
        for right, columns in _GRANT.findall(declared)
    }


def grant_rights(connection: sa.Connection) -> None:
    """Make owners and rights in a database as declared, for the tables and columns that it has by now.

    A right that is declared no more is taken away.
    """
    existing = {table: set(columns) for table, columns in connection.execute(_COLUMNS)}
    statements = [_OWN, *(each for table, columns in existing.items() for each in _grants(table, columns))]
    connection.exec_driver_sql(";\n".join(statements))


def _grants(table: str, existing: set[str]) -> Iterator[str]:
    programs = [program for program in PROGRAMS if table in RIGHTS]
    yield f"REVOKE ALL ON {table} FROM {', '.join(role_of(program) for program in PROGRAMS)}"
    for program in programs:
        granted = [_grant(right, columns, existing) for right, columns in list_rights(program, table).items()]
        if rights := [each for each in granted if each]:
            yield f"GRANT {', '.join(rights)} ON {table} TO {role_of(program)}"


def _grant(right: str, columns: Iterable[str] | None, existing: set[str]) -> str:
    """Return a right as GRANT names it; nothing where none of its columns exists yet."""
    if columns is None:
        return right
    present = [column for column in columns if column in existing]
    return f"{right} ({', '.join(present)})" if present else ""
