"""Repair after a clock that was ahead is set right: times that it wrote into the future."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

CLOCKS_DIFFER = timedelta(seconds=5)  # between machines that keep their time


# What never was stays so: least() would give it the other time, and a desk that proved nothing would be proven now.
def _pull(*columns: str) -> str:
    return ", ".join(f"{each} = CASE WHEN {each} > :now THEN :now ELSE {each} END" for each in columns)


# Rows locked by a writer are skipped and repaired at the next run. Coverage is dropped and collected again.
_DESKS = sa.text(f"""
WITH ahead AS (
  SELECT id FROM desks WHERE greatest(last_check_at, last_proven_at, last_slot_at, refused_at, whole_at) > :limit
    OR id IN (SELECT desk_id FROM slots WHERE gone_at IS NULL AND seen_at > :limit)
  ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), seen AS (
  UPDATE slots s SET seen_at = :now, opened_at = least(s.opened_at, :now)
  FROM ahead WHERE s.desk_id = ahead.id AND s.gone_at IS NULL AND s.seen_at > :limit
)
UPDATE desks d SET {_pull("last_check_at", "last_proven_at", "last_slot_at", "refused_at")},
  whole_at = NULL, coverage = NULL
FROM ahead WHERE d.id = ahead.id RETURNING d.id
""")  # noqa: S608 -- our own names
_OUTAGES = sa.text("UPDATE outages SET starts_at = :now WHERE ends_at IS NULL AND starts_at > :limit")
# One that was seen in the future would stay open until then, and what is in trouble again would not be told.
_INCIDENTS = sa.text(f"""
UPDATE incidents SET {_pull("starts_at", "seen_at", "told_at")} WHERE ends_at IS NULL AND seen_at > :limit
""")  # noqa: S608 -- as above
# A rest keeps its length: it was counted from the instant at which the row was written.
_HOSTS = sa.text(f"""
UPDATE hosts SET rests_until = rests_until - (updated_at - :now), {_pull("calm_since")}, updated_at = :now
WHERE updated_at > :limit
""")  # noqa: S608 -- as above


def pull_back_times(rows: Session, now: datetime) -> int:
    """Bring what desks, slots, outages and incidents have of the future to `now`; return how many desks had some.

    A slot seen in the future would not lapse, an outage that began there would not end.
    """
    desks = len(rows.execute(_DESKS, _times(now)).all())
    rows.execute(_OUTAGES, _times(now))
    rows.execute(_INCIDENTS, _times(now))
    return desks


def pull_back_rests(rows: Session, now: datetime) -> None:
    """Let hosts whose rows are of the future rest for as long as was meant, from `now` on."""
    rows.execute(_HOSTS, _times(now))


def _times(now: datetime) -> dict[str, datetime]:
    return {"now": now, "limit": now + CLOCKS_DIFFER}
