"""End of holds: a desk whose alerts wait after false alarms is released by its second proven answer since then.

What its slots are by then is written in the same transaction. The notifier sends what is open: its sweep finds the
detections that wait, its rounds of rearming the rest.
"""

import logging
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.hold import PROVEN_ANSWERS
from crawler.items import FinishedCheck

# A check that was on its way when the hold began may have read the very page that people complained of.
_COUNT = sa.text("""
UPDATE holds h SET proven = h.proven + 1,
  ends_at = CASE WHEN h.proven + 1 >= :needed THEN greatest(n.seen_at, h.starts_at) END
FROM unnest(CAST(:desk_id AS text[]), CAST(:started_at AS timestamptz[]), CAST(:seen_at AS timestamptz[]))
  AS n(desk_id, started_at, seen_at)
WHERE h.desk_id = n.desk_id AND h.ends_at IS NULL AND n.started_at > h.starts_at
RETURNING h.desk_id, h.ends_at
""")
_RELEASE = sa.text("UPDATE desks SET held_at = NULL WHERE id = ANY(CAST(:desks AS text[]))")

log = logging.getLogger(__name__)


def count_proven_answers(session: Session, results: Sequence[FinishedCheck]) -> None:
    """Count conclusive checks of held desks, whose rows the caller has locked; release those that have enough."""
    if not results:
        return
    counted = session.execute(
        _COUNT,
        {
            "needed": PROVEN_ANSWERS,
            "desk_id": [each.check.desk_id for each in results],
            "started_at": [each.check.started_at for each in results],
            "seen_at": [each.seen_at for each in results],
        },
    )
    if released := [row.desk_id for row in counted if row.ends_at]:
        session.execute(_RELEASE, {"desks": released})
        log.info("alerts of %s are sent again: two answers have proven what is open", ", ".join(released))
