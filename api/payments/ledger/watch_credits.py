"""Giving back paid time without watching: a short plan lasts longer, a subscription's next invoice is lower, or money.

The user chooses money instead (L.224-25-21 to -23 Code de la consommation) in the profile. Where the plan cannot go on,
because it was replaced or cancelled, it is money too.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.alerts.unwatched import LATE, Hole, measure, record_unwatched, record_watching
from api.ground.messages import write_message
from api.models.payment import (
    CreditForm,
    Payment,
    PaymentEventKind,
    Refund,
    RefundReason,
    Subscription,
    Unwatched,
    WatchCredit,
)
from api.models.stripe_event import CommandKind
from api.models.user import Grant, OutageCredit, User
from api.payments.gateway.former_customers import find_customer
from api.payments.gateway.outbox import add_command
from api.payments.ledger.book import post_borne, post_reclaimed, post_unwatched, read_balances
from api.payments.ledger.grants import CREDIT, add_grant, end_grants, find_plan_end, measure_use, price_use
from api.payments.ledger.payment_events import FOR_TIME, has_event, keeps_plan, lock_payment
from api.payments.ledger.refunds import plan_refunds
from api.payments.ledger.stripe_ids import find_stripe_id
from api.payments.ledger.watch_gaps import find_least_cents, list_unwatched
from configs.ground.clock import clock
from configs.world.plan import plan
from configs.world.withdrawal_period import ZONE

_UNCOLLECTED = "unpaid"  # Stripe's word for a subscription whose invoices are not collected any more


def give_back(session: Session, user_id: UUID) -> None:
    """Record the unwatched time of a user's plans, and give back what is due: once a day at most, with one mail."""
    lock_user(session, user_id)
    user, now = session.get(User, user_id), clock()
    if user is None:
        return
    record_unwatched(session, user_id, now, cut=False)
    payments = _list_payments(session, user_id)
    mine = WatchCredit.payment_id.in_([each.id for each in payments])
    today = sa.select(WatchCredit.id).where(mine, WatchCredit.created_at >= _find_midnight(now))
    if not payments or session.scalar(today.limit(1)):
        return
    given: list[WatchCredit] = []
    ends = None
    for payment in payments:
        if user.outage_credit is OutageCredit.REFUND:
            _take_back_time(session, payment, now)
        form = _choose_form(session, payment)
        if given and form is not given[0].form:
            continue  # one mail a day says one thing
        if credit := _give(session, payment, form):
            given.append(credit)
            if form is CreditForm.TIME:
                starts = find_plan_end(session, user_id, payment.plan, now)
                ends = starts + timedelta(seconds=credit.seconds)
                add_grant(session, payment, CREDIT, starts, ends)
    if given:
        _write_mail(session, user_id, given, ends)


def give_what_is_owed(session: Session, user_id: UUID) -> int:
    """Order as money what is due for unwatched time of an account that is deleted now; return the cents."""
    record_watching(session, user_id)
    payments = _list_payments(session, user_id)
    given = [_give(session, each, CreditForm.REFUND, least=1) for each in payments]
    return sum(each.amount_cents for each in given if each)


def _list_payments(session: Session, user_id: UUID) -> list[Payment]:
    mine = sa.select(Payment.id).where(Payment.user_id == user_id, keeps_plan(*FOR_TIME))
    found = session.scalars(
        mine.where(sa.exists().where(Unwatched.payment_id == Payment.id)).order_by(Payment.id)
    )
    return [lock_payment(session, each) for each in found.all()]


def _find_midnight(now: datetime) -> datetime:
    return now.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)


def _began_today(payment: Payment, last: Hole, now: datetime) -> bool:
    """Whether a hole is open that began today: it is given whole, once it is over, cut by a change, or the day is."""
    measured = payment.measured_at or now
    is_open = measured <= now - LATE and last.ends_at >= measured
    return is_open and last.starts_at >= _find_midnight(now)


@dataclass(frozen=True, slots=True)
class InvoiceWish:
    """What Stripe is to do about a credit that is for an invoice."""

    customer: str | None  # Stripe's id
    subscription: str | None  # Stripe's id
    takes_back: bool  # it shall go back as money, or must
    is_over: bool  # the subscription's invoices are not collected any more


