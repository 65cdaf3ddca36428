"""Refunds: a row and a command of the outbox, then what Stripe answered. The database limits their sum.

What law and terms want back is asked for until it is made. After each answer the debt is derived anew: what fails is
ordered again, by another row, or by a transfer where Stripe can never make it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only

from api.ground.errors import ApiError
from api.models.book import BookKind
from api.models.payment import (
    DISPUTED,
    Payment,
    PaymentEventKind,
    PaymentStatus,
    Refund,
    RefundReason,
    RefundStatus,
    StripeId,
)
from api.models.stripe_event import CommandKind, StripeCommand
from api.payments.gateway.errors import ALREADY_REFUNDED, BY_TRANSFER, CARD_GONE, OUR_FAULT, StripeRefused
from api.payments.gateway.facts import RefundFacts
from api.payments.gateway.outbox import DISPUTE_WAIT, REFUND_WAIT, add_command, end_command, put_off
from api.payments.ledger import notices
from api.payments.ledger.book import (
    WISHED,
    list_sources,
    post_ordered,
    post_paid_by_bank,
    post_settled,
    post_transferred,
    post_wanted,
    read_balances,
)
from api.payments.ledger.grants import end_repaid_plan
from api.payments.ledger.payment_events import FOR_TIME, add_event, has_event, lock_payment
from api.payments.ledger.stripe_ids import link_id
from api.payments.ledger.subscriptions import find_order
from configs.ground.clock import clock
from configs.settings import Constant

# Why a row was given up here: by a refund of the dashboard, or a transfer. Stripe may have made it after all.
_GIVEN_UP = _OVERTAKEN, _TRANSFERRED = "overtaken", "transferred"
# Stripe's codes while a dispute is open, or was lost; the row says DISPUTED for either.
_DISPUTED_CODES = (DISPUTED, "refund_disputed_payment")
_PENDING_DISPUTED = "charge_for_pending_refund_disputed"  # why a pending one failed
_STATUSES = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
# Of a refund that waits: Stripe has surely not made it, as its last answer was a refusal.
_UNMADE = (StripeCommand.attempts == 0) | StripeCommand.error.startswith(Refund.error)
_RANK = {status: rank for rank, status in enumerate(RefundStatus)}  # lists may be older than events
_refund_again_seconds = Constant("REFUND_AGAIN_SECONDS", 3600.0)  # after one that failed; then twice as long
_PATIENCE = timedelta(hours=1)  # after which a refusal that lasts is told


def plan_refund(
    session: Session, payment: Payment, amount_cents: int, reason: RefundReason, note: str | None = None
) -> Refund:
    """Write a refund of a locked payment; Stripe is asked after the commit.

    Raises:
        ApiError: 409 refund-refused, it was not paid, or less than that is left of it.
    """
    left = read_balances(session, payment.id).refundable
    if payment.paid_at is None or not 0 < amount_cents <= left:
        detail = f"{left} cents of this payment can be given back: name an amount up to that"
        unpaid = "this payment was not paid: there is nothing to give back"
        raise ApiError(409, "refund-refused", detail if payment.paid_at else unpaid)
    return _add_refund(session, payment, amount_cents, reason, note=note)


def plan_refunds(
    session: Session, payment: Payment, cents: int, reason: RefundReason, *, upgrades: bool = False
) -> list[Refund]:
    """Write the refunds of so many cents of a locked payment's plan, as far as there is money: see `spread_refund`."""
    parts = spread_refund(session, payment, cents, upgrades=upgrades)
    return [
        _add_refund(session, lock_payment(session, each.id), part, reason, claim=payment.id)
        for each, part in parts
    ]


def spread_refund(
    session: Session,
    payment: Payment,
    cents: int,
    *,
    upgrades: bool,
    promised: Mapping[UUID, int] = MappingProxyType({}),
) -> list[tuple[Payment, int]]:
    """Return whose money goes back for so many cents of a payment's plan: its own, then of what lowered its price.

    What an upgrade credited goes back as money with `upgrades`; otherwise it does as time of the cheaper plan. So much
    of which payments' money is `promised` to others, and not ordered yet.
    """
    held = read_balances(session, payment.id)
    rest = max(min(cents, held.claims), 0)
    parts = {payment.id: max(min(rest, held.money - promised.get(payment.id, 0)), 0)}
    rest -= parts[payment.id]
    for source, most in _list_sources(session, payment.id, upgrades=upgrades):
        taken = parts.get(source, 0) + promised.get(source, 0)
        part = max(min(rest, most, read_balances(session, source).money - taken), 0)
        parts[source], rest = parts.get(source, 0) + part, rest - part
    return [(session.get_one(Payment, each), part) for each, part in parts.items() if part]


