"""Upkeep of tables: days of `checks` made ahead and dropped, and statistics for the planner."""

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import OperationalError

from api.jobs.registry import Counts
from api.models import check as checks
from api.models.base import session, write_once
from api.prefectures.desk_days import sum_old_day
from configs.ground.clock import clock
from configs.world.retention import checks_kept_for

log = structlog.get_logger(__name__)
_MOST_DAYS = 7  # dropped in a run: one a day is due
_LOCK_NOT_AVAILABLE, _TOOK_TOO_LONG = "55P03", "57014"
_LEAST_CHANGED, _SHARE = 1000, 0.02
_PARTITIONED = "checks"
_FIND_CHANGED = sa.text("""
SELECT relname FROM pg_stat_user_tables
WHERE schemaname = 'public' AND n_mod_since_analyze >= greatest(:least, n_live_tup * :share) ORDER BY relname
""")
_ANALYZE = sa.text("SELECT analyze_table(:name)")


def make_partitions() -> Counts:
    """Make the days of `checks` that are missing, PARTITION_DAYS ahead."""
    return {"made": write_once(checks.make_partitions, clock().date())}


def drop_partitions() -> Counts:
    """Drop days of `checks` older than CHECKS_KEPT_FOR, one in a transaction; their sums are kept in `check_days`.

    A day that is not wholly summed up is summed up before: the database refuses to drop it otherwise. While somebody
    reads `checks`, as a dump does for hours, the day is left to the next run. A run drops _MOST_DAYS: a clock that is
    far ahead makes all days old, until it is set right.
    """
    before, counts = (clock() - checks_kept_for()).date(), {"dropped": 0, "summed": 0, "locked": 0}
    while counts["dropped"] < _MOST_DAYS:
        with session() as s:
            oldest = checks.find_oldest_partition(s)
            if oldest is None or oldest >= before:
                break
            counts["summed"] += sum_old_day(s, oldest)
        try:
            dropped = write_once(checks.drop_oldest_partition, before)
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
                raise
            counts["locked"] += 1
            break
        if dropped is None:
            break
        counts["dropped"] += 1
    return counts


def analyze_tables() -> Counts:
    """Analyse each table that changed much, and `checks`, in a transaction of its own.

    Autovacuum waits until a tenth of a table has changed, and never looks at a partitioned table itself:
    https://www.postgresql.org/docs/18/routine-vacuuming.html#VACUUM-FOR-STATISTICS
    """
    with session() as s:
        changed = s.scalars(_FIND_CHANGED, {"least": _LEAST_CHANGED, "share": _SHARE}).all()
    counts = {"analyzed": 0, "locked": 0}
    for name in dict.fromkeys((*changed, _PARTITIONED)):
        done = _analyze(name)
        counts["analyzed" if done else "locked"] += 1
    return counts


def _analyze(name: str) -> bool:
    """Return whether a table was analysed; one that somebody locks, or that takes too long, waits for the next day."""
    try:
        with session() as s:
            s.execute(sa.text(f"SET LOCAL lock_timeout = {round(checks.partition_lock_seconds() * 1000)}"))
            s.execute(_ANALYZE, {"name": name})
    except OperationalError as error:
        if not error.orig or getattr(error.orig, "pgcode", None) not in (_LOCK_NOT_AVAILABLE, _TOOK_TOO_LONG):
            raise
        log.warning("not analysed, tomorrow again", table=name, because=type(error.orig).__name__)
        return False
    return True