def read_invoice_wish(session: Session, credit: WatchCredit) -> InvoiceWish | None:
    """Return what Stripe is to do about a credit; None where it is paid out, or a paid invoice bears it."""
    if credit.form is not CreditForm.INVOICE or credit.borne_by_id:
        return None
    payment = session.get_one(Payment, credit.payment_id)
    row = session.get_one(Subscription, payment.subscription_id)
    mine = sa.select(User.stripe_customer_id).where(User.id == payment.user_id)
    return InvoiceWish(
        customer=payment.stripe_customer_id or session.scalar(mine) or find_customer(session, payment.id),
        subscription=find_stripe_id(session, row, "subscription"),
        takes_back=session.scalar(_select_unborne().where(WatchCredit.id == credit.id)) is not None,
        is_over=row.ended_at is not None or row.status == _UNCOLLECTED,
    )


def reclaim_credits(session: Session) -> int:
    """Have Stripe take back the credits for an invoice that go back as money; return how many they are."""
    found = session.scalars(_select_unborne().order_by(WatchCredit.id).limit(100)).all()
    for each in found:
        add_command(session, CommandKind.CREDIT, each)
    return len(found)


def ask_again(session: Session, credits_: Iterable[UUID]) -> None:
    """Have Stripe asked again about the credits of an invoice that is given up."""
    named = sa.select(WatchCredit.id).where(WatchCredit.id.in_(list(credits_)))
    for each in session.scalars(named.where(WatchCredit.form == CreditForm.INVOICE)).all():
        add_command(session, CommandKind.CREDIT, each)


def _select_unborne() -> sa.Select[UUID]:
    """Select the credits that shall go back as money, or must: their subscription ends, or has."""
    waits = WatchCredit.created_at >= Subscription.period_starts_at  # no invoice was made since
    wanted = sa.or_(
        Subscription.cancel_wanted_at.is_not(None),
        Subscription.cancel_at.is_not(None),
        User.outage_credit == OutageCredit.REFUND,
    )
    is_over = Subscription.ended_at.is_not(None) | (Subscription.status == _UNCOLLECTED)
    return (
        sa.select(WatchCredit.id)
        .join(Payment, Payment.id == WatchCredit.payment_id)
        .join(Subscription, Subscription.id == Payment.subscription_id)
        .outerjoin(User, User.id == Payment.user_id)
        .where(WatchCredit.form == CreditForm.INVOICE, WatchCredit.amount_cents > 0)
        .where(WatchCredit.borne_by_id.is_(None), is_over | (waits & wanted))
    )


def note_borne(session: Session, payment: Payment, credits_: Iterable[UUID]) -> None:
    """Write that the paid invoice of a renewal was lowered by these credits: its period is worth them too."""
    mine = sa.update(WatchCredit).where(
        WatchCredit.id.in_(list(credits_)), WatchCredit.form == CreditForm.INVOICE
    )
    session.execute(mine.values(borne_by_id=payment.id))
    borne = sa.select(WatchCredit).where(WatchCredit.borne_by_id == payment.id).order_by(WatchCredit.id)
    for each in session.scalars(borne).all():
        lock_payment(session, each.payment_id)
        post_borne(session, payment, each.payment_id, each.id, each.amount_cents)