def _list_sources(session: Session, payment_id: UUID, *, upgrades: bool) -> Iterator[tuple[UUID, int]]:
    for source, most in list_sources(session, payment_id, (BookKind.BORNE, BookKind.OWED)):
        yield source, most
        yield from _list_sources(session, source, upgrades=False)  # its own price was lowered, too
    kinds = (BookKind.UPGRADED, BookKind.REVIVED, BookKind.OWED)
    for source, most in list_sources(session, payment_id, kinds) if upgrades else ():
        yield source, most
        yield from _list_sources(session, source, upgrades=True)


def _add_refund(
    session: Session,
    payment: Payment,
    amount_cents: int,
    reason: RefundReason,
    *,
    claim: UUID | None = None,
    wait: timedelta = timedelta(0),
    **columns: Any,
) -> Refund:
    values = {"owed_since": clock()} | columns
    refund = _write_row(session, payment, amount_cents, reason, **values)
    add_command(session, CommandKind.REFUND, refund.id, wait)
    post_ordered(session, refund, claim or payment.id)
    return refund


def _write_row(
    session: Session, payment: Payment, cents: int, reason: RefundReason, **columns: Any
) -> Refund:
    values = {"created_at": clock()} | columns
    refund = Refund(payment_id=payment.id, amount_cents=cents, reason=reason, **values)
    session.add(refund)
    session.flush()
    session.refresh(payment)
    return refund


def record_refund(session: Session, payment: Payment, facts: RefundFacts, refund_id: UUID | None) -> None:
    """Record the present state of a locked payment's refund; one without a row was made in the dashboard.

    So is one that was given up here, and that Stripe has made after all: it keeps its reason.
    """
    if facts.currency != payment.currency:  # of money that did not count as paid either
        return
    refund = session.get(Refund, refund_id, populate_existing=True) if refund_id else None
    status = _STATUSES.get(facts.status or "", RefundStatus.PENDING)
    fails = status is RefundStatus.FAILED
    given_up = refund if refund and refund.error in _GIVEN_UP and not fails else None
    is_news = refund is None or given_up is not None
    if refund is None or given_up:
        refund = _add_foreign(session, payment, facts, given_up, fails=fails)
    link_id(session, facts.id, "refund", refund)
    if _RANK[status] <= _RANK[refund.status] and not (is_news and fails):
        return
    before = refund.status
    end_command(session, CommandKind.REFUND, refund.id)
    refund.status, refund.settled_at, refund.error = status, clock(), facts.failure_reason
    session.flush()
    session.refresh(payment)
    post_settled(session, refund, facts.id, before)
    if fails:
        note_returned_money(session, payment, str(refund.id))
    else:
        _note_success(session, payment, refund)
    goes_on = settle_debt(session, payment, f"{facts.id}:{status}")
    if fails:
        _tell_failure(session, payment, refund, goes_on=goes_on, was_told=before is not RefundStatus.PLANNED)


def _add_foreign(
    session: Session, payment: Payment, facts: RefundFacts, given_up: Refund | None, *, fails: bool
) -> Refund:
    """Write the row of a refund that was not ordered here, or no more."""
    if not fails:
        _make_room(session, payment, facts.amount)
    reason = given_up.reason if given_up else RefundReason.EXTERNAL
    status = RefundStatus.FAILED if fails else RefundStatus.PLANNED
    refund = _write_row(session, payment, facts.amount, reason, status=status, created_at=facts.created)
    post_ordered(session, refund, payment.id)
    return refund


