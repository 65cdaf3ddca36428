"""Background jobs as operators see them."""

from collections.abc import Sequence

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.ground.paging import Found
from api.ground.schemas import Body
from api.models.base import session
from api.models.job import JobResult, JobState


class JobQuery(Body):
    """A background job, or those that ended so the last time."""

    job: str | None = Field(None, max_length=60)
    result: JobResult | None = None


def list_jobs(work: Session, wanted: JobQuery) -> Found[JobState]:
    """Return the background jobs that are wanted, in the order of their names."""
    rows = work.scalars(sa.select(JobState).order_by(JobState.name))
    return Found(
        [each for each in rows if wanted.job in (None, each.name) and wanted.result in (None, each.result)]
    )


def list_job_names() -> Sequence[str]:
    """Return the names of all background jobs, in order."""
    with session() as s:
        return s.scalars(sa.select(JobState.name).order_by(JobState.name)).all()
