"""Giving back paid time without watching: a short plan lasts longer, a subscription's next invoice is lower, or money.

The user chooses money instead (L.224-25-21 to -23 Code de la consommation) in the profile. Where the plan cannot go on,
because it was replaced or cancelled, it is money too.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

import notifier
from api.alerts.service import lock_user
from api.alerts.unwatched import LATE, Hole, record_unwatched
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
from api.models.user import Grant, OutageCredit, User
from api.models.watch_credit import CreditForm, Unwatched, WatchCredit
from api.payments.book import read_balances
from api.payments.effects import Effects
from api.payments.errors import StripeAway, StripeRefused
from api.payments.former_customers import find_customer
from api.payments.grants import CREDIT, add_grant, end_grants, find_plan_end, measure_use, price_use
from api.payments.ledger import FOR_TIME, has_event, keeps_plan, lock_payment
from api.payments.postings import post_reclaimed, post_unwatched
from api.payments.refunds import ask_for_refund, plan_refunds
from api.payments.watch_gaps import find_least_cents, list_unwatched
from configs.clock import clock
from configs.plan import plan
from configs.withdrawal_period import ZONE

_WAIT = timedelta(minutes=5)

log = structlog.get_logger(__name__)


def give_back(session: Session, user_id: UUID) -> Effects:
    """Record the unwatched time of a user's plans, and give back what is due: once a day at most, with one mail."""
    lock_user(session, user_id)
    user, now = session.get(User, user_id), clock()
    effects = Effects()
    if user is None:
        return effects
    record_unwatched(session, user_id, now, cut=False)
    payments = _list_payments(session, user_id)
    if not payments or _has_given_today(session, payments, now):
        return effects
    given: list[WatchCredit] = []
    ends = None
    for payment in payments:
        if user.outage_credit is OutageCredit.REFUND:
            _take_back_time(session, payment, now)
        form = _choose_form(session, payment)
        if given and form is not given[0].form:
            continue  # one mail a day says one thing
        if credit := _give(session, payment, form, effects):
            given.append(credit)
            if form is CreditForm.TIME:
                ends = _extend(session, payment, credit, now)
    effects.mails += _tell(session, user_id, given, ends) if given else []
    return effects


def give_what_is_owed(session: Session, user_id: UUID) -> list[UUID]:
    """Order as money what is due for unwatched time of an account that is deleted now; return the refunds."""
    now, effects = clock(), Effects()
    record_unwatched(session, user_id, now)
    for payment in _list_payments(session, user_id):
        _give(session, payment, CreditForm.REFUND, effects, least=1)
    return effects.refunds


def _list_payments(session: Session, user_id: UUID) -> list[Payment]:
    """Return the user's payments with unwatched time, locked, whose plan was not paid back whole."""
    mine = sa.select(Payment.id).where(Payment.user_id == user_id, keeps_plan(*FOR_TIME))
    found = session.scalars(
        mine.where(sa.exists().where(Unwatched.payment_id == Payment.id)).order_by(Payment.id)
    )
    return [lock_payment(session, each) for each in found.all()]


def _has_given_today(session: Session, payments: Sequence[Payment], now: datetime) -> bool:
    mine = WatchCredit.payment_id.in_([each.id for each in payments])
    today = sa.select(WatchCredit.id).where(mine, WatchCredit.created_at >= _find_midnight(now))
    return session.scalar(today.limit(1)) is not None


def _find_midnight(now: datetime) -> datetime:
    return now.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)


def _began_today(payment: Payment, last: Hole, now: datetime) -> bool:
    """Whether a hole is open that began today: it is given whole, once it is over, cut by a change, or the day is."""
    measured = payment.measured_at or now
    is_open = measured <= now - LATE and last.ends_at >= measured
    return is_open and last.starts_at >= _find_midnight(now)


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