def _make_room(session: Session, payment: Payment, cents: int) -> None:
    """Give up the refunds that Stripe can no longer make, as its dashboard gave back this much of the payment.

    Stripe never gives back more than there is: so those that were not surely made were not.
    """
    held = read_balances(session, payment.id)
    short = cents - (held.cash + held.disputed - held.ordered)
    waiting = _select_waiting(payment).order_by(~_UNMADE, StripeCommand.attempts, Refund.id.desc())
    for each in session.scalars(waiting).all() if held.cash else ():
        if short > 0:
            short -= each.amount_cents
            _give_up(session, payment, each, _OVERTAKEN)
            _tell_operators(session, payment, each)


def _select_waiting(payment: Payment) -> sa.Select[Refund]:
    mine = sa.select(Refund).join(StripeCommand, StripeCommand.subject_id == Refund.id)
    return mine.where(Refund.payment_id == payment.id, Refund.status == RefundStatus.PLANNED)


def settle_debt(session: Session, payment: Payment, cause: str, by_bank: int | None = None) -> bool:
    """Derive anew the debt of a locked payment, and have it paid; return whether there was one without a refund.

    The debt is the claim of law and terms, less all that left: refunds, also of the dashboard, and the loss in a
    dispute (`by_bank`, or the part of it that no unused time answers for). After a withdrawal all unused time is
    claimed, also where a refund that people had wished failed. `cause` names the occasion.
    """
    held = read_balances(session, payment.id)
    kept_by_bank = max(held.lost + held.unearned, 0) if by_bank is None else by_bank
    post_paid_by_bank(session, payment.id, cause, min(held.unordered, kept_by_bank))
    if has_event(session, find_order(session, payment), PaymentEventKind.WITHDRAWN):
        held = read_balances(session, payment.id)
        post_wanted(session, payment.id, cause, min(-held.unearned - held.lost, held.refundable))
    held = read_balances(session, payment.id)
    cents = min(held.unordered, held.refundable)
    if not cents:
        return False
    failed = _find_debt(session, payment)
    if failed and _takes_transfer(session, payment):
        _ask_for_transfer(session, payment, cents, failed)
        return True
    reason, since = _read_debt(failed)
    if payment.due_at and not failed:  # a bill that was paid again before an appeal was won
        reason = RefundReason.DUPLICATE
    wait = _measure_wait(session, payment, since)
    _add_refund(session, payment, cents, reason, owed_since=since, wait=wait)
    return True


def _find_debt(session: Session, payment: Payment) -> Refund | None:
    """Return the last refund that failed though it was owed: it says why, and since when; not what people wished."""
    return next((each for each in _list_failed(session, payment) if each.reason not in WISHED), None)


def _read_debt(failed: Refund | None) -> tuple[RefundReason, datetime]:
    return (failed.reason, failed.debt_began_at) if failed else (RefundReason.WITHDRAWAL, clock())


def _list_failed(session: Session, payment: Payment) -> Sequence[Refund]:
    mine = (Refund.payment_id == payment.id, Refund.status == RefundStatus.FAILED)
    return session.scalars(sa.select(Refund).where(*mine).order_by(Refund.id.desc())).all()


def list_debts(session: Session) -> list[Refund]:
    """Return the failed refund of each payment that owes what nothing pays: an operator has to, by a transfer."""
    failed = sa.select(Refund.payment_id).where(
        Refund.status == RefundStatus.FAILED, Refund.reason.not_in(WISHED)
    )
    # Its id alone: health asks this by a login that may not read a client's name.
    named = sa.select(Payment).options(load_only(Payment.id)).where(Payment.id.in_(failed))
    payments = session.scalars(named.order_by(Payment.id)).all()
    owing = [each for each in payments if read_balances(session, each.id).unordered]
    return [found for each in owing if (found := _find_debt(session, each))]


def _takes_transfer(session: Session, payment: Payment) -> bool:
    """Return whether Stripe can never pay back this payment: its card is gone, or its charge lost to a dispute."""
    codes = {each.error for each in _list_failed(session, payment)}
    return bool(codes & {*CARD_GONE, BY_TRANSFER} or (payment.lost_cents and DISPUTED in codes))


