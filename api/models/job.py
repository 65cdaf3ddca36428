"""Background jobs: when each is due, whose turn it is, and how the last one ended."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base
from configs.programs.loop_report import BACKGROUND

JOB_QUEUES = PAYMENTS, MAINTENANCE = tuple(BACKGROUND)


class JobResult(StrEnum):
    """How a job ended the last time."""

    DONE = "done"
    FAILED = "failed"


class JobState(Base):
    """A job of api/jobs/schedule.py. A worker has its turn until `turn_ends_at`; then another may take it."""

    __tablename__ = "jobs"

    name: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]  # the next time; sooner where the last attempt failed
    started_at: Mapped[datetime | None]  # the newest attempt; no two start at the same microsecond
    turn_ends_at: Mapped[datetime | None]  # while a worker has it, which renews its turn as long as it works
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")  # that failed, or whose worker died
    ended_at: Mapped[datetime | None]  # done, or failed for good
    failed_at: Mapped[datetime | None]  # the last time that it failed for good
    error: Mapped[str | None]  # the class of the last attempt's error; the log has the rest
    counts: Mapped[dict[str, Any] | None]  # what it returned the last time
    done_for: Mapped[datetime | None]  # the due time of the last time that it was done

    __table_args__ = (sa.CheckConstraint("attempts >= 0", name="attempts"),)

    @property
    def result(self) -> JobResult | None:
        """How it ended the last time."""
        if self.ended_at is None:
            return None
        return JobResult.FAILED if self.failed_at == self.ended_at else JobResult.DONE

    @property
    def free_at(self) -> datetime:
        """Since when, or from when on, a worker may take it."""
        return self.turn_ends_at or self.due_at
