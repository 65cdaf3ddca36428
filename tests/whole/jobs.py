"""Jobs of the background program, run now in place of at their time."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.models.base import new_id
from api.models.job_run import JobRun
from configs.ground.clock import clock
from deploy.local.stack import Stack
from tests.waiting import until
from tests.whole.visitor import LOOK


def run_job(stack: Stack, name: str) -> dict[str, Any]:
    """Have a background job run now, after the run that is under way; return its counts."""
    run_id = new_id()
    engine = sa.create_engine(stack.environment["DATABASE_URL"])

    def begun() -> bool:
        try:
            with Session(engine) as session, session.begin():
                session.add(JobRun(id=run_id, job=name, due_at=clock(), next_nudge_at=clock()))
        except IntegrityError:  # a job has one open run
            return False
        return True

    until(begun, pause=LOOK)

    def ended() -> JobRun | None:
        with Session(engine) as session:
            run = session.get_one(JobRun, run_id)
            return run if run.ended_at else None

    run: JobRun = until(ended, pause=LOOK)
    assert run.error is None
    return run.counts or {}
