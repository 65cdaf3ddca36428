"""Giving back paid time without watching: a short plan lasts longer, a subscription's next invoice is lower, or money.

The user chooses money instead (L.224-25-21 to -23 Code de la consommation) in the profile. Where the plan cannot go on,
because it was replaced or cancelled, it is money too.
"""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

import notifier
from api.models.base import new_id
from api.models.base import session as open_session
from api.models.payment import (
    Payment,
    PaymentEventKind,
    PaymentStatus,
    RefundReason,
    StripeId,
    Subscription,
)
from api.models.user import OutageCredit, User
from api.models.watch_credit import CreditForm, WatchCredit
from api.payments.effects import Effects
from api.payments.errors import StripeAway, StripeRefused
from api.payments.grants import CREDIT, add_grant, find_plan_end
from api.payments.ledger import has_event, lock_payment
from api.payments.plan_credits import measure_refundable, sum_value
from api.payments.refunds import ask_for_refund, plan_refund
from api.payments.watch_gaps import Hole, find_holes
from configs.clock import clock
from configs.plan import plan

_MONTH = timedelta(days=30)
_WAIT = timedelta(minutes=5)

log = structlog.get_logger(__name__)


def give_back(session: Session, payment_id: UUID) -> Effects:
    """Give back the holes of a payment that are over. Repeated, it gives nothing more."""
    payment, now = lock_payment(session, payment_id), clock()
    effects = Effects()
    if payment.status is not PaymentStatus.COMPLETED or payment.user_id is None:
        return effects
    for hole in find_holes(session, payment, now):
        _give(session, payment, hole, now, effects)
    return effects


def give_back_hole(session: Session, payment: Payment, hole: Hole) -> Effects:
    """Give back one time in which the plan of a locked payment did not run."""
    effects = Effects()
    _give(session, payment, hole, clock(), effects)
    return effects


def list_untold(session: Session) -> list[UUID]:
    """Return the credits that Stripe is to be told of now."""
    now = clock()
    due = (WatchCredit.next_attempt_at <= now) | (WatchCredit.next_attempt_at > now + 2 * _WAIT)
    untold = sa.select(WatchCredit.id).where(due)
    return list(session.scalars(untold.order_by(WatchCredit.next_attempt_at).limit(100)))


def list_stranded(session: Session) -> list[UUID]:
    """Return the credits for an invoice that will never be made: their subscription was cancelled meanwhile."""
    cancelled = sa.or_(
        Subscription.cancel_wanted_at.is_not(None),
        Subscription.cancel_at.is_not(None),
        Subscription.ended_at.is_not(None),
    )
    query = (
        sa.select(WatchCredit.id)
        .join(Payment, Payment.id == WatchCredit.payment_id)
        .join(Subscription, Subscription.id == Payment.subscription_id)
        .where(WatchCredit.form == CreditForm.INVOICE, WatchCredit.amount_cents > 0, cancelled)
        .where(WatchCredit.created_at >= Subscription.period_starts_at)  # no invoice was made since
        .where(Payment.status == PaymentStatus.COMPLETED)
    )
    return list(session.scalars(query.order_by(WatchCredit.id).limit(100)))


def tell_stripe(credit_id: UUID) -> None:
    """Have a credit taken off the subscription's next invoice. Repeated, it is taken off once."""
    from api.payments import credit_calls  # noqa: PLC0415 -- late: it imports us

    with open_session() as s:
        wanted = _take_turn(s, credit_id)
    if wanted is None:
        return
    customer, subscription, cents, repeated = wanted
    try:
        credit_calls.add_to_invoice(credit_id, customer, subscription, cents, repeated=repeated)
    except StripeAway as error:
        log.warning("a credit waits for Stripe", credit=str(credit_id), because=str(error))
        return
    except StripeRefused as error:  # the subscription has ended meanwhile: money instead
        log.warning("a credit was refused", credit=str(credit_id), because=error.code)
        with open_session() as s:
            effects = pay_instead(s, credit_id)
        effects.run(ask_for_refund)
        return
    with open_session() as s:
        s.execute(sa.update(WatchCredit).where(WatchCredit.id == credit_id).values(next_attempt_at=None))


def _give(session: Session, payment: Payment, hole: Hole, now: datetime, effects: Effects) -> None:
    form = _choose_form(session, payment, hole)
    amount = _price(session, payment, hole)
    if form is CreditForm.REFUND:
        amount = min(amount, measure_refundable(session, payment))
    credit = WatchCredit(
        id=new_id(),
        payment_id=payment.id,
        starts_at=hole.starts_at,
        ends_at=hole.ends_at,
        form=form,
        amount_cents=amount,
        created_at=now,
        next_attempt_at=now if form is CreditForm.INVOICE and amount else None,
    )
    ends = _extend(session, payment, hole, now) if form is CreditForm.TIME else None
    if form is CreditForm.REFUND and amount:
        refund = plan_refund(session, payment, amount, RefundReason.OUTAGE)
        credit.refund_id = refund.id
        effects.refunds.append(refund.id)
    session.add(credit)
    session.flush()
    effects.mails += _tell(session, payment, credit, hole, ends)


