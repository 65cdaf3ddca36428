"""Giving back paid time without watching: a short plan lasts longer, a subscription's next invoice is lower, or money.

The user chooses money instead (L.224-25-21 to -23 Code de la consommation) in the profile. Where the plan cannot go on,
because it was replaced or cancelled, it is money too.
"""

from collections.abc import Iterable
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
    Refund,
    RefundReason,
    StripeId,
    Subscription,
)
from api.models.user import OutageCredit, User
from api.models.watch_credit import CreditForm, WatchCredit
from api.payments.effects import Effects
from api.payments.errors import StripeAway, StripeRefused
from api.payments.former_customers import find_customer
from api.payments.grants import CREDIT, add_grant, find_plan_end, measure_use
from api.payments.ledger import has_event, lock_payment
from api.payments.plan_credits import FOR_TIME, has_plan, sum_value
from api.payments.postings import post_reclaimed, post_unwatched
from api.payments.refunds import ask_for_refund, plan_refunds
from api.payments.watch_gaps import Hole, find_holes
from configs.clock import clock
from configs.plan import plan

_WAIT = timedelta(minutes=5)

log = structlog.get_logger(__name__)


def give_back(session: Session, payment_id: UUID) -> Effects:
    """Give back the holes of a payment that are over. Repeated, it gives nothing more."""
    payment, now = lock_payment(session, payment_id), clock()
    effects = Effects()
    if payment.user_id is None or not has_plan(session, payment, *FOR_TIME):
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


def list_unborne(session: Session) -> list[UUID]:
    """Return the credits for an invoice that shall go back as money, or must: their subscription ends, or has."""
    waits = WatchCredit.created_at >= Subscription.period_starts_at  # no invoice was made since
    wanted = sa.or_(
        Subscription.cancel_wanted_at.is_not(None),
        Subscription.cancel_at.is_not(None),
        User.outage_credit == OutageCredit.REFUND,
    )
    query = (
        sa.select(WatchCredit.id)
        .join(Payment, Payment.id == WatchCredit.payment_id)
        .join(Subscription, Subscription.id == Payment.subscription_id)
        .outerjoin(User, User.id == Payment.user_id)
        .where(WatchCredit.form == CreditForm.INVOICE, WatchCredit.amount_cents > 0)
        .where(WatchCredit.borne_by_id.is_(None), _is_over() | (waits & wanted))
    )
    return list(session.scalars(query.order_by(WatchCredit.id).limit(100)))


def _is_over() -> sa.ColumnElement[bool]:
    """Return the condition that a subscription's invoices are not collected any more."""
    return Subscription.ended_at.is_not(None) | (Subscription.status == "unpaid")


def reclaim(credit_id: UUID) -> None:
    """Have a credit not lower an invoice, and pay it instead; nothing where a paid invoice bears it. Repeatable."""
    from api.payments import credit_calls  # noqa: PLC0415 -- late: it imports us

    with open_session() as s:
        credit = s.get_one(WatchCredit, credit_id)
        payment = s.get_one(Payment, credit.payment_id)
        over = sa.select(Subscription.id).where(Subscription.id == payment.subscription_id, _is_over())
        ended = s.scalar(over) is not None
        customer = _find_customer(s, payment)
    try:
        if customer and not credit_calls.take_back(credit_id, customer, ended=ended):
            return
    except (StripeAway, StripeRefused) as error:
        log.warning("a credit cannot be taken back yet", credit=str(credit_id), because=str(error))
        return
    with open_session() as s:
        effects = pay_instead(s, credit_id)
    effects.run(ask_for_refund)


def note_borne(session: Session, payment: Payment, credits_: Iterable[UUID]) -> None:
    """Write that the paid invoice of a renewal was lowered by these credits: its period is worth them too."""
    mine = sa.update(WatchCredit).where(
        WatchCredit.id.in_(list(credits_)), WatchCredit.form == CreditForm.INVOICE
    )
    session.execute(mine.values(borne_by_id=payment.id, next_attempt_at=None))


def _find_customer(session: Session, payment: Payment) -> str | None:
    """Return whom Stripe takes for the payer of a subscription, also after the account is gone."""
    mine = sa.select(User.stripe_customer_id).where(User.id == payment.user_id)
    return payment.stripe_customer_id or session.scalar(mine) or find_customer(session, payment.id)


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
    amount = _price(session, payment, hole, now)
    refunds: list[Refund] = []
    if form is CreditForm.REFUND:
        refunds = plan_refunds(session, payment, amount, RefundReason.OUTAGE, upgrades=True)
        amount = sum(each.amount_cents for each in refunds)
    credit = WatchCredit(
        id=new_id(),
        payment_id=payment.id,
        starts_at=hole.starts_at,
        ends_at=hole.ends_at,
        form=form,
        amount_cents=amount,
        refund_id=refunds[0].id if refunds else None,
        created_at=now,
        next_attempt_at=now if form is CreditForm.INVOICE and amount else None,
    )
    if form is CreditForm.INVOICE:
        post_unwatched(session, payment.id, credit.id, amount)
    ends = _extend(session, payment, hole, now) if form is CreditForm.TIME else None
    effects.refunds += [each.id for each in refunds]
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


def _price(session: Session, payment: Payment, hole: Hole, now: datetime) -> int:
    """Return the share of the price, in proportion to the time that was paid, rounded up to the cent."""
    bought = measure_use(session, payment, now)[1]
    paid = sum_value(session, payment)  # of an upgraded plan the credit of the cheaper one too
    return min(-(-paid * hole.seconds // bought), paid) if bought else 0


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
    customer = _find_customer(session, payment)
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
    post_reclaimed(session, credit_id)
    refunds = plan_refunds(session, payment, credit.amount_cents, RefundReason.OUTAGE, upgrades=True)
    credit.form, credit.next_attempt_at = CreditForm.REFUND, None
    credit.amount_cents = sum(each.amount_cents for each in refunds)
    credit.refund_id = refunds[0].id if refunds else None
    return Effects(refunds=[each.id for each in refunds])
