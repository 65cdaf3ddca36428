"""Comparison with Stripe: lost events are made up for, and what cannot be explained is reported with both sides.

Each object that differs is read again and applied like that of an event, so nothing is repaired in another way than
events would have done. Stripe is right about money, our tables about what a user agreed to. What the checks of the book
find is reported in the same way (book_checks.py).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.models.base import session as open_session
from api.models.payment import Payment, PaymentEventKind, PaymentStatus, Refund, RefundStatus, StripeId
from api.models.stripe_event import PaymentDifference
from api.payments import notices
from api.payments.book import find_book_faults
from api.payments.client import call
from api.payments.errors import IdConflict, StripeAway, StripeRefused, UnknownOwner
from api.payments.event_store import store_event
from api.payments.facts import InvoiceFacts, RefundFacts, SessionFacts, read_list
from api.payments.jobs import apply_object
from api.payments.ledger import (
    PAYMENT_KEY,
    SESSION,
    add_event,
    find_payment_id,
    find_refund_id,
    find_stripe_id,
    lock_payment,
)
from api.payments.notices import Effects
from api.payments.objects import object_types, types_by_event
from configs.ground.clock import clock
from configs.ground.database_errors import passes

# Age of a payment that is neither paid nor failed from which it is compared with Stripe
_PAYMENT_STUCK_SECONDS = 1800

DAYS = 3
_AT_ONCE = 200  # payments in one look for stuck ones
_PAGE = 100
_DONE = (PaymentStatus.COMPLETED, PaymentStatus.REFUNDED)

log = structlog.get_logger(__name__)


Listed = tuple[str, Any]  # an object's name in `api/payments/objects/`, and its facts


def reconcile() -> dict[str, int]:
    """Compare the last days' sessions, invoices and refunds, and check the book; return how many differ, and still do.

    Raises:
        api.payments.errors.StripeAway: no answer; the job is repeated.
    """
    now = clock()
    since = int((now - timedelta(days=DAYS)).timestamp())
    listed = _list_objects(since)
    with open_session() as s:
        found = [(row, each) for each in listed if (row := _compare(s, *each))]
        missing = _find_missing(s, now, {facts.id for _, facts in listed})
    # They are compared by what was just read: the list may be older than what its events changed meanwhile.
    read = [(row, (kind, _sync(kind, facts.id) or facts)) for row, (kind, facts) in found]
    missed = _apply_missed_events(since)
    with open_session() as s:
        faults = find_book_faults(s)
    differences = [*read, *((row, None) for row in [*missing, *faults])]
    left = [row for row, each in differences if not _keep(row, each, now)]
    if left:
        _report(left, now)
    return {"compared": len(listed), "different": len(differences), "left": len(left), "missed": missed}


def _apply_missed_events(since: int) -> int:
    """Store and apply the events that never reached us, such as a dispute's; return how many they were."""
    wanted: Any = {"created": {"gte": since}, "limit": _PAGE}
    found = call(lambda c: [_shorten(each) for each in c.v1.events.list(wanted).auto_paging_iter()])
    missed = [each for each in found if each["type"] in types_by_event()]
    with open_session() as s:
        new = [each for each in reversed(missed) if store_event(s, each, known=True)]
    for object_id in dict.fromkeys(str(each["data"]["object"]["id"]) for each in new):
        apply_object(object_id)
    if new:
        log.warning("events never reached us", events=len(new))
    return len(new)


def _shorten(event: Any) -> dict[str, Any]:
    """Return what is stored of an event: three days of whole ones would be a gigabyte."""
    whole = event.to_dict()
    about = {name: whole["data"]["object"].get(name) for name in ("id", "object")}
    kept = {name: whole[name] for name in ("id", "type", "created", "api_version")}
    return kept | {"data": {"object": about}}


def sync_stuck_payments() -> dict[str, int]:
    """Compare with Stripe each payment that is pending for PAYMENT_STUCK_SECONDS; return counts.

    One whose session is unknown here was given up between our commit and Stripe's answer: it has failed, unless the
    daily comparison finds its session.
    """
    synced = expired = 0
    for payment_id in _find_stuck():
        with open_session() as s:
            payment = lock_payment(s, payment_id)
            session_id = find_stripe_id(s, payment, SESSION)
            known = session_id or find_stripe_id(s, payment, "invoice")
            payment.synced_at = clock()
            if not known and payment.status is PaymentStatus.PENDING:
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


def _find_stuck() -> list[UUID]:
    before = clock() - timedelta(seconds=_PAYMENT_STUCK_SECONDS)
    stuck = sa.select(Payment.id).where(
        Payment.status == PaymentStatus.PENDING,
        Payment.created_at <= before,
        sa.or_(Payment.synced_at.is_(None), Payment.synced_at <= before),
    )
    with open_session() as s:
        return list(s.scalars(stuck.order_by(Payment.id).limit(_AT_ONCE)))


def _list_objects(since: int) -> list[Listed]:
    wanted: Any = {"created": {"gte": since}, "limit": _PAGE}
    sessions = call(lambda c: read_list(c.v1.checkout.sessions.list(wanted), SessionFacts))
    invoices = call(lambda c: read_list(c.v1.invoices.list(wanted), InvoiceFacts))
    refunds = call(lambda c: read_list(c.v1.refunds.list(wanted), RefundFacts))
    return [
        *(("checkout_session", each) for each in sessions),
        *(("invoice", each) for each in invoices),
        *(("refund", each) for each in refunds),
    ]


