"""Refunds: a row and a command of the outbox, then what Stripe answered. The database limits their sum."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

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
from api.payments.gateway.errors import StripeRefused
from api.payments.gateway.facts import RefundFacts
from api.payments.gateway.outbox import add_command, end_command, wait_for_dispute
from api.payments.ledger import notices
from api.payments.ledger.book import (
    WISHED,
    list_sources,
    post_ordered,
    post_paid_by_bank,
    post_settled,
    read_balances,
)
from api.payments.ledger.grants import end_repaid_plan
from api.payments.ledger.payment_events import FOR_TIME, add_event, has_event, link_id, lock_payment
from api.payments.ledger.subscriptions import find_order
from configs.ground.clock import clock

_OVERTAKEN = "overtaken"  # by a refund of the dashboard
# Stripe's codes while a dispute is open, or was lost; the row says DISPUTED for either.
_DISPUTED_CODES = (DISPUTED, "refund_disputed_payment")
_STATUSES = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
# Of a refund that waits: Stripe has surely not made it.
_UNMADE = (StripeCommand.attempts == 0) | Refund.error.is_not_distinct_from(DISPUTED)
# Lists of Stripe's may be older than events; a refund only moves forward.
_RANK = {status: rank for rank, status in enumerate(RefundStatus)}


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
    return _add_refund(session, payment, amount_cents, reason, note)


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
    note: str | None = None,
    *,
    claim: UUID | None = None,
    settles: bool = False,
) -> Refund:
    refund = Refund(
        payment_id=payment.id, amount_cents=amount_cents, reason=reason, note=note, created_at=clock()
    )
    session.add(refund)
    session.flush()
    session.refresh(payment)
    add_command(session, CommandKind.REFUND, refund.id)
    post_ordered(session, refund, claim or payment.id, settles=settles)
    return refund


def record_refund(session: Session, payment: Payment, facts: RefundFacts, refund_id: UUID | None) -> None:
    """Record the present state of a locked payment's refund; one without a row was made in the dashboard.

    So is one that was given up here, and that Stripe has made after all: it keeps its reason.
    """
    if facts.currency != payment.currency:  # of money that did not count as paid either
        return
    refund = session.get(Refund, refund_id, populate_existing=True) if refund_id else None
    status = _STATUSES.get(facts.status or "", RefundStatus.PENDING)
    given_up = refund if refund and refund.error == _OVERTAKEN and status is not RefundStatus.FAILED else None
    refund = None if given_up else refund
    is_news = refund is None
    if refund is None:
        fails = status is RefundStatus.FAILED
        if not fails:
            _make_room(session, payment, facts.amount)
        # Otherwise a refund of the rest follows.
        is_owed = given_up is not None or _find_owed_reason(_list_refused(session, payment)) is None
        refund = Refund(
            status=RefundStatus.FAILED if fails else RefundStatus.PLANNED,
            payment_id=payment.id,
            amount_cents=facts.amount,
            reason=given_up.reason if given_up else RefundReason.EXTERNAL,
            created_at=facts.created,
        )
        session.add(refund)
        session.flush()
        post_ordered(session, refund, payment.id, takes_owed=is_owed)
    link_id(session, facts.id, "refund", refund)
    if _RANK[status] <= _RANK[refund.status] and not (is_news and fails):
        return
    before = refund.status
    end_command(session, CommandKind.REFUND, refund.id)
    refund.status, refund.settled_at, refund.error = status, clock(), facts.failure_reason
    session.flush()
    session.refresh(payment)
    post_settled(session, refund, facts.id, before)
    _follow(session, payment, refund)
    if is_news:
        _plan_rest(session, payment)


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
            _note_failure(session, payment, each, _OVERTAKEN)
            _follow(session, payment, each)


def _select_waiting(payment: Payment) -> sa.Select[Refund]:
    mine = sa.select(Refund).join(StripeCommand, StripeCommand.subject_id == Refund.id)
    return mine.where(Refund.payment_id == payment.id, Refund.status == RefundStatus.PLANNED)


def _plan_rest(session: Session, payment: Payment) -> None:
    """Plan another refund of what a locked payment owes after Stripe refused one, up to what is left.

    What people had given back before a withdrawal counted as a part of it: where Stripe refused that, it is owed.
    """
    held, refused = read_balances(session, payment.id), _list_refused(session, payment)
    reason, cents = _find_owed_reason(refused), held.unordered
    if has_event(session, find_order(session, payment), PaymentEventKind.WITHDRAWN):
        given = sum(each.amount_cents for each in refused if each.reason in WISHED)
        reason, cents = reason or RefundReason.WITHDRAWAL, cents + min(given, max(-held.unearned, 0))
    cents = min(cents, held.refundable)
    if reason and cents:
        _add_refund(session, payment, cents, reason, settles=True)


def _list_refused(session: Session, payment: Payment) -> Sequence[Refund]:
    """Return the refunds that Stripe never made, the newest first: its dashboard had given back a part just before."""
    made = sa.exists().where(StripeId.refund_id == Refund.id)
    mine = (Refund.payment_id == payment.id, Refund.status == RefundStatus.FAILED, ~made)
    return session.scalars(sa.select(Refund).where(*mine).order_by(Refund.id.desc())).all()


def _find_owed_reason(refused: Sequence[Refund]) -> RefundReason | None:
    """Return why the last refused refund was owed; those that were only wished are skipped."""
    return next((each.reason for each in refused if each.reason not in WISHED), None)


def _follow(session: Session, payment: Payment, refund: Refund) -> None:
    """Draw the consequences of a refund's new status."""
    now, subject = clock(), str(refund.id)
    if refund.status is RefundStatus.FAILED:
        note_returned_money(session, payment, subject)
        detail = f"refund {refund.id} of payment {payment.id} failed: {refund.error or 'no reason given'}"
        notices.tell_admins(session, "refund_failed", detail, key=f"refund:{refund.id}")
        return
    notices.tell_refund(session, payment, refund)
    # What goes back for time ends nothing, also where it is all that was paid: a credit paid for the rest.
    if note_whole_refund(session, payment) and refund.reason not in FOR_TIME:
        end_repaid_plan(session, payment, now, f"refund:{refund.id}")


