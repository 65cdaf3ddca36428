"""Days of the table `checks`: the next ones are made, old ones dropped once they are summed up."""

from datetime import date

from sqlalchemy.exc import OperationalError

from api.background.schedule import Counts
from api.figures.desk_days import sum_old_day
from api.models import partitions
from api.models.base import session
from configs.ground.clock import clock
from configs.world.retention import CHECKS_KEPT_FOR

_MOST_DAYS = 7  # dropped in a run: one a day is due
_LOCK_NOT_AVAILABLE = "55P03"


def make_partitions() -> Counts:
    """Make the days of `checks` that are missing, PARTITION_DAYS ahead."""
    with session() as s:
        return {"made": partitions.make_partitions(s, clock().date())}


def drop_partitions() -> Counts:
    """Drop days of `checks` older than CHECKS_KEPT_FOR, one in a transaction; their sums are kept in `check_days`.

    A day that is not wholly summed up is summed up before: the database refuses to drop it otherwise. While somebody
    reads `checks`, as a dump does for hours, the day is left to the next run. A run drops _MOST_DAYS: a clock that is
    far ahead makes all days old, until it is set right.
    """
    before, counts = (clock() - CHECKS_KEPT_FOR()).date(), {"dropped": 0, "summed": 0, "locked": 0}
    while counts["dropped"] < _MOST_DAYS:
        with session() as s:
            oldest = partitions.find_oldest_partition(s)
            if oldest is None or oldest >= before:
                break
            counts["summed"] += sum_old_day(s, oldest)
        if not _drop_day(before, counts):
            break
    return counts


def _drop_day(before: date, counts: Counts) -> bool:
    """Drop the oldest day, and count it; return whether there may be another."""
    try:
        with session() as s:
            dropped = partitions.drop_oldest_partition(s, before)
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
            raise
        counts["locked"] += 1
        return False
    counts["dropped"] += dropped is not None
    return dropped is not None
