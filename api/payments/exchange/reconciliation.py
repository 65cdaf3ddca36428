"""Comparison with Stripe: lost events are made up for, and what cannot be explained is reported with both sides.

Each object that differs is read again and applied like that of an event, so nothing is repaired in another way than
events would have done. Stripe is right about money, our tables about what a user agreed to. The checks of the book
against the other tables are named SQL queries that must give no row; a row is reported in the same way. `make chaos`
ends with the same ones.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.models.base import read_once, write_once
from api.models.base import session as open_session
from api.models.payment import Payment, PaymentEventKind, PaymentStatus, Refund, RefundStatus, StripeId
from api.models.stripe_event import PaymentDifference
from api.payments.exchange.events import Event, store_event
from api.payments.exchange.jobs import apply_object
from api.payments.exchange.objects import OBJECT_TYPES, find_type
from api.payments.gateway.client import call
from api.payments.gateway.errors import IdConflict, StripeAway, StripeRefused, UnknownOwner
from api.payments.gateway.facts import InvoiceFacts, RefundFacts, SessionFacts, read_list
from api.payments.ledger import notices
from api.payments.ledger.payment_events import (
    PAYMENT_KEY,
    SESSION,
    add_event,
    find_payment_id,
    find_refund_id,
    find_stripe_id,
    lock_payment,
)
from configs.ground.clock import clock
from configs.ground.database_errors import passes

# Age of a payment that is neither paid nor failed from which it is compared with Stripe
_PAYMENT_STUCK_SECONDS = 1800

DAYS = 3
_AT_ONCE = 200  # payments in one look for stuck ones
_PAGE = 100
_DONE = (PaymentStatus.COMPLETED, PaymentStatus.REFUNDED)

log = structlog.get_logger(__name__)


Listed = tuple[str, Any]  # an object's name in `api/payments/exchange/objects.py`, and its facts


def reconcile() -> dict[str, int]:
    """Compare the last days' sessions, invoices and refunds, and check the book; return how many differ, and still do.

    Raises:
        StripeAway: no answer; the job is repeated.
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
    faults = read_once(find_book_faults)
    differences = [*read, *((row, None) for row in [*missing, *faults])]
    left = [row for row, each in differences if not _keep(row, each, now)]
    if left:
        _report(left, now)
    return {"compared": len(listed), "different": len(differences), "left": len(left), "missed": missed}


