"""Messages lose their addresses and texts after MESSAGES_KEPT_FOR; their times and figures stay."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_of, session
from api.models.job_run import JobResult, JobRun
from api.models.notification import Notification, State
from api.paging import first_id_at
from api.retention import batches
from configs.clock import clock
from configs.settings import settings

JOB = "erase_messages"
_AGAIN = timedelta(days=7)  # of what the last run saw: messages that were still on their way then
_OPEN = (State.PENDING, State.SENDING)
# An address that stands in for a user is emptied: the row must have one of both.
_ERASED: dict[str, Any] = {
    "params": {},
    "provider_id": None,
    "address": sa.case((Notification.address.is_not(None), "")),
}


def erase_messages() -> int:
    """Erase the texts of old messages; return how many rows were read.

    Ids are UUIDv7: the rows lie in the primary key in the order of their time. A run begins a week before the end
    of the last one that was completed, and so does one that follows a killed one.
    """
    last_id, end = _find_begin(), first_id_at(clock() - settings().messages_kept_for)
    read = 0
    while True:
        with session() as s:
            ids = _erase_batch(s, last_id, end)
        read += len(ids)
        if len(ids) < batches.BATCH:
            return read
        last_id = ids[-1]


def _find_begin() -> UUID:
    runs = sa.select(sa.func.max(JobRun.due_at)).where(JobRun.job == JOB, JobRun.result == JobResult.DONE)
    with session() as s:
        last: datetime | None = s.scalar(runs)
    return first_id_at(last - settings().messages_kept_for - _AGAIN) if last else UUID(int=0)


def _erase_batch(s: Session, after: UUID, end: UUID) -> list[UUID]:
    ordered = sa.select(Notification.id).order_by(Notification.id).limit(batches.BATCH)
    ids = list(s.scalars(ordered.where(Notification.id > after, Notification.id < end)))
    has_text = sa.or_(
        Notification.params != {}, Notification.address != "", Notification.provider_id.is_not(None)
    )
    old = (is_any_of(Notification.id, ids), Notification.state.not_in(_OPEN), has_text)
    s.execute(
        sa.update(Notification).where(*old).values(_ERASED),
        execution_options={"synchronize_session": False},
    )
    return ids
