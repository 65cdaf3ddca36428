"""Tables that hold what their rule of retention does not allow, or that no rule knows: an alarm to the operators."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.all import RECORDS
from api.models.incident import IncidentReason
from api.operations.alarms import open_alarm
from api.retention.table_rules import TABLE_RULES, AtMost, DroppedByAge
from configs.ground.clock import clock

_KIND = "operations_alarm"
_LATE = timedelta(days=3)  # for the jobs of a server that was away
_MOST_COUNTED = 1000
_BY_NAME = {each.__tablename__: each for each in RECORDS}
_FIND_TABLES = sa.text("""
SELECT c.relname, pg_stat_get_live_tuples(c.oid) AS rows FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname
""")


@dataclass(frozen=True, slots=True)
class Growth:
    """A table and the number of its rows too many, a thousand at most; 0 where no rule knows the table."""

    table: str
    rows: int


def tell_growth(session: Session) -> list[UUID]:
    """Alarm the operators, once a month for each table; return the notifications to nudge."""
    now = clock()
    return [each for growth in find_growth(session, now) for each in _raise(session, growth, now)]


def find_growth(session: Session, now: datetime) -> list[Growth]:
    """Return the tables that grow without or against their rule, in the order of their names."""
    tables = {row.relname: row.rows for row in session.execute(_FIND_TABLES)}
    unknown = [Growth(name, 0) for name in tables if name not in TABLE_RULES]
    return sorted([*unknown, *_find_rows_too_many(session, tables, now)], key=lambda each: each.table)


def _find_rows_too_many(session: Session, tables: dict[str, int], now: datetime) -> Iterable[Growth]:
    for name, rule in TABLE_RULES.items():
        rows = 0
        if isinstance(rule, AtMost):
            rows = min(max(tables.get(name, 0) - rule.rows, 0), _MOST_COUNTED)
        elif isinstance(rule, DroppedByAge):
            rows = _count_older(session, name, rule, now)
        if rows:
            yield Growth(name, rows)


def _count_older(session: Session, name: str, rule: DroppedByAge, now: datetime) -> int:
    is_older = rule.is_older(now - rule.get_kept_for() - _LATE)
    older = (
        sa.select(sa.literal(1)).select_from(_BY_NAME[name]).where(is_older).limit(_MOST_COUNTED).subquery()
    )
    return session.scalar(sa.select(sa.func.count()).select_from(older)) or 0


def _raise(session: Session, growth: Growth, now: datetime) -> list[UUID]:
    subject = f"{growth.table} {now.astimezone(UTC):%Y-%m}"
    params = {
        "reason": IncidentReason.TABLE_GROWTH.value,
        "subject": subject,
        "since": now.isoformat(),
        "number": growth.rows,
    }
    return open_alarm(session, IncidentReason.TABLE_GROWTH, subject, _KIND, params)