def _choose_form(session: Session, payment: Payment, hole: Hole) -> CreditForm:
    user = session.get_one(User, payment.user_id)
    if user.outage_credit is OutageCredit.REFUND or has_event(session, payment, PaymentEventKind.PLAN_ENDED):
        return CreditForm.REFUND
    if payment.subscription_id is None:
        return CreditForm.REFUND if _is_used_up(session, payment, hole) else CreditForm.TIME
    row = session.get_one(Subscription, payment.subscription_id)
    renews = row.ended_at is None and row.cancel_at is None and row.cancel_wanted_at is None
    return CreditForm.INVOICE if renews else CreditForm.REFUND


def _is_used_up(session: Session, payment: Payment, hole: Hole) -> bool:
    """Whether more time would be given than was bought: then the desks do not come back, and time is worth nothing."""
    given = sa.select(WatchCredit).where(
        WatchCredit.payment_id == payment.id, WatchCredit.form == CreditForm.TIME
    )
    before = sum((each.ends_at - each.starts_at).total_seconds() for each in session.scalars(given))
    return before + hole.seconds > (plan(payment.plan).duration_seconds or 0)


def _price(session: Session, payment: Payment, hole: Hole) -> int:
    """Return the share of the price, in proportion to time, rounded up to the cent."""
    bought = plan(payment.plan).duration_seconds
    if bought is None:
        row = session.get(Subscription, payment.subscription_id) if payment.subscription_id else None
        whole = (
            row.period_ends_at - row.period_starts_at
            if row and row.period_ends_at and row.period_starts_at
            else _MONTH
        )
        bought = round(whole.total_seconds())
    paid = sum_value(session, payment)  # of an upgraded plan the credit of the cheaper one too
    return min(-(-paid * hole.seconds // bought), paid)


def _extend(session: Session, payment: Payment, hole: Hole, now: datetime) -> datetime:
    """Add the time behind the user's plan of that name, or from now on; return its new end."""
    starts = find_plan_end(session, payment.user_id, payment.plan, now)
    ends = starts + timedelta(seconds=max(hole.seconds, 1))
    add_grant(session, payment, CREDIT, starts, ends)
    return ends


def _tell(
    session: Session, payment: Payment, credit: WatchCredit, hole: Hole, ends: datetime | None
) -> list[UUID]:
    if payment.user_id is None:
        return []
    params = {
        "payment": str(payment.id),
        "seconds": hole.seconds,
        "given": credit.form.value,
        "amount": credit.amount_cents,
        "ends": ends.isoformat() if ends else None,
    }
    return notifier.create_notifications(
        session, payment.user_id, "credited", params, f"credited:{credit.id}"
    )


def _take_turn(session: Session, credit_id: UUID) -> tuple[str, str, int, bool] | None:
    """Take the next attempt at a credit: Stripe's customer and subscription, the cents, whether it was tried before."""
    credit = session.get(WatchCredit, credit_id, with_for_update=True)
    if credit is None or credit.next_attempt_at is None:
        return None
    payment = session.get_one(Payment, credit.payment_id)
    named = sa.select(StripeId.id).where(StripeId.subscription_id == payment.subscription_id)
    subscription = session.scalar(named.where(StripeId.kind == "subscription"))
    customer = session.scalar(sa.select(User.stripe_customer_id).where(User.id == payment.user_id))
    credit.next_attempt_at = clock() + _WAIT
    credit.attempts += 1
    if not (subscription and customer):
        return None
    return customer, subscription, credit.amount_cents, credit.attempts > 1


def pay_instead(session: Session, credit_id: UUID) -> Effects:
    """Turn a credit for an invoice into a refund. Repeated, it changes nothing."""
    found = session.get_one(WatchCredit, credit_id)
    payment = lock_payment(session, found.payment_id)
    credit = session.get_one(WatchCredit, credit_id, with_for_update=True, populate_existing=True)
    if credit.form is not CreditForm.INVOICE:
        return Effects()
    left = measure_refundable(session, payment)
    credit.form, credit.next_attempt_at = CreditForm.REFUND, None
    credit.amount_cents = min(credit.amount_cents, left)
    if not credit.amount_cents:
        return Effects()
    refund = plan_refund(session, payment, credit.amount_cents, RefundReason.OUTAGE)
    credit.refund_id = refund.id
    return Effects(refunds=[refund.id])
