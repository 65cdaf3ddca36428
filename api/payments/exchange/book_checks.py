"""Checks of the book against the other tables: named SQL queries, each of which must give no row."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.stripe_event import PaymentDifference
from configs.ground.clock import clock

# Documents are issued, and credits taken back, some minutes after the money moved.
_SETTLED = timedelta(hours=1)

# Each payment with what is in its accounts, debit positive, and what its refunds and documents say.
_HELD = """
WITH held AS (
  SELECT p.id AS payment_id, max(t.at) AS last_at,
    coalesce(sum(cents) FILTER (WHERE account = 'cash'), 0) AS cash,
    coalesce(sum(cents) FILTER (WHERE account = 'bank'), 0) AS bank,
    coalesce(sum(cents) FILTER (WHERE account = 'unearned'), 0) AS unearned,
    coalesce(sum(cents) FILTER (WHERE account = 'earned'), 0) AS earned,
    coalesce(-sum(cents) FILTER (WHERE account = 'owed'), 0) AS owed,
    coalesce(sum(cents) FILTER (WHERE account = 'disputed'), 0) AS disputed,
    coalesce(sum(cents) FILTER (WHERE account = 'lost'), 0) AS lost,
    coalesce(sum(cents) FILTER (WHERE account = 'due'), 0) AS due,
    coalesce(-sum(cents) FILTER (WHERE account = 'owed' AND kind IN ('unwatched', 'borne')), 0) AS waiting
  FROM payments p LEFT JOIN book_lines l ON l.payment_id = p.id
  LEFT JOIN book_transactions t ON t.id = l.transaction_id GROUP BY p.id
), back AS (
  SELECT p.id AS payment_id, coalesce(sum(r.amount_cents) FILTER (WHERE r.status = 'succeeded'), 0) AS made,
    coalesce(sum(r.amount_cents) FILTER (WHERE r.status IN ('planned', 'pending')), 0) AS ordered,
    coalesce(bool_or(r.reason = 'external'), false) AS by_dashboard
  FROM payments p LEFT JOIN refunds r ON r.payment_id = p.id GROUP BY p.id
), p AS (
  SELECT p.id, p.lost_cents, p.due_at, p.status, held.*, back.made, back.ordered, back.by_dashboard,
    CASE WHEN p.paid_at IS NULL THEN 0 ELSE p.amount_cents END AS paid
  FROM payments p JOIN held ON held.payment_id = p.id JOIN back ON back.payment_id = p.id
)
"""
# Each follows _HELD, and gives: the subject (an id), its payment, what the book has, what the other tables have.
QUERIES = {
    "a transaction does not sum to 0": """
        SELECT transaction_id::text, min(payment_id::text)::uuid, sum(cents), 0
        FROM book_lines GROUP BY transaction_id HAVING sum(cents) <> 0""",
    "cash is not what was paid, less refunds and disputes": """
        SELECT id::text, id, cash + bank + disputed + lost, paid - made FROM p
        WHERE due_at IS NULL AND cash + bank + disputed + lost <> paid - made""",
    "the bank keeps another amount": """
        SELECT id::text, id, lost, lost_cents FROM p WHERE due_at IS NULL AND lost <> lost_cents""",
    "more is held back than is disputed": """
        SELECT p.id::text, p.id, disputed, coalesce(sum((o.details->>'amount')::int), 0)
        FROM p LEFT JOIN payment_events o ON o.payment_id = p.id AND o.kind = 'dispute_opened' AND NOT EXISTS (
          SELECT FROM payment_events e WHERE e.payment_id = p.id AND e.subject = o.subject
          AND e.kind IN ('dispute_won', 'dispute_lost', 'dispute_closed'))
        GROUP BY p.id, disputed HAVING disputed NOT BETWEEN 0 AND coalesce(sum((o.details->>'amount')::int), 0)""",
    "documents are not the money that moved": """
        SELECT p.id::text, p.id, greatest(cash + bank + disputed + due, 0), coalesce(d.cents, 0)
        FROM p LEFT JOIN (
          SELECT payment_id, sum(CASE kind WHEN 'invoice' THEN amount_cents ELSE -amount_cents END) AS cents
          FROM invoices GROUP BY payment_id) d ON d.payment_id = p.id
        WHERE p.last_at < :settled AND greatest(cash + bank + disputed + due, 0) <> coalesce(d.cents, 0)""",
    "what an organisation used is neither due nor paid": """
        SELECT id::text, id, due, paid FROM p
        WHERE due <> 0 AND due_at IS NULL OR due_at IS NOT NULL AND (due > 0) <> (status = 'PENDING')""",
    # An operator pays it by a transfer (docs/operations.md); a refund of the dashboard is heard of within the hour.
    "owed, and nothing will pay it": """
        SELECT id::text, id, owed, ordered + waiting FROM p
        WHERE owed > ordered + waiting AND last_at < :settled""",
    "less is owed than refunds and credits will give": """
        SELECT id::text, id, owed, ordered + waiting FROM p WHERE owed < ordered + waiting""",
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
    "a charge was moved, and no days were given": """
        SELECT s.id::text, p.id, 1, 0 FROM subscriptions s
        JOIN payments p ON p.subscription_id = s.id AND p.consented_at IS NOT NULL
        WHERE s.charge_at > s.period_ends_at AND coalesce(s.cancel_wanted_at, s.ended_at) IS NULL AND NOT EXISTS (
          SELECT FROM grants g WHERE g.user_id = s.user_id AND g.source = 'friend' AND g.ends_at = s.charge_at)""",
    "an account is negative": """
        SELECT id::text, id, least(cash, -unearned, -earned, owed, disputed, lost, due), 0 FROM p
        WHERE least(-earned, owed, disputed, lost, due) < 0
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
