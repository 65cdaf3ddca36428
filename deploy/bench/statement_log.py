"""Slowest statements: read from PostgreSQL's log while every statement is logged with its duration.

The embedded server has no pg_stat_statements. psycopg2 writes the parameters into the text, so that a logged statement
can be explained as it was; of a prepared one the log tells the text besides.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from deploy.bench.figures import percentile

_ENTRY = re.compile(
    r"duration: ([\d.]+) ms  statement: (.*?)(?:\n[^\n]*DETAIL:  prepare: (.*?))?(?=\n\d{4}-\d\d-\d\d \d\d:|\Z)",
    re.DOTALL,
)
_VALUES = re.compile(r"'(?:[^']|'')*'(?:::[\w\[\]]+)?|\b\d+\b")
_LISTS = re.compile(r"(\?(?:, )?)+")
_FEW = 20  # calls, below which a statement has no percentile


@dataclass(frozen=True, slots=True)
class LoggedStatement:
    """A statement with other values each time: milliseconds of all its calls, and the text of the slowest.

    `prepared`: the PREPARE of the EXECUTE that is the slowest's text; otherwise empty.
    """

    milliseconds: tuple[float, ...]
    slowest: str
    prepared: str = ""

    @property
    def p95(self) -> float:
        """Return the 95th percentile, in milliseconds."""
        return percentile(self.milliseconds, 95)


@contextmanager
def log_statements(engine: sa.Engine) -> Iterator[None]:
    """Have every statement logged while the block lasts."""
    _configure(engine, "0")
    try:
        yield
    finally:
        _configure(engine, "-1")


def read_slowest(log: Path, most: int) -> list[LoggedStatement]:
    """Return the queries of a log that are slowest at the 95th percentile, the slowest first."""
    calls: dict[str, list[tuple[float, str, str]]] = defaultdict(list)
    for milliseconds, *texts in _ENTRY.findall(log.read_text("utf-8", "replace")):
        statement, prepare = (text.replace("\n\t", "\n").strip() for text in texts)
        query = prepare.partition(" AS ")[2] or _LISTS.sub("?", _VALUES.sub("?", statement))
        if query.upper().startswith(("SELECT", "WITH")):
            calls[query].append((float(milliseconds), statement, prepare))
    found = [
        LoggedStatement(tuple(each for each, _, _ in some), *max(some)[1:])
        for some in calls.values()
        if len(some) >= _FEW
    ]
    return sorted(found, key=lambda each: each.p95, reverse=True)[:most]


def explain(engine: sa.Engine, logged: LoggedStatement) -> str:
    """Return the plan of the slowest call of a logged query, as it is carried out now."""
    with engine.connect() as connection:
        if logged.prepared:
            connection.detach()  # others must not find it prepared
            connection.exec_driver_sql("DEALLOCATE ALL")
            connection.exec_driver_sql(logged.prepared.replace("%", "%%"))
        rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS) {logged.slowest}".replace("%", "%%"))
        return "\n".join(row[0] for row in rows)


def _configure(engine: sa.Engine, milliseconds: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(f"ALTER SYSTEM SET log_min_duration_statement = {milliseconds}"))
        connection.execute(sa.text("SELECT pg_reload_conf()"))
