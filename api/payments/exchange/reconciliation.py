"""Comparison with Stripe: lost events are made up for, and what cannot be explained is reported with both sides.

Each object that differs is read again and applied like that of an event, so nothing is repaired in another way than
events would have done. Stripe is right about money, our tables about what a user agreed to. What a check of the book
(book_checks.py) finds is reported in the same way.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from pydantic import ValidationError
from sqlalchemy.orm import Session

from api.models.base import read_once, write_once
from api.models.base import session as open_session
from api.models.job import JobState
from api.models.payment import (
    Payment,
    PaymentEventKind,
    PaymentStatus,
    Refund,
    RefundStatus,
    StripeId,
    Subscription,
)
from api.models.stripe_event import PaymentDifference
from api.payments.exchange.book_checks import find_book_faults
from api.payments.exchange.events import Event, store_event
from api.payments.exchange.jobs import apply_object
from api.payments.exchange.objects import OBJECT_TYPES, RENEWAL, find_type
from api.payments.exchange.stripe_ledger import Holding, list_holdings, read_holding
from api.payments.gateway.client import call
from api.payments.gateway.errors import IdConflict, StripeAway, StripeForbidden, StripeRefused, UnknownOwner
from api.payments.gateway.facts import FIRST_MONTH, Facts, InvoiceFacts, Metadata, RefundFacts, SessionFacts
from api.payments.ledger import notices
from api.payments.ledger.book import read_balances
from api.payments.ledger.payment_events import add_event, lock_payment
from api.payments.ledger.stripe_ids import (
    PAYMENT_KEY,
    SESSION,
    find_payment_id,
    find_refund_id,
    find_stripe_id,
    list_intents,
)
from api.payments.ledger.subscriptions import COLLECTED
from configs.ground.clock import clock
from configs.ground.database_errors import passes

# Age of a payment that is neither paid nor failed from which it is compared with Stripe
_PAYMENT_STUCK_SECONDS = 1800

JOB = "reconcile_payments"  # its row keeps until when all was compared, and until when Stripe's ledger was
OBJECTS_UNTIL, LEDGER_UNTIL = "compared_until", "ledger_until"  # in its counts; unix seconds
_LISTED_FOR = timedelta(days=30)  # so long Stripe lists an event
_OVERLAP = timedelta(hours=1)  # lists may be some time behind
# After the end of a subscription's period: a renewal is collected, or was refused.
_OVERDUE = timedelta(days=1)
_AT_ONCE = 200  # payments in one look for stuck ones
_PAGE = 100
_DONE = (PaymentStatus.COMPLETED, PaymentStatus.REFUNDED)

Listed = tuple[str, Any]  # an object's name in `api/payments/exchange/objects.py`, and its facts
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Unread:
    """An object of a shape that we do not know: its id, its type where it is an event, and the wrong fields."""

    id: str
    type: str
    fields: list[str]


def reconcile() -> dict[str, int]:
    """Check the book, then compare all since the last comparison that succeeded; return how many differ, and still do.

    The book is checked without Stripe. What is compared: sessions, invoices, refunds, events that never came,
    subscriptions whose period is over, and each payment's cash with Stripe's own ledger.

    Raises:
        StripeAway: no answer; the job is repeated.
    """
    now = clock()
    faults = read_once(find_book_faults)
    left = _keep_all([(row, None) for row in faults], now, "book")
    since, ledger_since = write_once(_find_beginnings, now)
    both = [*_list_objects(int(since.timestamp())), *_list_overdue(now)]
    listed = list({facts.id: (kind, facts) for kind, facts in both}.values())
    found = _find_differences(listed)
    # They are compared by what was just read: the list may be older than what its events changed meanwhile.
    read = [(row, (kind, _sync(kind, facts.id) or facts)) for row, (kind, facts) in found]
    missed, unread = _apply_missed_events(int(since.timestamp()))
    cash, ledger_until = _compare_ledger(ledger_since, now)
    differences = [*read, *unread, *cash]
    left += _keep_all(differences, now, "difference")
    different = len(faults) + len(differences)
    counts = {"compared": len(listed), "different": different, "left": left, "missed": missed}
    return counts | {OBJECTS_UNTIL: int(now.timestamp()), LEDGER_UNTIL: int(ledger_until.timestamp())}


def _find_differences(listed: Iterable[Listed]) -> list[tuple[PaymentDifference, Listed]]:
    with open_session() as s:
        return [(row, each) for each in listed if (row := _compare(s, *each))]


def _find_beginnings(session: Session, now: datetime) -> tuple[datetime, datetime]:
    """Return from when on objects, and Stripe's ledger, are to be compared: the last time, 30 days ago at most.

    Where it is longer ago, the operators are told which days they must read by hand.
    """
    counts = session.scalar(sa.select(JobState.counts).where(JobState.name == JOB)) or {}
    earliest = now - _LISTED_FOR
    last = [
        datetime.fromtimestamp(counts[name], UTC) - _OVERLAP if name in counts else earliest
        for name in (OBJECTS_UNTIL, LEDGER_UNTIL)
    ]
    if last[0] < earliest:
        days = f"{last[0]:%Y-%m-%d %H:%M} to {earliest:%Y-%m-%d %H:%M} UTC"
        detail = f"not compared, as Stripe lists events for 30 days: {days}. Read refunds and disputes of then by hand"
        notices.tell_admins(session, "difference", detail, key=f"uncompared:{last[0]:%Y-%m-%d}")
    return max(last[0], earliest), max(last[1], earliest)


def _apply_missed_events(since: int) -> tuple[int, list[tuple[PaymentDifference, Listed]]]:
    """Store and apply the events that never reached us, such as a dispute's; return how many, and the unread ones."""
    wanted: Any = {"created": {"gte": since}, "limit": _PAGE}
    found = call(lambda c: _read_each("event", c.v1.events.list(wanted), Event))
    known = [each for each in found if find_type(each[1].type)]
    unread = _find_differences(each for each in known if isinstance(each[1], Unread))
    missed = [facts for _, facts in known if isinstance(facts, Event)]
    with open_session() as s:
        new = [each for each in reversed(missed) if store_event(s, each)]
    for object_id in dict.fromkeys(str(each.data.object.id) for each in new):
        apply_object(object_id)
    if new:
        log.warning("events never reached us", events=len(new))
    return len(new), unread


