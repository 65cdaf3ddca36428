"""Prepared statements: PostgreSQL plans a query once per connection, not each time.

To plan one of our long reads takes three times as long as to carry it out, and psycopg2 does not prepare. A query asks
for it by `execution_options(prepare=True)`; it must be one text whatever its parameters are (bindparam), so that a
connection holds few. After five times PostgreSQL may use one plan for all parameters, if that costs no more:
https://www.postgresql.org/docs/18/sql-prepare.html

PgBouncer's transaction pooling gives each transaction another connection of the server, which has other statements by
the same names: nothing may be prepared there.
"""

import re
from typing import Any

import psycopg2
import sqlalchemy as sa

from configs.settings import settings

# Rows of an array up to which a statement that joins arrays is prepared: one plan for any number expects ten of them.
FEW = 20
_PREPARED = "prepared"  # in a connection's info: name by text
_PLACE = re.compile(r"%\((\w+)\)s|%%")


def prepare_reads(engine: sa.Engine) -> None:
    """Carry out by EXECUTE what asks for it, unless DATABASE_PREPARES is off."""
    if not settings().database_prepares:
        return
    sa.event.listen(engine, "before_cursor_execute", _use_prepared, retval=True)


def _use_prepared(
    connection: sa.Connection, cursor: Any, statement: str, parameters: Any, context: Any, _many: bool
) -> tuple[str, Any]:
    if not context.execution_options.get("prepare"):
        return statement, parameters
    known: dict[str, str] = connection.info.setdefault(_PREPARED, {})
    execute = known.get(statement)
    if execute is None:
        name = f"read_{len(known)}"
        text, order = _number_places(statement)
        try:
            cursor.execute(f"PREPARE {name} AS {text}")
        except psycopg2.Error:
            return statement, parameters  # it fails again where SQLAlchemy names the error
        places = ", ".join(f"%({each})s" for each in order)
        execute = known[statement] = f"EXECUTE {name} ({places})" if order else f"EXECUTE {name}"
    return execute, parameters


def _number_places(statement: str) -> tuple[str, list[str]]:
    """Return a statement with $1, $2 … for psycopg2's named places, and their names in this order."""
    order: list[str] = []

    def number(place: re.Match[str]) -> str:
        name = place[1]
        if name is None:
            return "%"
        if name not in order:
            order.append(name)
        return f"${order.index(name) + 1}"

    return _PLACE.sub(number, statement), order