def _give(
    session: Session, payment: Payment, form: CreditForm, least: int | None = None
) -> WatchCredit | None:
    """Give what the unwatched time of a locked payment is worth so far, less what was given for it."""
    now = clock()
    before = _list_given(session, payment)
    ends = least is not None or _is_ending(session, payment, form, now)
    holes = list_unwatched(session, payment, now)
    if holes and not ends and _began_today(payment, holes[-1], now):
        holes.pop()
    total = measure(holes)
    seconds = total - sum(each.seconds for each in before)
    held, bought = read_balances(session, payment.id), measure_use(session, payment, now)[1]
    worth = -(-held.worth * total // bought) if bought else 0  # rounded up to the cent
    amount = worth - sum(each.amount_cents for each in before)
    amount = min(amount, held.claims - price_use(session, payment, now))
    if not ends and form is not CreditForm.TIME:
        least = find_least_cents(session, payment)
    if seconds <= 0 or amount < (least or 1):
        return None
    refunds: list[Refund] = []
    if form is CreditForm.REFUND:
        refunds = plan_refunds(session, payment, amount, RefundReason.OUTAGE, upgrades=True)
        amount = sum(each.amount_cents for each in refunds)
        if not refunds:
            return None
    credit = add_credit(session, payment, seconds, form, amount, refunds=refunds)
    if form is CreditForm.INVOICE:
        post_unwatched(session, payment.id, credit.id, amount)
        add_command(session, CommandKind.CREDIT, credit.id)
    return credit


def add_credit(
    session: Session,
    payment: Payment,
    seconds: int,
    form: CreditForm,
    cents: int,
    *,
    refunds: Sequence[Refund],
) -> WatchCredit:
    """Write what was given for so many seconds: cents, by these refunds where it is money."""
    credit = WatchCredit(payment_id=payment.id, seconds=seconds, form=form, amount_cents=cents)
    credit.refund_id, credit.created_at = refunds[0].id if refunds else None, clock()
    session.add(credit)
    session.flush()
    return credit


def _list_given(session: Session, payment: Payment) -> Sequence[WatchCredit]:
    mine = sa.select(WatchCredit).where(WatchCredit.payment_id == payment.id)
    return session.scalars(mine.order_by(WatchCredit.id)).all()


def _is_ending(session: Session, payment: Payment, form: CreditForm, now: datetime) -> bool:
    """Whether a payment's time is over; what its next invoice is to bear is given on the day before."""
    ahead = timedelta(days=1) if form is CreditForm.INVOICE else timedelta()
    last = sa.select(sa.func.max(Grant.ends_at)).where(Grant.payment_id == payment.id)
    ends = session.scalar(last)
    return ends is None or ends <= now + ahead


def _choose_form(session: Session, payment: Payment) -> CreditForm:
    user = session.get_one(User, payment.user_id)
    if user.outage_credit is OutageCredit.REFUND or has_event(session, payment, PaymentEventKind.PLAN_ENDED):
        return CreditForm.REFUND
    if payment.subscription_id is None:
        # More time than was bought: then the desks do not come back, and time is worth nothing.
        lost, bought = measure(list_unwatched(session, payment, clock())), plan(payment.plan).duration_seconds
        return CreditForm.REFUND if lost > (bought or 0) else CreditForm.TIME
    row = session.get_one(Subscription, payment.subscription_id)
    renews = row.ended_at is None and row.cancel_at is None and row.cancel_wanted_at is None
    return CreditForm.INVOICE if renews else CreditForm.REFUND


def _take_back_time(session: Session, payment: Payment, now: datetime) -> None:
    """Take back what was given as time and is not used yet, the newest first: it is owed as money then."""
    mine = sa.select(Grant).where(Grant.payment_id == payment.id, Grant.source == CREDIT, Grant.ends_at > now)
    grants = session.scalars(mine.order_by(Grant.starts_at.desc())).all()
    left = sum((each.ends_at - max(each.starts_at, now) for each in grants), timedelta()).total_seconds()
    end_grants(session, grants, now)
    for credit in reversed(_list_given(session, payment)):
        if credit.form is CreditForm.TIME and credit.seconds and left > 0:
            lasts, kept = credit.seconds, max(math.ceil(credit.seconds - left), 0)
            credit.amount_cents, credit.seconds = credit.amount_cents * kept // lasts, kept
            left -= lasts
    session.flush()


def _write_mail(session: Session, user_id: UUID, given: Sequence[WatchCredit], ends: datetime | None) -> None:
    params = {
        "payment": str(given[-1].payment_id),
        "seconds": sum(each.seconds for each in given),
        "given": given[-1].form.value,
        "amount": sum(each.amount_cents for each in given),
        "ends": ends.isoformat() if ends else None,
    }
    write_message(session, user_id, "credited", params, f"credited:{given[-1].id}")


def pay_instead(session: Session, credit_id: UUID) -> None:
    """Turn a credit for an invoice into a refund. Repeated, it changes nothing."""
    found = session.get_one(WatchCredit, credit_id)
    payment = lock_payment(session, found.payment_id)
    credit = session.get_one(WatchCredit, credit_id, with_for_update=True, populate_existing=True)
    if credit.form is not CreditForm.INVOICE:
        return
    post_reclaimed(session, credit_id)
    refunds = plan_refunds(session, payment, credit.amount_cents, RefundReason.OUTAGE, upgrades=True)
    credit.form = CreditForm.REFUND
    credit.amount_cents = sum(each.amount_cents for each in refunds)
    credit.refund_id = refunds[0].id if refunds else None
