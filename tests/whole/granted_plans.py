"""Plans that are given without a purchase, for journeys that are about something else."""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.user import Grant, User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from deploy.local.stack import Stack


def grant_plan(stack: Stack, email: str) -> None:
    """Give a user the largest plan for a month."""
    engine, now = sa.create_engine(stack.environment["DATABASE_URL"]), clock()
    with Session(engine) as session, session.begin():
        user = session.scalars(sa.select(User.id).where(User.email == email)).one()
        month = now + timedelta(days=30)
        session.add(
            Grant(user_id=user, plan=PlanName.URGENCE_TOTAL, starts_at=now, ends_at=month, source="test")
        )
