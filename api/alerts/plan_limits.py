"""Plans and the alerts that they carry: giving a plan, and pausing what a smaller one does not carry.

Both happen in one transaction where a grant is written. A grant may also begin or end later, by the clock alone: a
background job looks for that each minute. It reads the present state, not what happened since its last run, so that a
run that was missed costs nothing. Without any plan no alert is paused: nothing is sent then, and the next plan decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

import notifier
from api.accounts.entitlement import find_entitlement
from api.accounts.service import give_plan
from api.alerts.health_consent import note_health_consent
from api.alerts.schemas import NewAlert
from api.alerts.service import FAIR_USE_PREFECTURES, record_desk_changes, wake_alerts
from api.alerts.targets import build_targets, get_prefecture_id
from api.alerts.unwatched import record_unwatched
from api.models.alert import Alert
from api.models.base import new_id
from api.models.user import Grant, User
from configs.ground.clock import clock
from configs.world.plan import PlanName, plans


@dataclass(frozen=True, slots=True)
class StartedPlan:
    """A plan that was given, and what follows after the commit."""

    grant: Grant
    alerts: list[UUID]  # to catch up
    mails: list[UUID]  # to nudge


def start_plan(session: Session, user: User, name: PlanName, lasts: timedelta, source: str) -> StartedPlan:
    """Give a user a plan; pause the alerts that it does not carry, and wake those that it does."""
    grant = give_plan(session, user, name, lasts, source)
    session.flush()
    mails = pause_excess_alerts(session, user.id)
    return StartedPlan(grant, wake_alerts(session, user.id, "plan began"), mails)


def pause_excess_alerts(session: Session, user_id: UUID) -> list[UUID]:
    """Pause a user's newest alerts beyond what the present plan carries; return the notifications to nudge."""
    session.execute(sa.select(User.id).where(User.id == user_id).with_for_update(key_share=True))
    held = find_entitlement(session, user_id, clock()).plan
    if held.name is PlanName.NONE or held.alerts is None:
        return []
    waiting = session.scalars(
        sa.select(Alert)
        .where(Alert.user_id == user_id, Alert.enabled, Alert.closed_at.is_(None))
        .order_by(Alert.created_at, Alert.id)
        .options(selectinload(Alert.targets))
    ).all()
    paused = waiting[held.alerts :]
    if paused:
        record_unwatched(session, user_id, clock())
    for alert in paused:
        alert.enabled = False
        record_desk_changes(session, alert, "alert paused: smaller plan")
    return _report(session, user_id, paused, held.alerts) if paused else []


def add_paused_alert(session: Session, user_id: UUID, wish: NewAlert) -> tuple[Alert, list[UUID]]:
    """Add an alert that the plan cannot carry beside the others, and tell its user; return what to nudge too."""
    targets = build_targets(wish)
    alert = Alert(user_id=user_id, name=wish.name, targets=targets, created_at=clock(), enabled=False)
    note_health_consent(alert, targets)
    session.add(alert)
    held = find_entitlement(session, user_id, clock()).plan
    return alert, _report(session, user_id, [alert], held.alerts or FAIR_USE_PREFECTURES())


def find_users_over_limit(session: Session) -> list[UUID]:
    """Return the users with more enabled alerts than their present plan carries."""
    now = clock()
    numbers = {name: plan.alerts for name, plan in plans().items() if name is not PlanName.NONE}
    rank = sa.case(
        *((Grant.plan == name, sa.literal(10**9 if most is None else most)) for name, most in numbers.items())
    )
    held = (
        sa.select(Grant.user_id, sa.func.max(rank).label("most"))
        .where(Grant.starts_at <= now, Grant.ends_at > now)
        .group_by(Grant.user_id)
        .subquery()
    )
    query = (
        sa.select(Alert.user_id)
        .join(held, held.c.user_id == Alert.user_id)
        .where(Alert.enabled, Alert.closed_at.is_(None))
        .group_by(Alert.user_id, held.c.most)
        .having(sa.func.count() > held.c.most)
    )
    return list(session.scalars(query))


def _report(session: Session, user_id: UUID, paused: Sequence[Alert], limit: int) -> list[UUID]:
    session.flush()
    places = list(dict.fromkeys(get_prefecture_id(alert.targets) for alert in paused))
    return notifier.create_notifications(
        session,
        user_id,
        kind="alerts_paused",
        params={"prefectures": places, "count": len(paused), "limit": limit},
        dedupe_key=f"alerts-paused:{new_id()}",
    )