def note_whole_refund(session: Session, payment: Payment) -> bool:
    """Add the event of a payment whose whole amount went back, or was lost; return whether it is so.

    Refunds that Stripe was only asked for do not count: it may refuse them.
    """
    made = (
        sa.select(Refund)
        .where(
            Refund.payment_id == payment.id, Refund.status.in_((RefundStatus.PENDING, RefundStatus.SUCCEEDED))
        )
        .order_by(Refund.id.desc())
    )
    found = session.scalars(made).all()
    back = sum(each.amount_cents for each in found) + read_balances(session, payment.id).lost
    if not back or back < payment.amount_cents:
        return False
    if found and payment.status is not PaymentStatus.REFUNDED:
        add_event(session, payment, PaymentEventKind.REFUNDED, clock(), str(found[0].id))
    return True


def note_returned_money(session: Session, payment: Payment, subject: str) -> None:
    """Add the event of a payment whose money went back, and of which a part came again: its refund, its dispute."""
    held = read_balances(session, payment.id)
    if payment.status is PaymentStatus.REFUNDED and held.cash + held.disputed > 0:
        add_event(session, payment, PaymentEventKind.REFUND_UNDONE, clock(), subject)


def note_refusal(session: Session, refund_id: UUID, error: StripeRefused) -> None:
    """Record that Stripe refused to make a refund; one that waits for the end of a dispute is repeated."""
    refund = session.get_one(Refund, refund_id)
    payment = lock_payment(session, refund.payment_id)
    session.refresh(refund)
    if refund.status is not RefundStatus.PLANNED:
        return
    if error.code in _DISPUTED_CODES and not has_event(session, payment, PaymentEventKind.DISPUTE_LOST):
        refund.error = DISPUTED
        wait_for_dispute(session, refund.id)
        return
    _note_failure(session, payment, refund, error.code)
    if error.code in _DISPUTED_CODES:  # the payment's dispute was lost before Stripe refused this refund
        held = read_balances(session, payment.id)
        paid_back = min(refund.amount_cents, max(held.lost + held.unearned + held.earned, 0))
        post_paid_by_bank(session, refund, paid_back)
    elif refund.reason in WISHED:
        _plan_rest(session, payment)
    _follow(session, payment, refund)


def drop_disputed_refunds(session: Session, payment: Payment, lost_cents: int) -> None:
    """Give up the refunds that waited for the end of a locked payment's dispute, which was lost: the bank paid back.

    Where it paid less, the rest is planned anew.
    """
    waiting = _select_waiting(payment).where(_UNMADE).order_by(Refund.id)
    for refund in session.scalars(waiting).all():
        _note_failure(session, payment, refund, PaymentEventKind.DISPUTE_LOST)
        paid_back = min(refund.amount_cents, lost_cents)
        post_paid_by_bank(session, refund, paid_back)
        lost_cents -= paid_back
        if rest := min(refund.amount_cents - paid_back, read_balances(session, payment.id).refundable):
            plan_refund(session, payment, rest, refund.reason, refund.note)


def _note_failure(session: Session, payment: Payment, refund: Refund, error: str) -> None:
    end_command(session, CommandKind.REFUND, refund.id)
    before, refund.error = refund.status, error
    refund.status, refund.settled_at = RefundStatus.FAILED, clock()
    session.flush()
    session.refresh(payment)
    post_settled(session, refund, f"refund:{refund.id}", before)