def _compare_ledger(
    since: datetime, now: datetime
) -> tuple[list[tuple[PaymentDifference, Listed]], datetime]:
    """Hold the book's cash against Stripe's ledger; return what differs, and until when it was compared.

    A payment that differs is read whole, and what moved its money applied, in case its events were lost.
    """
    try:
        off = _find_differences(("cash", each) for each in list_holdings(since))
        read = [("cash", read_holding(each.payment_id)) for _, (_, each) in off]
    except StripeForbidden as error:
        log.warning("Stripe's ledger is not compared", because=str(error))
        return [], since
    found = _find_differences(read)
    for _, (_, holding) in found:
        for kind, object_id in holding.objects:
            _sync(kind, object_id)
    return found, now


def sync_stuck_payments() -> dict[str, int]:
    """Compare with Stripe each payment that is pending for PAYMENT_STUCK_SECONDS; return counts.

    One whose session is unknown here was given up between our commit and Stripe's answer: it has failed, unless the
    daily comparison finds its session.
    """
    synced = expired = 0
    for payment_id in read_once(_find_stuck):
        with open_session() as s:
            payment = lock_payment(s, payment_id)
            session_id = next(reversed(list_intents(s, payment.id, SESSION)), None)
            known = session_id or find_stripe_id(s, payment, "invoice")
            payment.synced_at = clock()
            if not known and payment.status is PaymentStatus.PENDING and payment.due_at is None:
                add_event(s, payment, PaymentEventKind.EXPIRED, clock())
                expired += 1
        if session_id:
            _sync("checkout_session", session_id)
            synced += 1
        with open_session() as s:  # by its session the first invoice of a subscription may be known only now
            invoice_id = find_stripe_id(s, s.get_one(Payment, payment_id), "invoice")
        if invoice_id:
            _sync("invoice", invoice_id)
            synced += 1
    return {"synced": synced, "expired": expired}


