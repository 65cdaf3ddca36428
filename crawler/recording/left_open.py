"""Places that were never seen closed: their hours lapsed, yet each visit found them open at an unknown hour.

A calendar of many weeks is read in turn, over more visits than a slot lives unseen. Its `open` slot is superseded by
the first hours; when these lapse, the page still says that the place is open. That is no new opening: the superseded
row is resumed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crawler.recording.coverage_tracking import last_visit, unpack
from crawler.recording.slot_diff import CheckResult, OpenSlot

# `reached`: until when the place was open by the rows that opened before. No other row may begin after that, and the
# last to go has lapsed: so there is no instant at which the place was seen without a slot.
_LEFT = sa.text("""
SELECT n.desk_id, n.place_key, o.id, h.lapsed_at
FROM unnest(CAST(:desks AS text[]), CAST(:places AS text[])) AS n(desk_id, place_key)
CROSS JOIN LATERAL (
  SELECT s.id, s.gone_at, s.gone_reason FROM slots s
  WHERE s.desk_id = n.desk_id AND s.place_key = n.place_key AND s.moment = 'open' AND s.gone_at IS NOT NULL
  ORDER BY s.gone_at DESC LIMIT 1
) AS o
CROSS JOIN LATERAL (
  SELECT max(r.gone_at) AS gone_at, max(r.gone_at) FILTER (WHERE r.gone_reason = 'lapsed') AS lapsed_at,
    bool_and(r.opened_at <= greatest(r.reached, o.gone_at)) AS unbroken
  FROM (
    SELECT s.opened_at, s.gone_at, s.gone_reason, max(s.gone_at) OVER (
      ORDER BY s.opened_at, s.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
    FROM slots s
    WHERE s.desk_id = n.desk_id AND s.place_key = n.place_key AND s.moment <> 'open' AND s.gone_at >= o.gone_at
  ) AS r
) AS h
WHERE o.gone_reason = 'superseded' AND h.unbroken AND h.lapsed_at = h.gone_at
""")


@dataclass(frozen=True, slots=True)
class PlaceHistory:
    """A check of a desk, the slots that were open before, and what earlier checks covered.

    `coverage`: as the desk's row has it. `since`: what was seen later has not lapsed.
    """

    desk_id: str
    seen: CheckResult
    known: Sequence[OpenSlot]
    coverage: Mapping[str, Any] | None
    since: datetime

    @property
    def places(self) -> set[str]:
        """Return the places that are only known to be open, and have no open slot."""
        busy = {row.place_key for row in self.known}
        return {slot.place.key for slot in self.seen.slots if slot.moment is None} - busy

    def stayed_open(self, place: str, lapsed_at: datetime) -> bool:
        """Tell whether the place was visited lately, and not since its last hours lapsed.

        A visit after that saw it closed: otherwise its `open` slot would be open.
        """
        visited = last_visit(unpack(self.coverage), place)
        return visited is not None and self.since < visited < lapsed_at


def find_left_open(session: Session, histories: Sequence[PlaceHistory]) -> Mapping[str, Mapping[str, int]]:
    """Return, by desk and place, the ids of superseded `open` rows whose places were never seen closed."""
    asked = [(each, place) for each in histories for place in sorted(each.places)]
    if not asked:
        return {}
    of_desk = {each.desk_id: each for each in histories}
    given = {"desks": [each.desk_id for each, _ in asked], "places": [place for _, place in asked]}
    found: dict[str, dict[str, int]] = {}
    for row in session.execute(_LEFT, given):
        if of_desk[row.desk_id].stayed_open(row.place_key, row.lapsed_at):
            found.setdefault(row.desk_id, {})[row.place_key] = row.id
    return found
