"""Slot alerts that were written and sent, with the instants of their way."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from api.models.base import new_id, session
from api.models.notification import Notification, Priority, State
from api.models.user import Channel
from api.paging import first_id_at

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)


def message(at: datetime = NINE, took: float | None = 1, user: UUID | None = None, **other: Any) -> UUID:
    """Write a slot alert whose page was read at an instant; `took`: seconds until it was accepted."""
    accepted = at + timedelta(seconds=took) if took is not None else None
    # The order of ids is that of time, which a frozen clock does not stop.
    made = UUID(int=first_id_at(at).int | new_id().int & (1 << 64) - 1)
    columns = {
        "state": State.SENT if accepted else State.PENDING, "channel": Channel.EMAIL, "kind": "slot_detected",
        "committed_at": at, "matched_at": at, "address": None if user else "x@example.org",
    } | other  # fmt: skip
    with session() as s:
        s.add(
            Notification(
                id=made, user_id=user, priority=Priority.CRITICAL, dedupe_key=str(made), created_at=at, seen_at=at,
                accepted_at=accepted, next_attempt_at=at, next_nudge_at=at, **columns,
            )
        )  # fmt: skip
    return made