def _apply_missed_events(since: int) -> int:
    """Store and apply the events that never reached us, such as a dispute's; return how many they were."""
    wanted: Any = {"created": {"gte": since}, "limit": _PAGE}
    found: list[Event] = call(lambda c: read_list(c.v1.events.list(wanted), Event))
    missed = [each for each in found if find_type(each.type)]
    with open_session() as s:
        new = [each for each in reversed(missed) if store_event(s, each)]
    for object_id in dict.fromkeys(str(each.data.object.id) for each in new):
        apply_object(object_id)
    if new:
        log.warning("events never reached us", events=len(new))
    return len(new)


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
        StripeAway: no answer.
    """
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


def _report(left: Iterable[PaymentDifference], now: datetime) -> None:
    lines = [
        f"{each.object_id}: ours {each.ours or 'nothing'}, Stripe's {each.stripe or 'nothing'}"
        for each in left
    ]
    write_once(notices.tell_admins, "difference", "\n".join(lines), key=f"difference:{now:%Y-%m-%d}")


# Documents are issued, and credits taken back, some minutes after the money moved.
_SETTLED = timedelta(hours=1)

# Each payment with what is in its accounts, debit positive, and what its refunds and documents say.
_HELD = """
WITH held AS (
  SELECT l.payment_id, max(t.at) AS last_at,
    sum(cents) FILTER (WHERE account = 'cash') AS cash, sum(cents) FILTER (WHERE account = 'unearned') AS unearned,
    sum(cents) FILTER (WHERE account = 'earned') AS earned, -sum(cents) FILTER (WHERE account = 'owed') AS owed,
    sum(cents) FILTER (WHERE account = 'disputed') AS disputed, sum(cents) FILTER (WHERE account = 'lost') AS lost,
    -sum(cents) FILTER (WHERE account = 'owed' AND kind IN ('unwatched', 'borne')) AS waiting
  FROM book_lines l JOIN book_transactions t ON t.id = l.transaction_id GROUP BY l.payment_id
), back AS (
  SELECT payment_id,
    sum(amount_cents) FILTER (WHERE status = 'succeeded') AS made,
    sum(amount_cents) FILTER (WHERE status IN ('planned', 'pending')) AS ordered,
    sum(amount_cents) FILTER (WHERE status = 'failed' AND reason NOT IN ('operator', 'external')) AS refused,
    bool_or(reason = 'external') AS by_dashboard
  FROM refunds GROUP BY payment_id
), p AS (
  SELECT p.id, p.lost_cents, held.last_at, CASE WHEN p.paid_at IS NULL THEN 0 ELSE p.amount_cents END AS paid,
    coalesce(cash, 0) AS cash, coalesce(unearned, 0) AS unearned, coalesce(earned, 0) AS earned,
    coalesce(owed, 0) AS owed, coalesce(disputed, 0) AS disputed, coalesce(lost, 0) AS lost,
    coalesce(waiting, 0) AS waiting, coalesce(made, 0) AS made, coalesce(ordered, 0) AS ordered,
    coalesce(refused, 0) AS refused, coalesce(by_dashboard, false) AS by_dashboard
  FROM payments p LEFT JOIN held ON held.payment_id = p.id LEFT JOIN back ON back.payment_id = p.id
)
"""
# Each follows _HELD, and gives: the subject (an id), its payment, what the book has, what the other tables have.
QUERIES = {
    "a transaction does not sum to 0": """
        SELECT transaction_id::text, min(payment_id::text)::uuid, sum(cents), 0
        FROM book_lines GROUP BY transaction_id HAVING sum(cents) <> 0""",
    "cash is not what was paid, less refunds and disputes": """
        SELECT id::text, id, cash + disputed + lost, paid - made FROM p
        WHERE cash + disputed + lost <> paid - made""",
    "the bank keeps another amount": """
        SELECT id::text, id, lost, lost_cents FROM p WHERE lost <> lost_cents""",
    "more is held back than is disputed": """
        SELECT p.id::text, p.id, disputed, coalesce(sum((o.details->>'amount')::int), 0)
        FROM p LEFT JOIN payment_events o ON o.payment_id = p.id AND o.kind = 'dispute_opened' AND NOT EXISTS (
          SELECT FROM payment_events e WHERE e.payment_id = p.id AND e.subject = o.subject
          AND e.kind IN ('dispute_won', 'dispute_lost', 'dispute_closed'))
        GROUP BY p.id, disputed HAVING disputed NOT BETWEEN 0 AND coalesce(sum((o.details->>'amount')::int), 0)""",
    "documents are not the money that moved": """
        SELECT p.id::text, p.id, greatest(cash + disputed, 0), coalesce(d.cents, 0)
        FROM p LEFT JOIN (
          SELECT payment_id, sum(CASE kind WHEN 'invoice' THEN amount_cents ELSE -amount_cents END) AS cents
          FROM invoices GROUP BY payment_id) d ON d.payment_id = p.id
        WHERE p.last_at < :settled AND greatest(cash + disputed, 0) <> coalesce(d.cents, 0)""",
    "more or less is owed than refunds and credits will give": """
        SELECT id::text, id, owed, ordered + waiting FROM p
        WHERE owed NOT BETWEEN ordered + waiting AND ordered + waiting + refused""",
    "an outage waits for an invoice without its credit": """
        SELECT p.id::text, p.id, waiting, coalesce(sum(c.amount_cents), 0)
        FROM p LEFT JOIN watch_credits c ON c.payment_id = p.id AND c.form = 'invoice' AND c.borne_by_id IS NULL
        GROUP BY p.id, waiting HAVING waiting <> coalesce(sum(c.amount_cents), 0)""",
    "a credit waits for an invoice that never comes": """
        SELECT c.id::text, c.payment_id, c.amount_cents, 0 FROM watch_credits c
        JOIN payments p ON p.id = c.payment_id JOIN subscriptions s ON s.id = p.subscription_id
        WHERE c.form = 'invoice' AND c.borne_by_id IS NULL AND c.amount_cents > 0
        AND greatest(s.ended_at, c.created_at) < :settled AND s.ended_at IS NOT NULL""",
    "a refund waits, and nobody will ask for it": """
        SELECT id::text, payment_id, amount_cents, 0 FROM refunds
        WHERE status = 'planned'
        AND NOT EXISTS (SELECT FROM stripe_commands WHERE kind = 'refund' AND subject_id = refunds.id)""",
    "more time was given back than was not watched": """
        SELECT g.payment_id::text, g.payment_id, g.seconds, coalesce(u.seconds, 0) FROM (
          SELECT payment_id, count(*) AS rounded, sum(seconds) AS seconds
          FROM watch_credits GROUP BY payment_id) g
        LEFT JOIN LATERAL (
          SELECT sum(extract(epoch FROM upper(span) - lower(span)))::int AS seconds FROM unnest((
            SELECT range_agg(tstzrange(starts_at, ends_at)) FROM unwatched
            WHERE payment_id = g.payment_id)) AS span) u ON true
        WHERE g.seconds > coalesce(u.seconds, 0) + g.rounded""",
    "an account is negative": """
        SELECT id::text, id, least(cash, -unearned, -earned, owed, disputed, lost), 0 FROM p
        WHERE least(-earned, owed, disputed, lost) < 0
        OR (least(cash, -unearned) < 0 AND disputed + lost = 0 AND NOT by_dashboard)""",
}


def find_book_faults(session: Session, settled: datetime | None = None) -> list[PaymentDifference]:
    """Return the rows of all queries: what the book and the other tables have, in cents (or seconds, of time).

    What happened since `settled` may lack its documents; an hour ago if None.
    """
    values = {"settled": settled or clock() - _SETTLED}
    return [
        PaymentDifference(
            object_id=f"{check}: {subject}",
            payment_id=payment_id,
            ours={"book": int(book), "tables": int(tables)},
            stripe={},
        )
        for check, query in QUERIES.items()
        for subject, payment_id, book, tables in session.execute(sa.text(_HELD + query), values)
    ]
