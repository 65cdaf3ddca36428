"""Slots are dropped once they are gone for SLOTS_KEPT_FOR; the matches that announced them keep their ids."""

import sqlalchemy as sa

from api.models.base import session
from api.retention import batches
from configs.ground.clock import clock
from configs.world.retention import SLOTS_KEPT_FOR

# Gone slots are found by desk: that is the order of their index.
_DROP = sa.text("""DELETE FROM slots WHERE id = ANY(ARRAY(
  SELECT old.id FROM desks d CROSS JOIN LATERAL (
    SELECT s.id FROM slots s WHERE s.desk_id = d.id AND s.gone_at IS NOT NULL AND s.gone_at < :before
    ORDER BY s.gone_at LIMIT :most
  ) old LIMIT :most
)) RETURNING id
""")


def drop_gone_slots() -> int:
    """Delete old slots in batches, each in a transaction; return how many."""
    before, dropped = clock() - SLOTS_KEPT_FOR(), 0
    while True:
        with session() as s:
            gone = len(s.scalars(_DROP, {"before": before, "most": batches.BATCH}).all())
        dropped += gone
        if gone < batches.BATCH:
            return dropped
