"""Outages: paid time in which a desk was not watched, a row per desk and reason."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.desk import OutageReason
from configs.world.outcome import Outcome
from crawler.scheduling.intervals import COUNTED, PAUSE_AFTER

# A check from before the outage ends nothing: it may be written later than the block that overtook it.
_END = sa.text("""
UPDATE outages o SET ends_at = n.at
FROM unnest(CAST(:desk_id AS text[]), CAST(:at AS timestamptz[]), CAST(:reason AS text[]))
  AS n(desk_id, at, reason)
WHERE o.desk_id = n.desk_id AND o.ends_at IS NULL AND o.starts_at <= n.at
  AND o.reason IS DISTINCT FROM n.reason
""")
_BEGIN = sa.text("""
INSERT INTO outages (desk_id, starts_at, reason)
SELECT d.id, n.at, n.reason
FROM unnest(CAST(:desk_id AS text[]), CAST(:at AS timestamptz[]), CAST(:reason AS text[]))
  AS n(desk_id, at, reason)
JOIN desks d ON d.id = n.desk_id
WHERE n.reason IS NOT NULL AND NOT EXISTS (SELECT FROM outages o WHERE o.desk_id = d.id AND o.ends_at IS NULL)
ON CONFLICT (desk_id) WHERE ends_at IS NULL DO NOTHING
""")
_OVER = sa.text("""
UPDATE outages SET ends_at = greatest(starts_at, :at)
WHERE ends_at IS NULL AND desk_id <> ALL(:others) AND (CAST(:reason AS text) IS NULL OR reason = :reason)
""")


# A desk, an instant and the reason of its outage from then on; None where it is watched.
OutageChange = tuple[str, datetime, OutageReason | None]


_AT_ONCE = frozenset(
    {Outcome.CAPTCHA, Outcome.BLOCKED, Outcome.RATE_LIMITED, Outcome.MAINTENANCE, Outcome.CLOSED}
)


def reason_of(outcome: Outcome, inconclusive: int) -> OutageReason | None:
    """Return why a desk is not watched after this outcome, the `inconclusive`-th that counts; None: it is, still."""
    paused = outcome in COUNTED and inconclusive >= PAUSE_AFTER
    return OutageReason(outcome.value) if outcome in _AT_ONCE or paused else None


def write_outages(session: Session, turns: Sequence[OutageChange]) -> None:
    """End outages whose desks are watched again or have another reason now, and begin the new ones."""
    if turns:
        session.execute(_END, _columns(turns))
        session.execute(_BEGIN, _columns(turns))


def begin_outages(session: Session, desk_ids: Collection[str], at: datetime, reason: OutageReason) -> None:
    """Begin an outage of desks whose host is left alone; one that already has an outage keeps its own reason."""
    session.execute(_BEGIN, _columns([(each, at, reason) for each in sorted(desk_ids)]))


def _columns(turns: Sequence[OutageChange]) -> dict[str, list[object]]:
    return {
        "desk_id": [desk_id for desk_id, _, _ in turns],
        "at": [at for _, at, _ in turns],
        "reason": [reason and reason.value for _, _, reason in turns],
    }


def end_outages(
    session: Session, others: Collection[str], at: datetime, reason: OutageReason | None = None
) -> None:
    """End the open outages of all desks but these, those of one reason where it is given."""
    session.execute(_OVER, {"others": sorted(others), "at": at, "reason": reason and reason.value})