def _measure_wait(session: Session, payment: Payment, since: datetime) -> timedelta:
    """Return how long another refund of the same debt waits: longer after each one that failed at Stripe."""
    made = sa.exists().where(StripeId.refund_id == Refund.id)
    mine = (Refund.payment_id == payment.id, Refund.status == RefundStatus.FAILED, Refund.owed_since == since)
    failed = session.scalars(sa.select(sa.func.count(Refund.id)).where(*mine, made)).one()
    return min(timedelta(seconds=_refund_again_seconds() * (2 ** min(failed, 10) // 2)), REFUND_WAIT)


def _ask_for_transfer(session: Session, payment: Payment, cents: int, failed: Refund) -> None:
    """Have operators ask the person, who must agree to another means (L.221-24), and tell the person so."""
    since = failed.debt_began_at
    detail = (
        f"payment {payment.id} owes {cents} cents since {since:%Y-%m-%d}, Stripe cannot pay: {failed.error}"
    )
    key = f"transfer:{payment.id}:{since.isoformat()}:{cents}"
    notices.tell_admins(session, "refund_failed", detail, key=key)
    notices.tell_refund(session, payment, failed, notices.BY_HAND, cents)


def record_transfer(session: Session, payment: Payment, cents: int, note: str) -> Refund:
    """Write that an operator paid what a locked payment owes by a transfer; refunds that Stripe refused are given up.

    What came by a transfer can go back so without being owed: Stripe never had it.

    Raises:
        ApiError: 409 refund-refused, less is owed, or Stripe is being asked for it just now.
    """
    waiting = session.scalars(_select_waiting(payment).where(_UNMADE, Refund.reason.not_in(WISHED))).all()
    held = read_balances(session, payment.id)
    owed = held.unordered + sum(each.amount_cents for each in waiting) + max(min(held.bank, held.claims), 0)
    if not 0 < cents <= owed:
        detail = f"{owed} cents of this payment are owed, and Stripe is not asked for them just now"
        raise ApiError(409, "refund-refused", detail)
    for each in waiting:
        add_command(session, CommandKind.REFUND, each.id)  # its worker takes it out
        _note_failure(session, payment, each, _TRANSFERRED)
    reason, since = _read_debt(_find_debt(session, payment))
    refund = _write_row(session, payment, cents, reason, owed_since=since, note=note)
    post_ordered(session, refund, payment.id)
    refund.status, refund.settled_at = RefundStatus.SUCCEEDED, clock()
    session.flush()
    session.refresh(payment)
    post_transferred(session, refund)
    _note_success(session, payment, refund, notices.TRANSFERRED)
    settle_debt(session, payment, f"refund:{refund.id}")
    return refund


def _note_success(session: Session, payment: Payment, refund: Refund, state: str | None = None) -> None:
    notices.tell_refund(session, payment, refund, state or refund.status)
    # What goes back for time ends nothing, also where it is all that was paid: a credit paid for the rest.
    if note_whole_refund(session, payment) and refund.reason not in FOR_TIME:
        end_repaid_plan(session, payment, clock(), f"refund:{refund.id}")


def _tell_failure(
    session: Session, payment: Payment, refund: Refund, *, goes_on: bool, was_told: bool
) -> None:
    """Tell operators of a refund that failed at Stripe, and once the person who was told that it is on its way."""
    _tell_operators(session, payment, refund)
    if goes_on and _takes_transfer(session, payment):
        return  # both were told
    state = notices.DISPUTED if refund.error == _PENDING_DISPUTED else notices.AGAIN
    if goes_on or was_told:
        state = state if goes_on else notices.DROPPED
        notices.tell_refund(session, payment, refund, state)


def _tell_operators(
    session: Session, payment: Payment, refund: Refund, trouble: str = "refund_failed"
) -> None:
    what = "is refused" if refund.status is RefundStatus.PLANNED else "failed"
    detail = f"refund {refund.id} of payment {payment.id} {what}: {refund.error or 'no reason given'}"
    key = f"refund:{payment.id}:{refund.debt_began_at.isoformat()}:{refund.error}"
    notices.tell_admins(session, trouble, detail, key=key)


def note_whole_refund(session: Session, payment: Payment) -> bool:
    """Add the event of a payment whose whole amount went back, or was lost; return whether it is so.

    Refunds that Stripe was only asked for do not count: it may refuse them.
    """
    mine = (
        Refund.payment_id == payment.id,
        Refund.status.in_((RefundStatus.PENDING, RefundStatus.SUCCEEDED)),
    )
    found = session.scalars(sa.select(Refund).where(*mine).order_by(Refund.id.desc())).all()
    held = read_balances(session, payment.id)
    back = sum(each.amount_cents for each in found) + held.lost
    is_bill_kept = payment.due_at is not None and held.money > 0  # what came twice went back
    if not back or back < payment.amount_cents or is_bill_kept:
        return False
    if found and payment.status is not PaymentStatus.REFUNDED:
        add_event(session, payment, PaymentEventKind.REFUNDED, clock(), str(found[0].id))
    return True


def note_returned_money(session: Session, payment: Payment, subject: str) -> None:
    """Add the event of a payment whose money went back, and of which a part came again: its refund, its dispute.

    The cents of a pending refund are on their way back, though the book has them as cash until they arrive.
    """
    if payment.status is not PaymentStatus.REFUNDED:
        return
    held = read_balances(session, payment.id)
    pending = Refund.payment_id == payment.id, Refund.status == RefundStatus.PENDING
    cents = session.scalars(sa.select(sa.func.sum(Refund.amount_cents)).where(*pending)).one() or 0
    if held.cash + held.disputed > cents:
        add_event(session, payment, PaymentEventKind.REFUND_UNDONE, clock(), subject)


def note_refusal(session: Session, command: StripeCommand, error: StripeRefused) -> None:
    """Record that Stripe refused to make a refund: what is owed is asked for again, unless that can never help."""
    refund = session.get_one(Refund, command.subject_id)
    payment = lock_payment(session, refund.payment_id)
    session.refresh(refund)
    if refund.status is not RefundStatus.PLANNED:
        return
    code, longest = error.code, REFUND_WAIT
    if read_balances(session, payment.id).bank > 0:
        code = BY_TRANSFER  # all that Stripe says is that it never had this money
    if code in _DISPUTED_CODES:
        code, longest = DISPUTED, DISPUTE_WAIT
        error = StripeRefused(DISPUTED, str(error))
    if _may_be_repeated(payment, refund, code):
        refund.error = code
        put_off(session, command, error, longest)
        _tell_refusal(session, payment, refund)
        return
    _give_up(session, payment, refund, code)
    if code == ALREADY_REFUNDED:  # by the dashboard: its refund is heard of next
        return
    settle_debt(session, payment, f"refund:{refund.id}:refused")
    if refund.reason in WISHED:
        _tell_operators(session, payment, refund)


def _may_be_repeated(payment: Payment, refund: Refund, code: str) -> bool:
    """Return whether a refused refund is asked for again. What people wished is for them to wish again."""
    if code == DISPUTED:
        return not payment.lost_cents  # the dispute is open
    is_owed = refund.reason not in WISHED
    return code in OUR_FAULT or (is_owed and code not in (ALREADY_REFUNDED, BY_TRANSFER, *CARD_GONE))


def _tell_refusal(session: Session, payment: Payment, refund: Refund) -> None:
    """Tell of a refusal that lasts, once; operators at once, where it is our own fault."""
    lasts = refund.error != DISPUTED and clock() >= refund.created_at + _PATIENCE
    if refund.error in OUR_FAULT:
        _tell_operators(session, payment, refund, "refund_blocked")
    elif lasts:
        _tell_operators(session, payment, refund)
    if lasts and refund.reason not in WISHED:
        notices.tell_refund(session, payment, refund, notices.AGAIN)


def give_up_disputed(session: Session, payment: Payment, cause: str, lost_cents: int) -> None:
    """Give up the refunds that waited for the end of a locked payment's dispute, which was lost: the bank paid back.

    What it did not pay is still owed.
    """
    waiting = _select_waiting(payment).where(_UNMADE).order_by(Refund.id)
    for refund in session.scalars(waiting).all():
        _give_up(session, payment, refund, PaymentEventKind.DISPUTE_LOST)
    settle_debt(session, payment, cause, lost_cents)


def _give_up(session: Session, payment: Payment, refund: Refund, error: str) -> None:
    end_command(session, CommandKind.REFUND, refund.id)
    _note_failure(session, payment, refund, error)


def _note_failure(session: Session, payment: Payment, refund: Refund, error: str) -> None:
    before, refund.error = refund.status, error
    refund.status, refund.settled_at = RefundStatus.FAILED, clock()
    session.flush()
    session.refresh(payment)
    post_settled(session, refund, f"refund:{refund.id}", before)
