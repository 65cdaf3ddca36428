"""Statistics of PostgreSQL's planner: ANALYZE of the tables that changed much since the last one.

Autovacuum waits until a tenth of a table has changed, and never looks at a partitioned table itself:
https://www.postgresql.org/docs/18/routine-vacuuming.html#VACUUM-FOR-STATISTICS
"""

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import OperationalError

from api.models.base import session
from api.models.partitions import PARTITION_LOCK_SECONDS

_LEAST_CHANGED, _SHARE = 1000, 0.02
_PARTITIONED = "checks"
_FIND_CHANGED = sa.text("""
SELECT relname FROM pg_stat_user_tables
WHERE schemaname = 'public' AND n_mod_since_analyze >= greatest(:least, n_live_tup * :share) ORDER BY relname
""")
_ANALYZE = sa.text("SELECT analyze_table(:name)")

log = structlog.get_logger(__name__)


def analyze_tables() -> dict[str, int]:
    """Analyse each table that changed, in a transaction of its own; return how many, and how many were locked."""
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
            s.execute(sa.text(f"SET LOCAL lock_timeout = {round(PARTITION_LOCK_SECONDS() * 1000)}"))
            s.execute(_ANALYZE, {"name": name})
    except OperationalError as error:
        if not error.orig or getattr(error.orig, "pgcode", None) not in ("55P03", "57014"):
            raise
        log.warning("not analysed, tomorrow again", table=name, because=type(error.orig).__name__)
        return False
    return True