def _compare(session: Session, kind: str, facts: Any) -> PaymentDifference | None:
    if kind == "checkout_session":
        return _compare_session(session, facts)
    return _compare_invoice(session, facts) if kind == "invoice" else _compare_refund(session, facts)


def _compare_session(session: Session, facts: SessionFacts) -> PaymentDifference | None:
    payment_id = find_payment_id(session, facts.id, facts.metadata)
    payment = session.get(Payment, payment_id) if payment_id else None
    if payment is None and PAYMENT_KEY not in (facts.metadata or {}):
        return None  # another application's
    if payment and _agrees(payment, facts):
        return None
    theirs = {"status": facts.status, "payment_status": facts.payment_status, "amount": facts.amount_total}
    return _build(facts.id, payment_id, _describe(payment), theirs)


def _agrees(payment: Payment, facts: SessionFacts) -> bool:
    if facts.status == "complete" and facts.payment_status != "unpaid":
        return payment.status in _DONE and payment.amount_cents == facts.amount_total
    if facts.status == "expired":
        return payment.status is PaymentStatus.FAILED
    return payment.status not in _DONE


def _compare_invoice(session: Session, facts: InvoiceFacts) -> PaymentDifference | None:
    payment_id = find_payment_id(session, facts.id)
    ours = facts.origin is not None and PAYMENT_KEY in (facts.origin.metadata or {})
    if not ours and payment_id is None:
        return None
    payment = session.get(Payment, payment_id) if payment_id else None
    paid = facts.status == "paid"
    done = payment is not None and payment.status in _DONE
    same = paid and done and payment is not None and payment.amount_cents == facts.amount_paid
    lost_refusal = payment is None and facts.is_refused_renewal
    if same or (not paid and not done and not lost_refusal):
        return None
    theirs = {"status": facts.status, "paid": facts.amount_paid}
    return _build(facts.id, payment_id, _describe(payment), theirs)


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


def _find_missing(session: Session, now: datetime, seen: set[str]) -> list[PaymentDifference]:
    """Return the payments that were paid here and whose session or invoice Stripe's lists do not have."""
    # Young ones may have got their session after the list was made.
    since_until = (now - timedelta(days=DAYS) + timedelta(hours=1), now - timedelta(minutes=5))
    known = sa.select(StripeId.payment_id, sa.func.array_agg(StripeId.id).label("ids"))
    named = known.where(StripeId.kind.in_((SESSION, "invoice"))).group_by(StripeId.payment_id).subquery()
    paid = (
        sa.select(Payment, named.c.ids)
        .outerjoin(named, named.c.payment_id == Payment.id)
        .where(Payment.status.in_(_DONE), Payment.created_at.between(*since_until))
    )
    return [
        _build((ids or [str(payment.id)])[0], payment.id, _describe(payment), {})
        for payment, ids in session.execute(paid)
        if not seen & set(ids or ())
    ]


def _build(
    object_id: str, payment_id: UUID | None, ours: dict[str, Any], theirs: dict[str, Any]
) -> PaymentDifference:
    return PaymentDifference(object_id=object_id, payment_id=payment_id, ours=ours, stripe=theirs)


def _describe(payment: Payment | None) -> dict[str, Any]:
    return {"status": payment.status.value, "amount": payment.amount_cents} if payment else {}


def _keep(row: PaymentDifference, read: Listed | None, now: datetime) -> bool:
    """Keep both sides of a difference; return whether our rows agree by now with what was read."""
    with open_session() as s:
        row.found_at, row.repaired = now, read is not None and _compare(s, *read) is None
        s.add(row)
    sides = {"ours": row.ours, "stripe": row.stripe}
    log.warning("Stripe and we differ", object=row.object_id, **sides, repaired=row.repaired)
    return row.repaired


def _sync(kind: str, object_id: str) -> Any:
    """Read an object and apply it, unless it is not ours, or not what our tables say; return what was applied.

    Raises:
        api.payments.errors.StripeAway: no answer.
    """
    each = object_types()[kind]
    try:
        facts = each.fetch(object_id)
        with open_session() as s:
            effects: Effects = each.apply(s, facts)
    except (UnknownOwner, IdConflict, StripeRefused) as error:
        log.warning("an object is not applied", object=object_id, because=str(error))
        return None
    except Exception as error:
        if isinstance(error, StripeAway) or passes(error):
            raise
        # it is reported with both sides, and the others have their turn
        log.exception("an object cannot be applied", object=object_id)
        return None
    effects.run()
    return facts


def _report(left: Iterable[PaymentDifference], now: datetime) -> None:
    lines = [
        f"{each.object_id}: ours {each.ours or 'nothing'}, Stripe's {each.stripe or 'nothing'}"
        for each in left
    ]
    with open_session() as s:
        mails = notices.tell_admins(s, "difference", "\n".join(lines), key=f"difference:{now:%Y-%m-%d}")
    Effects(mails=mails).run()
