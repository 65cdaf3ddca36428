"""Lives of slots: how long those that were taken in a month had been open, by desk, by platform, and together.

A slot opens and goes between two checks, so its life is as exact as the desk's interval.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.answer_figures.platforms import list_platforms
from api.models.answer_figure import EVERY, NO_PLATFORM, SlotLife
from api.models.slot import GoneReason, SlotRow

_LATEST_RECORD = timedelta(days=1)  # checks wait in the spiders while the database is away
_MOST_MONTHS = 12  # of one run
_SUM = sa.text(f"""
INSERT INTO slot_lives (month, platform, desk_id, taken, seconds, updated_at)
SELECT :month, CASE grouping(platform) WHEN 1 THEN '{EVERY}' ELSE platform END,
  CASE grouping(desk_id) WHEN 1 THEN '{EVERY}' ELSE desk_id END, count(*),
  percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY seconds), :now
FROM (
  SELECT s.desk_id, coalesce(p.platform, '{NO_PLATFORM}') AS platform,
    CAST(extract(epoch FROM s.gone_at - s.opened_at) AS float8) AS seconds
  FROM slots s
  LEFT JOIN unnest(CAST(:desks AS text[]), CAST(:platforms AS text[])) AS p(desk_id, platform)
    ON p.desk_id = s.desk_id
  WHERE s.gone_at >= :begins AND s.gone_at < :ends AND s.gone_reason = 'taken'
) lives
GROUP BY GROUPING SETS ((platform, desk_id), (platform), ()) HAVING count(*) > 0
""")  # noqa: S608 -- our own words


def find_months_to_sum(session: Session, until: datetime, now: datetime) -> list[date]:
    """Return the first days of the UTC months, oldest first, whose slots may have changed since they were summed up."""
    last = session.scalar(sa.select(sa.func.max(SlotLife.updated_at)).where(SlotLife.updated_at <= now))
    if last is None:
        last = session.scalar(
            sa.select(sa.func.min(SlotRow.gone_at)).where(SlotRow.gone_reason == GoneReason.TAKEN)
        )
    begins = min((last or until) - _LATEST_RECORD, until).astimezone(UTC).date().replace(day=1)
    months = []
    while begins <= until.astimezone(UTC).date():
        months.append(begins)
        begins = _find_next(begins)
    return months[-_MOST_MONTHS:]


def sum_month(session: Session, month: date, until: datetime, now: datetime) -> int:
    """Replace the rows of a month, from the slots that were gone by `until`; return their number."""
    session.execute(sa.delete(SlotLife).where(SlotLife.month == month))
    begins, ends = (datetime.combine(day, time(), UTC) for day in (month, _find_next(month)))
    given = {"month": month, "begins": begins, "ends": min(ends, until), "now": now, **list_platforms()}
    return cast("sa.CursorResult[Any]", session.execute(_SUM, given)).rowcount


def _find_next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)
