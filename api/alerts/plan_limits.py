"""Limits of alerts by plan, and the signs that an account hoards slots."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import find_entitlement, lock_user
from api.accounts.service import give_plan, write_to_admins
from api.alerts.fair_use import fair_use_prefectures
from api.alerts.health_consent import note_health_consent
from api.alerts.service import record_desk_changes, wake_alerts
from api.alerts.targets import get_prefecture_id, select_waiting
from api.alerts.unwatched import record_unwatched
from api.alerts.wishes import ResolvedWish
from api.ground.messages import write_message
from api.models.alert import Alert, AlertTarget, ClosedBecause
from api.models.base import new_id
from api.models.payment import Payment
from api.models.user import Grant, User
from configs.ground.clock import clock
from configs.settings import Constant
from configs.world.plan import PlanName, plans
from configs.world.prefecture import prefectures

# How many desks one person may watch within 30 days before the admins get a message; nobody is blocked
_fair_use_desks = Constant("FAIR_USE_DESKS", 60)
# How often one person may report an appointment as found within 30 days before the admins get a message
_FAIR_USE_FOUND = 3

WINDOW = timedelta(days=30)


def start_plan(session: Session, user: User, name: PlanName, lasts: timedelta, source: str) -> Grant:
    """Give a user a plan; pause the alerts that it does not carry, and wake those that it does."""
    grant = give_plan(session, user, name, lasts, source)
    session.flush()
    pause_excess_alerts(session, user.id)
    wake_alerts(session, user.id, "plan began")
    return grant


def pause_excess_alerts(session: Session, user_id: UUID) -> None:
    """Pause a user's newest alerts beyond what the present plan carries."""
    lock_user(session, user_id)
    held = find_entitlement(session, user_id, clock()).plan
    if held.name is PlanName.NONE or held.alerts is None:
        return
    carried = select_waiting(user_id).where(~Alert.is_free, ~_has_later_plan(clock()))
    waiting = session.scalars(carried.order_by(Alert.created_at, Alert.id)).all()
    paused = waiting[held.alerts :]
    if not paused:
        return
    record_unwatched(session, user_id, clock())
    for alert in paused:
        alert.enabled = False
        record_desk_changes(session, alert, "alert paused: smaller plan")
    _report(session, user_id, paused, held.alerts)


def add_paused_alert(session: Session, user_id: UUID, found: ResolvedWish) -> Alert:
    """Add an alert that the plan cannot carry beside the others, and tell its user."""
    alert = Alert(
        user_id=user_id,
        name=found.wish.name,
        language=found.wish.language,
        targets=found.targets,
        created_at=clock(),
        enabled=False,
    )
    note_health_consent(alert, found.targets)
    session.add(alert)
    held = find_entitlement(session, user_id, clock()).plan
    _report(session, user_id, [alert], held.alerts or fair_use_prefectures())
    return alert


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
        .where(Alert.enabled, ~Alert.is_free, Alert.closed_at.is_(None), ~_has_later_plan(now))
        .group_by(Alert.user_id, held.c.most)
        .having(sa.func.count() > held.c.most)
    )
    return list(session.scalars(query))


def _has_later_plan(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that an alert was ordered with a plan that has not begun: it waits for that one."""
    ordered = (Payment.alert_id == Alert.id, Grant.payment_id == Payment.id)
    return sa.exists().where(*ordered, Grant.starts_at > now)


def _report(session: Session, user_id: UUID, paused: Sequence[Alert], limit: int) -> None:
    session.flush()
    places = list(dict.fromkeys(get_prefecture_id(alert.targets) for alert in paused))
    write_message(
        session,
        user_id,
        kind="alerts_paused",
        params={"prefectures": places, "count": len(paused), "limit": limit},
        dedupe_key=f"alerts-paused:{new_id()}",
    )


def tell_hoarding(session: Session) -> None:
    """Write to the admins about each account beyond fair use."""
    now = clock()
    for user, (desks, found) in find_heavy_use(session, now - WINDOW).items():
        params = {"user": str(user), "desks": desks, "found": found}
        write_to_admins(session, "hoarding", params, f"hoarding:{user}:{now:%Y-%m}")


def find_heavy_use(session: Session, since: datetime) -> dict[UUID, tuple[int, int]]:
    """Return how many desks were watched and appointments found, by account that exceeds fair use in one of them."""
    was_found = (Alert.closed_because == ClosedBecause.FOUND, Alert.closed_at > since)
    found = Counter(session.scalars(sa.select(Alert.user_id).where(*was_found)))
    desks = Counter(user_id for user_id, _ in set(_list_desks(session, since)))
    heavy = {user for user, times in found.items() if times > _FAIR_USE_FOUND}
    heavy |= {user for user, number in desks.items() if number > _fair_use_desks()}
    return {each: (desks[each], found[each]) for each in sorted(heavy)}


def _list_desks(session: Session, since: datetime) -> Iterator[tuple[UUID, str]]:
    """Yield the desks of alerts that were open since; targets that an edit replaced are gone, and not counted."""
    columns = (Alert.user_id, AlertTarget.desk_id, AlertTarget.prefecture_id, AlertTarget.procedure)
    was_open = sa.or_(Alert.closed_at.is_(None), Alert.closed_at > since)
    query = sa.select(*columns).join(AlertTarget.alert).where(was_open).distinct()
    for user_id, desk_id, prefecture_id, procedure in session.execute(query):
        if desk_id is not None:
            yield user_id, desk_id
        elif place := prefectures().get(prefecture_id or ""):
            yield from ((user_id, each.id) for each in place.desks if procedure in each.procedures)