def _find_stuck(session: Session) -> list[UUID]:
    before = clock() - timedelta(seconds=_PAYMENT_STUCK_SECONDS)
    stuck = sa.select(Payment.id).where(
        Payment.status == PaymentStatus.PENDING,
        Payment.created_at <= before,
        sa.or_(Payment.synced_at.is_(None), Payment.synced_at <= before),
    )
    return list(session.scalars(stuck.order_by(Payment.id).limit(_AT_ONCE)))


def _list_objects(since: int) -> list[Listed]:
    wanted: Any = {"created": {"gte": since}, "limit": _PAGE}
    return [
        *call(lambda c: _read_each("checkout_session", c.v1.checkout.sessions.list(wanted), SessionFacts)),
        *call(lambda c: _read_each("invoice", c.v1.invoices.list(wanted), InvoiceFacts)),
        *call(lambda c: _read_each("refund", c.v1.refunds.list(wanted), RefundFacts)),
    ]


def _list_overdue(now: datetime) -> list[Listed]:
    """Read the subscriptions again whose period ended a day ago, and return all their invoices."""
    overdue = read_once(_find_overdue, now)
    for subscription_id in overdue:
        _sync("subscription", subscription_id)
    return [each for subscription_id in overdue for each in _list_invoices(subscription_id)]


def _list_invoices(subscription_id: str) -> list[Listed]:
    wanted: Any = {"subscription": subscription_id, "limit": _PAGE}
    return call(lambda c: _read_each("invoice", c.v1.invoices.list(wanted), InvoiceFacts))


def _find_overdue(session: Session, now: datetime) -> list[str]:
    over = (Subscription.status.in_(COLLECTED), Subscription.period_ends_at < now - _OVERDUE)
    ids = sa.select(StripeId.id).join(Subscription, Subscription.id == StripeId.subscription_id)
    return list(session.scalars(ids.where(*over, StripeId.kind == "subscription")))


def _read_each(kind: str, found: Any, facts: type[Facts]) -> list[Listed]:
    """Return a whole list at Stripe, page after page; an object of another shape is named, and the others are read."""
    return [(kind, _read(each.to_dict(), facts)) for each in found.auto_paging_iter()]


def _read(told: dict[str, Any], facts: type[Facts]) -> Facts | Unread:
    try:
        return facts.model_validate(told)
    except ValidationError as error:
        wrong = [".".join(map(str, each["loc"])) for each in error.errors(include_input=False)]
    log.warning("an object of Stripe's has a shape that we do not know", object=told.get("id"), fields=wrong)
    return Unread(str(told.get("id")), str(told.get("type")), wrong)


def _compare(session: Session, kind: str, facts: Any) -> PaymentDifference | None:
    if isinstance(facts, Unread):
        return _build(facts.id, find_payment_id(session, facts.id), {}, {"unread": facts.fields})
    if kind == "cash":
        return _compare_cash(session, facts)
    if kind == "checkout_session":
        return _compare_session(session, facts)
    return _compare_invoice(session, facts) if kind == "invoice" else _compare_refund(session, facts)


def _compare_cash(session: Session, facts: Holding) -> PaymentDifference | None:
    cash = read_balances(session, facts.payment_id).cash
    if cash == facts.cents:
        return None
    return _build(facts.id, facts.payment_id, {"cash": cash}, {"ledger": facts.cents})


def _compare_session(session: Session, facts: SessionFacts) -> PaymentDifference | None:
    payment = _find_payment(session, facts.id, facts.metadata)
    if payment is None and PAYMENT_KEY not in (facts.metadata or {}):
        return None  # another application's
    if payment and _agrees(payment, facts):
        return None
    theirs = {"status": facts.status, "payment_status": facts.payment_status, "amount": facts.amount_total}
    return _build_of(facts.id, payment, theirs)


def _agrees(payment: Payment, facts: SessionFacts) -> bool:
    if facts.status == "complete" and facts.payment_status != "unpaid":
        return payment.status in _DONE and payment.amount_cents == facts.amount_total
    if facts.status == "expired":
        return payment.status is PaymentStatus.FAILED or payment.due_at is not None
    return payment.status not in _DONE


