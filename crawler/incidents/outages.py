"""Outages: paid time in which a desk was not watched, a row per desk and reason."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import write_rows
from api.models.desk import OutageReason
from configs.world.desk import Outcome
from crawler.scheduling.intervals import COUNTED, PAUSE_AFTER
from crawler.visit_state import REFUSALS

# A check from before the outage ends nothing: it may be written later than the block that overtook it.
_END = sa.text("""
UPDATE outages o SET ends_at = n.at
FROM json_to_recordset(:rows) AS n(desk_id text, at timestamptz, reason text)
WHERE o.desk_id = n.desk_id AND o.ends_at IS NULL AND o.starts_at <= n.at
  AND o.reason IS DISTINCT FROM n.reason
""")
_BEGIN = sa.text("""
INSERT INTO outages (desk_id, starts_at, reason)
SELECT d.id, n.at, n.reason
FROM json_to_recordset(:rows) AS n(desk_id text, at timestamptz, reason text)
JOIN desks d ON d.id = n.desk_id
WHERE n.reason IS NOT NULL AND NOT EXISTS (SELECT FROM outages o WHERE o.desk_id = d.id AND o.ends_at IS NULL)
ORDER BY d.id
ON CONFLICT (desk_id) WHERE ends_at IS NULL DO NOTHING
""")
_OVER = sa.text("""
UPDATE outages SET ends_at = greatest(starts_at, :at)
WHERE ends_at IS NULL AND desk_id <> ALL(:others) AND (CAST(:reason AS text) IS NULL OR reason = :reason)
""")


class OutageChange(NamedTuple):
    """A desk, an instant and the reason of its outage from then on; None where it is watched."""

    desk_id: str
    at: datetime
    reason: OutageReason | None


def reason_of(outcome: Outcome, inconclusive: int) -> OutageReason | None:
    """Return why a desk is not watched after this outcome, the `inconclusive`-th that counts; None: it is, still."""
    paused = outcome in COUNTED and inconclusive >= PAUSE_AFTER
    return OutageReason(outcome.value) if outcome in REFUSALS or paused else None


def write_outages(session: Session, turns: Sequence[OutageChange]) -> None:
    """End outages whose desks are watched again or have another reason now, and begin the new ones."""
    if turns:
        rows = {"rows": write_rows(each._asdict() for each in turns)}
        session.execute(_END, rows)
        session.execute(_BEGIN, rows)


def begin_outages(session: Session, desk_ids: Collection[str], at: datetime, reason: OutageReason) -> None:
    """Begin an outage of desks whose host is left alone; one that already has an outage keeps its own reason."""
    rows = [{"desk_id": each, "at": at, "reason": reason} for each in sorted(desk_ids)]
    session.execute(_BEGIN, {"rows": write_rows(rows)})


def end_outages(
    session: Session, others: Collection[str], at: datetime, reason: OutageReason | None = None
) -> None:
    """End the open outages of all desks but these, those of one reason where it is given."""
    session.execute(_OVER, {"others": sorted(others), "at": at, "reason": reason and reason.value})
