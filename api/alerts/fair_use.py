"""Limits of alerts: those of the plan, its calls, and fair use."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import find_entitlement, list_plans_above
from api.alerts.targets import get_prefecture_id, select_waiting
from api.ground.errors import ApiError
from api.ground.schemas import PlanAnswer
from api.models.alert import FREE_ALERTS, Alert
from api.models.payment import Payment
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from configs.ground.text import pluralize
from configs.settings import Constant
from configs.world.plan import PlanName, plans

# How many prefectures a plan without a fixed number of alerts may watch at once (fair use)
fair_use_prefectures = Constant("FAIR_USE_PREFECTURES", 10)
# How many alerts one person may keep, the paused ones counted
fair_use_alerts = Constant("FAIR_USE_ALERTS", 100)

_DAY = timedelta(days=1)


def check_plan(session: Session, user_id: UUID, prefecture_id: str, *, besides: UUID | None = None) -> None:
    """Refuse one more enabled alert where the plan does not allow it. `besides`: an alert that it replaces.

    Raises:
        ApiError: 402 without a plan or beyond its alerts, 409 beyond fair use.
    """
    held = find_entitlement(session, user_id, clock()).plan
    offers = [PlanAnswer.of(each) for each in list_plans_above(held)]
    if held.name is PlanName.NONE:
        raise ApiError(402, "plan-needed", "an alert needs a plan: choose one of `plans`", plans=offers)
    mine = select_waiting(user_id).where(Alert.id != besides, ~Alert.is_free)
    waiting = session.scalars(mine).all()
    if held.alerts is not None and len(waiting) >= held.alerts:
        detail = f"{held.name} carries {pluralize(held.alerts, 'alert')} at once: pause one, or choose one of `plans`"
        raise ApiError(402, "plan-limit", detail, plans=offers)
    most = fair_use_prefectures()
    if len({prefecture_id, *(get_prefecture_id(alert.targets) for alert in waiting)}) > most:
        raise ApiError(409, "fair-use", f"alerts may be about {most} prefectures at once: pause another one")


def drop_oldest_closed(session: Session, user_id: UUID) -> None:
    """Delete the alerts of a user that were closed first, beyond as many as may wait; those of an order stay."""
    closed = sa.select(Alert.id).where(Alert.user_id == user_id, Alert.closed_at.is_not(None))
    oldest = closed.order_by(Alert.closed_at.desc(), Alert.id.desc()).offset(fair_use_alerts())
    ordered = sa.exists().where(Payment.alert_id == Alert.id)
    session.execute(sa.delete(Alert).where(Alert.id.in_(oldest), ~ordered))


def check_made_today(session: Session, user_id: UUID) -> None:
    """Limit how many alerts are made in a day, closed ones included: each is a row, and stays for a while."""
    most = fair_use_alerts()
    if _count_alerts(session, user_id, Alert.created_at > clock() - _DAY) >= most:
        detail = f"{pluralize(most, 'alert')} a day can be made: wait until tomorrow, or change one"
        raise ApiError(
            429, "too-many-requests", detail, headers={"Retry-After": str(int(_DAY.total_seconds()))}
        )


def check_waiting_count(session: Session, user_id: UUID, *, is_free: bool = False) -> None:
    """Limit the alerts that need no plan; those that wait for a desk to be watchable only where no plan is held.

    `is_free`: one more is to be served by people's reports.

    Raises:
        ApiError: 409, there are three already.
    """
    if not is_free and find_entitlement(session, user_id, clock()).plan.name is not PlanName.NONE:
        return
    if (
        _count_alerts(session, user_id, Alert.awaits_watch | Alert.is_free, Alert.closed_at.is_(None))
        >= FREE_ALERTS
    ):
        detail = f"{FREE_ALERTS} alerts need no plan, and you keep them already: delete one first"
        raise ApiError(409, "fair-use", detail)


def check_alert_count(session: Session, user_id: UUID) -> None:
    """Limit all alerts, paused ones included: lists and messages of the user go through all of them."""
    most = fair_use_alerts()
    if _count_alerts(session, user_id, Alert.closed_at.is_(None)) >= most:
        raise ApiError(
            409, "fair-use", f"you keep {most} alerts already, waiting or paused: delete one first"
        )


def _count_alerts(session: Session, user_id: UUID, *which: sa.ColumnElement[bool]) -> int:
    return session.scalars(sa.select(sa.func.count()).where(Alert.user_id == user_id, *which)).one()


@dataclass(frozen=True, slots=True)
class CallOffer:
    """Whether a user may choose calls now."""

    in_plan: bool
    has_number: bool  # confirmed, and reachable


def read_call_offer(session: Session, user_id: UUID) -> CallOffer:
    """Return whether a user's plan has calls, and whether there is a number to call."""
    held = find_entitlement(session, user_id, clock()).plan
    number = sa.select(sa.literal(1)).where(
        Contact.user_id == user_id,
        Contact.channel == Channel.SMS,
        Contact.verified_at.is_not(None),
        Contact.state == ContactState.OK,
    )
    return CallOffer(Channel.VOICE.value in held.channels, session.scalar(number.limit(1)) is not None)


def check_calls(offer: CallOffer) -> None:
    """Refuse calls to who may not have them.

    Raises:
        ApiError: 402 where no plan of the user has calls, 409 without a confirmed number.
    """
    if not offer.in_plan:
        offers = [PlanAnswer.of(each) for each in plans().values() if Channel.VOICE.value in each.channels]
        raise ApiError(
            402, "plan-needed", "calls need a plan that has them: choose one of `plans`", plans=offers
        )
    if not offer.has_number:
        detail = "confirm a phone number first: PATCH /api/users/profile with `phone`"
        raise ApiError(409, "not-linked", detail)
