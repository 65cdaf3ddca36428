"""Jobs of the background program, run now in place of at their time."""

from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from api.models.job import JobState
from configs.ground.clock import clock
from deploy.local.stack import Stack
from tests.waiting import until
from tests.whole.visitor import LOOK


def run_job(stack: Stack, name: str) -> dict[str, Any]:
    """Have a background job run now, after the turn that is under way; return its counts."""
    engine = create_engine(stack.environment["DATABASE_URL"])
    due = clock()

    def begun() -> bool:
        with Session(engine) as session, session.begin():
            row = session.get_one(JobState, name, with_for_update=True)
            if row.turn_ends_at is None:
                row.due_at = due
            return row.turn_ends_at is None

    until(begun, pause=LOOK)

    def ended() -> JobState | None:
        with Session(engine) as session:
            row = session.get_one(JobState, name)
            return (
                row
                if row.ended_at and row.ended_at >= due and row.started_at and row.started_at >= due
                else None
            )

    row: JobState = until(ended, pause=LOOK)
    assert row.error is None
    return row.counts or {}
