"""Runs of background jobs: when each is due, who works on it, and how it ended."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column, new_id

JOB_QUEUES = PAYMENTS, MAINTENANCE = ("payments", "maintenance")


class JobResult(StrEnum):
    """How a run ended."""

    DONE = "done"
    FAILED = "failed"


class JobRun(Base):
    """One run of a job of api/background/schedule.py. A job has at most one run that has not ended.

    The row carries its lease: the worker with `lease_token` owns the run until `lease_until`, and renews it.
    """

    __tablename__ = "job_runs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    job: Mapped[str]
    due_at: Mapped[datetime]
    started_at: Mapped[datetime | None]  # by its last worker
    ended_at: Mapped[datetime | None]
    result: Mapped[JobResult | None] = mapped_column(enum_column(JobResult, "result"))
    error: Mapped[str | None]  # the class of the last attempt's error; the log has the rest
    counts: Mapped[dict[str, Any] | None]  # what the job returned
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    nudges: Mapped[int] = mapped_column(default=0, server_default="0")
    next_nudge_at: Mapped[datetime]

    __table_args__ = (
        sa.UniqueConstraint("job", "due_at"),
        sa.CheckConstraint("(ended_at IS NULL) = (result IS NULL)", name="ended_with_result"),
        sa.CheckConstraint("(lease_token IS NULL) = (lease_until IS NULL)", name="lease"),
        sa.Index("uq_job_runs_open", "job", unique=True, postgresql_where=sa.text("ended_at IS NULL")),
        sa.Index("ix_job_runs_due_at", "due_at"),
    )