def _compare_invoice(session: Session, facts: InvoiceFacts) -> PaymentDifference | None:
    payment = _find_payment(session, facts.id)
    ours = facts.origin is not None and PAYMENT_KEY in (facts.origin.metadata or {})
    moves_charge = facts.billing_reason not in (FIRST_MONTH, RENEWAL) and not facts.amount_due
    if payment is None and (moves_charge or not ours):
        return None
    paid = facts.status == "paid"
    done = payment if payment and payment.status in _DONE else None
    same = paid and done and done.amount_cents == facts.amount_paid
    lost_refusal = payment is None and facts.is_refused_renewal
    if same or not (paid or done or lost_refusal):
        return None
    return _build_of(facts.id, payment, {"status": facts.status, "paid": facts.amount_paid})


def _compare_refund(session: Session, facts: RefundFacts) -> PaymentDifference | None:
    payment_id = find_payment_id(session, facts.payment_intent, facts.metadata)
    if payment_id is None:
        return None
    refund_id = find_refund_id(session, facts.id, facts.metadata)
    refund = session.get(Refund, refund_id) if refund_id else None
    failed = facts.status in ("failed", "canceled")
    agrees = refund is not None and (refund.status is RefundStatus.FAILED) is failed
    asked = refund is not None and refund.status is not RefundStatus.PLANNED
    if refund and agrees and asked and refund.amount_cents == facts.amount:
        return None
    ours = {"status": refund.status.value, "amount": refund.amount_cents} if refund else {}
    theirs = {"status": facts.status, "amount": facts.amount}
    return _build(facts.id, payment_id, ours, theirs)


def _build(
    object_id: str, payment_id: UUID | None, ours: dict[str, Any], theirs: dict[str, Any]
) -> PaymentDifference:
    return PaymentDifference(object_id=object_id, payment_id=payment_id, ours=ours, stripe=theirs)


def _build_of(object_id: str, payment: Payment | None, theirs: dict[str, Any]) -> PaymentDifference:
    ours = {"status": payment.status.value, "amount": payment.amount_cents} if payment else {}
    return _build(object_id, payment.id if payment else None, ours, theirs)


def _find_payment(session: Session, object_id: str, metadata: Metadata = None) -> Payment | None:
    known = find_payment_id(session, object_id, metadata)
    return session.get(Payment, known) if known else None


def _keep_all(found: Iterable[tuple[PaymentDifference, Listed | None]], now: datetime, what: str) -> int:
    """Keep differences, and report those that are not repaired; return how many these are."""
    left = [row for row, each in found if not _keep(row, each, now)]
    lines = [
        f"{each.object_id}: ours {each.ours or 'nothing'}, Stripe's {each.stripe or 'nothing'}"
        for each in left
    ]
    if lines:
        write_once(notices.tell_admins, "difference", "\n".join(lines), key=f"{what}:{now:%Y-%m-%d}")
    return len(left)


def _keep(row: PaymentDifference, read: Listed | None, now: datetime) -> bool:
    """Keep both sides of a difference; return whether our rows agree by now with what was read."""
    with open_session() as s:
        row.found_at, row.repaired = now, read is not None and _compare(s, *read) is None
        s.add(row)
    sides = {"ours": row.ours, "stripe": row.stripe}
    log.warning("Stripe and we differ", object=row.object_id, **sides, repaired=row.repaired)
    return row.repaired


def _sync(kind: str, object_id: str) -> Any:
    """Read an object and apply it, unless it is not ours, or not what our tables say; return what was applied."""
    each = OBJECT_TYPES[kind]
    try:
        facts = each.fetch(object_id)
        write_once(each.apply, facts)
    except (UnknownOwner, IdConflict, StripeRefused) as error:
        log.warning("an object is not applied", object=object_id, because=str(error))
        return None
    except Exception as error:
        if isinstance(error, StripeAway) or passes(error):
            raise
        # it is reported with both sides, and the others have their turn
        log.exception("an object cannot be applied", object=object_id)
        return None
    return facts
