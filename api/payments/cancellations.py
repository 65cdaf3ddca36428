"""Ends of subscriptions: our row says when one shall end, or that it goes on; then Stripe is asked until it agrees."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.models.base import session as open_session
from api.models.declaration import OPEN_DECLARATION, Declaration, DeclarationKind
from api.models.payment import Subscription
from api.payments import notices
from api.payments.effects import Effects
from api.payments.errors import StripeAway, StripeRefused
from api.payments.owners import find_stripe_id
from configs.clock import clock
from configs.settings import settings

AT_ONCE = 100  # in one round of the sweep
_LONGEST_WAIT = timedelta(minutes=5)
_MISSING = "resource_missing"  # it has ended already; its own event says when

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CancelCall:
    """What Stripe is asked for: to end a subscription at `at`, now where that is over; None: not to end it."""

    stripe_id: str
    at: datetime | None


def request_cancellation(session: Session, subscription_id: UUID, at: datetime) -> None:
    """Write that a subscription shall end at `at`; an earlier end that is wanted already stays.

    The sweep asks Stripe after the commit, within seconds.
    """
    row = session.get_one(Subscription, subscription_id, with_for_update=True, populate_existing=True)
    if row.ended_at or (row.cancel_wanted_at and row.cancel_wanted_at <= at):
        return
    row.cancel_wanted_at, row.next_attempt_at, row.attempts = at, clock(), 0
    session.flush()


def take_back_cancellation(session: Session, subscription_id: UUID) -> None:
    """Write that a subscription goes on; the sweep tells Stripe. A call that is under way has its answer first."""
    row = session.get_one(Subscription, subscription_id, with_for_update=True, populate_existing=True)
    if row.ended_at or row.cancel_wanted_at is None:
        return
    row.next_attempt_at = max(row.next_attempt_at or clock(), clock())
    row.cancel_wanted_at, row.attempts = None, 0
    session.flush()


def undo_notices(session: Session, subscription_id: UUID) -> None:
    """Undo what was declared to end a subscription and has not taken effect."""
    mine = sa.update(Declaration).where(
        Declaration.subscription_id == subscription_id,
        Declaration.kind == DeclarationKind.CANCELLATION,
        Declaration.takes_effect_at > clock(),
        sa.text(OPEN_DECLARATION),
    )
    session.execute(mine.values(undone_at=clock()))


def find_due_cancellations(session: Session, most: int = AT_ONCE) -> list[UUID]:
    """Return the subscriptions whose end Stripe is to be asked for now; those of deleted accounts too."""
    now = clock()
    due = (Subscription.next_attempt_at <= now) | (Subscription.next_attempt_at > now + 2 * _LONGEST_WAIT)
    found = (
        sa.select(Subscription.id)
        .where(due | _is_orphan())
        .order_by(Subscription.next_attempt_at)
        .limit(most)
    )
    return list(session.scalars(found))


def _is_orphan() -> sa.ColumnElement[bool]:
    """Return whether a subscription goes on though its account was deleted."""
    return sa.and_(
        Subscription.user_id.is_(None),
        Subscription.cancel_wanted_at.is_(None),
        Subscription.ended_at.is_(None),
    )


def ask_for_cancellation(subscription_id: UUID) -> None:
    """Ask Stripe to end a subscription as our row says, or not to. Repeated, it changes nothing more."""
    from api.payments import subscription_calls  # noqa: PLC0415 -- late: it imports us

    with open_session() as s:
        wanted = _take_turn(s, subscription_id)
    if wanted is None:
        return
    try:
        subscription_calls.set_end(wanted)
    except StripeAway as error:
        log.warning("a cancellation waits for Stripe", subscription=str(subscription_id), because=str(error))
        return
    except StripeRefused as error:
        log.warning("a cancellation was refused", subscription=str(subscription_id), because=error.code)
        if error.code != _MISSING:
            if (
                wanted.at is None or wanted.at <= clock()
            ):  # before, Stripe's clock may be ahead: then it is asked to end it now
                _report_refusal(subscription_id, "end" if wanted.at else "go on", error)
            return
    with open_session() as s:
        done = sa.update(Subscription).where(
            Subscription.id == subscription_id, Subscription.cancel_wanted_at.is_not_distinct_from(wanted.at)
        )
        s.execute(done.values(next_attempt_at=None))


def _take_turn(session: Session, subscription_id: UUID) -> CancelCall | None:
    row = session.get(Subscription, subscription_id, with_for_update=True)
    if row is None:
        return None
    if row.ended_at:
        row.next_attempt_at = None
        return None
    if row.user_id is None and row.cancel_wanted_at is None:
        row.cancel_wanted_at = row.next_attempt_at = clock()
    if row.next_attempt_at is None:
        return None
    wait = min(timedelta(seconds=settings().stripe_retry_seconds * 2 ** min(row.attempts, 20)), _LONGEST_WAIT)
    row.next_attempt_at, row.attempts = clock() + wait, row.attempts + 1
    stripe_id = find_stripe_id(session, row, "subscription")
    return CancelCall(stripe_id, row.cancel_wanted_at) if stripe_id else None


def _report_refusal(subscription_id: UUID, wish: str, error: StripeRefused) -> None:
    """Tell the admins, once: the subscription goes on, and would be charged, until Stripe takes the next attempt."""
    detail = f"subscription {subscription_id} shall {wish}, and Stripe refuses: {error.code}"
    with open_session() as s:
        mails = notices.tell_admins(s, "difference", detail, key=f"cancellation:{subscription_id}")
    Effects(mails=mails).run()