def _give(
    session: Session,
    payment: Payment,
    form: CreditForm,
    effects: Effects,
    least: int | None = None,
) -> WatchCredit | None:
    """Give what the unwatched time of a locked payment is worth so far, less what was given for it."""
    now = clock()
    before = _list_given(session, payment)
    ends = least is not None or _is_ending(session, payment, form, now)
    holes = list_unwatched(session, payment, now)
    if holes and not ends and _began_today(payment, holes[-1], now):
        holes.pop()
    length = sum((each.ends_at - each.starts_at for each in holes), timedelta())
    seconds = math.ceil(length.total_seconds()) - sum(map(_measure, before))
    amount = _price(session, payment, math.ceil(length.total_seconds()), now)
    amount -= sum(each.amount_cents for each in before)
    amount = min(amount, read_balances(session, payment.id).claims - price_use(session, payment, now))
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
    starts = _find_start(holes, before)
    credit = WatchCredit(
        id=new_id(),
        payment_id=payment.id,
        starts_at=starts,
        ends_at=starts + timedelta(seconds=seconds),
        form=form,
        amount_cents=amount,
        refund_id=refunds[0].id if refunds else None,
        created_at=now,
        next_attempt_at=now if form is CreditForm.INVOICE else None,
    )
    if form is CreditForm.INVOICE:
        post_unwatched(session, payment.id, credit.id, amount)
    effects.refunds += [each.id for each in refunds]
    session.add(credit)
    session.flush()
    return credit


def _list_given(session: Session, payment: Payment) -> Sequence[WatchCredit]:
    mine = sa.select(WatchCredit).where(WatchCredit.payment_id == payment.id)
    return session.scalars(mine.order_by(WatchCredit.id)).all()


def _measure(credit: WatchCredit) -> int:
    return int((credit.ends_at - credit.starts_at).total_seconds())


def _find_start(holes: Sequence[Hole], before: Sequence[WatchCredit]) -> datetime:
    """Return where the unwatched time begins that was not given before; no two credits of a payment begin at once."""
    given = timedelta(seconds=sum(map(_measure, before)))
    starts = holes[-1].starts_at
    for hole in holes:
        if given < hole.ends_at - hole.starts_at:
            starts = hole.starts_at + given
            break
        given -= hole.ends_at - hole.starts_at
    starts = starts.replace(microsecond=0)
    while any(each.starts_at == starts for each in before):
        starts += timedelta(microseconds=1)
    return starts


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
        return CreditForm.REFUND if _is_used_up(session, payment) else CreditForm.TIME
    row = session.get_one(Subscription, payment.subscription_id)
    renews = row.ended_at is None and row.cancel_at is None and row.cancel_wanted_at is None
    return CreditForm.INVOICE if renews else CreditForm.REFUND


def _is_used_up(session: Session, payment: Payment) -> bool:
    """Whether more time would be given than was bought: then the desks do not come back, and time is worth nothing."""
    holes = list_unwatched(session, payment, clock())
    length = sum((each.ends_at - each.starts_at for each in holes), timedelta())
    return length.total_seconds() > (plan(payment.plan).duration_seconds or 0)


def _take_back_time(session: Session, payment: Payment, now: datetime) -> None:
    """Take back what was given as time and is not used yet, the newest first: it is owed as money then."""
    mine = sa.select(Grant).where(Grant.payment_id == payment.id, Grant.source == CREDIT, Grant.ends_at > now)
    grants = session.scalars(mine.order_by(Grant.starts_at.desc())).all()
    left = sum((each.ends_at - max(each.starts_at, now) for each in grants), timedelta())
    end_grants(session, grants, now)
    for credit in reversed(_list_given(session, payment)):
        if credit.form is CreditForm.TIME and left > timedelta():
            lasts = credit.ends_at - credit.starts_at
            kept = max(lasts - left, timedelta(microseconds=1))
            credit.amount_cents = credit.amount_cents * kept // lasts
            credit.ends_at = credit.starts_at + kept
            left -= lasts
    session.flush()


def _price(session: Session, payment: Payment, seconds: int, now: datetime) -> int:
    """Return the share of what its plan was paid with, by the time that was paid, rounded up to the cent."""
    bought = measure_use(session, payment, now)[1]
    return -(-read_balances(session, payment.id).worth * seconds // bought) if bought else 0


def _extend(session: Session, payment: Payment, credit: WatchCredit, now: datetime) -> datetime:
    """Add the time behind the user's plan of that name, or from now on; return its new end."""
    starts = find_plan_end(session, payment.user_id, payment.plan, now)
    ends = starts + (credit.ends_at - credit.starts_at)
    add_grant(session, payment, CREDIT, starts, ends)
    return ends


def _tell(session: Session, user_id: UUID, given: Sequence[WatchCredit], ends: datetime | None) -> list[UUID]:
    params = {
        "payment": str(given[-1].payment_id),
        "seconds": sum(map(_measure, given)),
        "given": given[-1].form.value,
        "amount": sum(each.amount_cents for each in given),
        "ends": ends.isoformat() if ends else None,
    }
    return notifier.create_notifications(session, user_id, "credited", params, f"credited:{given[-1].id}")


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
