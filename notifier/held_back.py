"""Alerts that were due when their detection was matched, and are held back: rows with the reason, which never leave.

One row for each contact, desk, reason and span of RETELL_SECONDS: a desk that flickers a thousand times in half an
hour writes two of them at most. Rounds of rearming write none: they find again what a detection left.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import new_id
from api.models.notification import State
from api.models.slot import Detection
from notifier.matching import RETELL_SECONDS, Announced, Candidate
from notifier.message_kind_base import Skip
from notifier.message_kinds import SLOT_DETECTED
from notifier.open_slots import OpenSlots
from notifier.recipients import Recipient

TOLD_RECENTLY = Skip(State.SKIPPED, "told recently")
GONE = Skip(State.EXPIRED, "slots gone")  # as where they go before their message leaves

# In the order of the keys, so that of two detections of a desk none waits for the other and is waited for.
_WRITE = sa.text("""
INSERT INTO notifications
  (id, user_id, contact_id, channel, kind, language, priority, params, dedupe_key, state, reason,
   seen_at, matched_at, created_at, failed_at, next_attempt_at, next_nudge_at)
SELECT id, user_id, contact_id, channel, :kind, language, 'critical',
  jsonb_build_object('detection_id', CAST(:detection_id AS text), 'desk_id', CAST(:desk_id AS text)),
  dedupe_key, state, reason, :seen_at, :now, :now, :now, :now, :now
FROM unnest(CAST(:id AS uuid[]), CAST(:user_id AS uuid[]), CAST(:contact_id AS uuid[]), CAST(:channel AS text[]),
  CAST(:language AS text[]), CAST(:dedupe_key AS text[]), CAST(:state AS text[]), CAST(:reason AS text[]))
  AS h(id, user_id, contact_id, channel, language, dedupe_key, state, reason)
ORDER BY dedupe_key
ON CONFLICT (dedupe_key) DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Why a user gets no message of a detection, and the language of the alert that waits."""

    how: Skip
    language: str | None


def find_held_back(
    rest: Iterable[Candidate], slots: OpenSlots, announced: Mapping[UUID, Announced]
) -> dict[UUID, HeldBack]:
    """Return by user why alerts that wait, and are not notified, get nothing of these slots, gone ones among them.

    An alert that was told of these very openings was not held back: its message came before, by a catch-up.
    """
    held: dict[UUID, HeldBack] = {}
    for each in rest:
        wanted = slots.find_passing(each.limits)
        told, lately = announced.get(each.alert_id, Announced())
        if wanted & lately:
            held[each.user_id] = HeldBack(TOLD_RECENTLY, each.language)
        elif wanted & ~told:
            held.setdefault(each.user_id, HeldBack(GONE, each.language))
    return held


def write_held_back(
    session: Session,
    detection: Detection,
    held: Mapping[UUID, HeldBack],
    reached: Sequence[Recipient],
    now: datetime,
) -> None:
    """Write a row for each contact that would have been sent a message, in one statement."""
    if not reached:
        return
    span = int(detection.seen_at.timestamp() // RETELL_SECONDS)
    hows = [held[each.user_id] for each in reached]
    pairs = list(zip(reached, hows, strict=True))
    parameters = {
        "now": now,
        "kind": SLOT_DETECTED,
        "seen_at": detection.seen_at,
        "detection_id": str(detection.id),
        "desk_id": detection.desk_id,
        "id": [str(new_id()) for _ in reached],
        "user_id": [str(each.user_id) for each in reached],
        "contact_id": [str(each.contact_id) for each in reached],
        "channel": [each.channel for each in reached],
        "language": [each.pick_language(why.language) for each, why in pairs],
        "dedupe_key": [
            f"held:{why.how.reason}:{detection.desk_id}:{span}:{each.contact_id}" for each, why in pairs
        ],
        "state": [why.how.state for why in hows],
        "reason": [why.how.reason for why in hows],
    }
    session.execute(_WRITE, parameters)
