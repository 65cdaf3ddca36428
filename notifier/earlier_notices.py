"""Notices that users have already of slots that are matched once more.

Slots are matched again where no message of them left: the user has no contact in use, or what was written expired. The
notice was written all the same.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import chain
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import write_array
from api.models.slot import SlotRow
from api.models.slot_ids import read_ranges
from notifier.matching import RETELL_SECONDS, WantedSlots

# By alert, the slots of matches that made a notice; then those of notices `since` then.
_NOTICED = sa.text("""
SELECT m.alert_id, CAST(range_agg(r.slots) AS text) AS slots,
  coalesce(CAST(range_agg(r.slots) FILTER (WHERE n.at > :since) AS text), '{}') AS lately
FROM matches m JOIN alerts a ON a.id = m.alert_id JOIN match_slots s ON s.match_id = m.id
CROSS JOIN LATERAL (SELECT coalesce(s.slots, int8multirange(int8range(s.slot_id, s.slot_id, '[]'))) AS slots) r
CROSS JOIN LATERAL (
  SELECT max(created_at) AS at FROM notices WHERE user_id = a.user_id AND detection_id = m.detection_id
) n
WHERE m.alert_id = ANY(CAST(:alert_ids AS uuid[])) AND m.decided_at > :earliest AND n.at IS NOT NULL
GROUP BY m.alert_id
""").columns(alert_id=sa.Uuid(), slots=sa.Text(), lately=sa.Text())
_EARLIER_OPENINGS = sa.text("""
SELECT w.id, o.id AS earlier
FROM slots w JOIN slots o ON o.desk_id = w.desk_id AND o.place_key = w.place_key AND o.moment = w.moment
WHERE w.id = ANY(CAST(:slot_ids AS bigint[])) AND o.id <> w.id AND o.gone_at > :since
""")


def find_informed(
    session: Session, wishes_of: Mapping[UUID, Sequence[WantedSlots]], slots: Sequence[SlotRow], now: datetime
) -> set[UUID]:
    """Return the users who have notices of all the slots of their wishes, or lately had of earlier openings."""
    if not wishes_of or not slots:
        return set()
    since = now - timedelta(seconds=RETELL_SECONDS)
    earlier = _read_earlier(session, slots, since)
    alert_ids = {wish.alert_id for wishes in wishes_of.values() for wish in wishes}
    earliest = min(since, *(slot.opened_at for slot in slots))
    given = {"alert_ids": write_array(alert_ids), "earliest": earliest, "since": since}
    noticed = {row.alert_id: (row.slots, row.lately) for row in session.execute(_NOTICED, given)}

    @cache  # most alerts want the same slots
    def is_noticed(wanted: tuple[int, ...], before: str, lately: str) -> bool:
        every, late = (set(chain.from_iterable(read_ranges(each))) for each in (before, lately))
        return all(slot in every or earlier[slot] & late for slot in wanted)

    def has_all(wish: WantedSlots) -> bool:
        return wish.alert_id in noticed and is_noticed(wish.slots, *noticed[wish.alert_id])

    return {user_id for user_id, wishes in wishes_of.items() if all(map(has_all, wishes))}


def _read_earlier(session: Session, slots: Sequence[SlotRow], since: datetime) -> dict[int, set[int]]:
    """Return by slot its earlier openings that were open since then."""
    given = {"slot_ids": write_array(slot.id for slot in slots), "since": since}
    found: dict[int, set[int]] = defaultdict(set)
    for slot_id, earlier in session.execute(_EARLIER_OPENINGS, given):
        found[slot_id].add(earlier)
    return found
