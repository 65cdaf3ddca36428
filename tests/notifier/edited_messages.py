"""Steps of the tests about edited messages: slots that are announced and go, and the job that edits."""

from datetime import datetime, timedelta
from uuid import UUID

import time_machine

from api.background import jobs
from api.models.desk import DeskState
from api.models.notice import Notice
from configs.ground.clock import clock
from notifier.jobs import deliver
from tests.notifier.world import (
    DESK,
    MORNING,
    all_of,
    change,
    detection,
    gone,
    matched,
    notifications,
    slots,
)  # fmt: skip


def announce(*moments: datetime) -> list[int]:
    """Open slots, and deliver the alerts about them; return the ids of the slots."""
    opened = slots(moments or [MORNING])
    deliver(*map(str, matched(detection(opened))))
    return opened


def write_edits() -> list[UUID]:
    """Run the job; return the edits that it wrote."""
    before = {each.id for each in notifications()}
    jobs.mark_gone_slots()
    return [each.id for each in notifications() if each.id not in before]


def run_job() -> list[UUID]:
    """Run the job, and deliver what it wrote; return that."""
    written = write_edits()
    deliver(*map(str, written))
    return written


def stay_gone(frozen: time_machine.Traveller, ids: list[int], desk_id: str = DESK) -> None:
    """Close slots, let the time pass in which they may return, and have a check begin."""
    gone(ids)
    frozen.shift(timedelta(minutes=5))
    prove(desk_id)


def prove(desk_id: str = DESK) -> None:
    """Have a conclusive check begin now."""
    change(DeskState, desk_id, last_proven_at=clock())


def marked() -> list[bool]:
    """Return which notices are marked as gone, the oldest first."""
    return [each.gone_at is not None for each in sorted(all_of(Notice), key=lambda each: each.id)]
