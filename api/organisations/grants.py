"""Grants of an organisation's people: URGENCE_TOTAL until the day that an operator named, or its end."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.service import wake_alerts
from api.models.organisation import GRANT_SOURCE, Beneficiary, Organisation
from api.models.user import Grant
from configs.ground.clock import clock
from configs.world.plan import PlanName


def apply_grant(session: Session, organisation: Organisation, people: Collection[UUID] | None = None) -> None:
    """Have the grants of its people, or of some, end when the organisation's does; alerts follow after the commit."""
    now = clock()
    ends = find_grant_end(organisation, now)
    mine = sa.select(Beneficiary.user_id).where(Beneficiary.organisation_id == organisation.id)
    if people is not None:
        mine = mine.where(Beneficiary.user_id.in_(people))
    for user_id in session.scalars(mine.order_by(Beneficiary.user_id)).all():
        _set_end(session, user_id, ends, now)
        wake_alerts(session, user_id, "the grant of an organisation changed")


def find_grant_end(organisation: Organisation, now: datetime) -> datetime:
    """Return until when its people have the grant; `now` where they have none."""
    if not organisation.is_open(now) or organisation.granted_until is None:
        return now
    return min(organisation.granted_until, organisation.ends_at or organisation.granted_until)


def end_grants(session: Session, user_id: UUID) -> None:
    """End the grant of a person whom the organisation helps no more."""
    _set_end(session, user_id, clock(), clock())
    wake_alerts(session, user_id, "plan ended")


def _set_end(session: Session, user_id: UUID, ends: datetime, now: datetime) -> None:
    running = sa.select(Grant).where(
        Grant.user_id == user_id, Grant.source == GRANT_SOURCE, Grant.ends_at > now
    )  # fmt: skip
    grant = session.scalars(running.with_for_update()).first()
    if grant is None and ends > now:
        session.add(
            Grant(
                user_id=user_id, plan=PlanName.URGENCE_TOTAL, starts_at=now, ends_at=ends, source=GRANT_SOURCE
            )
        )
    elif grant is not None and ends > grant.starts_at:
        grant.ends_at = ends
    elif grant is not None:
        session.delete(grant)
    session.flush()
