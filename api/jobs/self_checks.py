"""Self-checks: promises as named SQL queries, each of which must give no row.

A job runs them each night, and a row is an alarm. `make chaos` ends with the same ones. What the book of money holds is
checked beside it (api/payments/exchange/reconciliation.py).
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.ground.alarms import open_alarm
from api.models.incident import IncidentReason
from configs.ground.clock import clock

_KIND = "operations_alarm"
_LOOKS_BACK = timedelta(days=2)  # a night that failed is made up for
_SETTLED = timedelta(hours=1)  # in which messages leave, documents are issued, and receipts come
_MOST = 100  # rows of one query that are read

log = structlog.get_logger(__name__)

# A plan that ends before it began, by a clock that was set wrong, leaves no grant, only the event of its payment.
# Each gives the subject's id. `:since` and `:settled` bound what is looked at.
QUERIES = {
    "a detection was not matched": """
        SELECT id FROM detections WHERE matched_at IS NULL AND committed_at BETWEEN :since AND :settled""",
    "a message does not leave": """
        SELECT id FROM notifications
        WHERE state IN ('pending', 'sending') AND kind = 'slot_detected'
        AND next_attempt_at BETWEEN :since AND :settled""",
    "an alert told a contact of a slot twice": """
        SELECT max(n.id::text) FROM notifications n JOIN matches m ON m.announcement_id = n.announcement_id,
          unnest(m.slots) AS span, generate_series(lower(span), upper(span) - 1) AS slot
        WHERE n.kind = 'slot_detected' AND n.accepted_at BETWEEN :since AND :settled AND n.contact_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM detections d WHERE d.id = m.detection_id AND d.is_again)
        GROUP BY n.contact_id, m.alert_id, slot HAVING count(DISTINCT n.id) > 1""",
    "a message has no receipt": """
        SELECT id FROM notifications
        WHERE state = 'sent' AND receipt_due_at < :settled AND accepted_at BETWEEN :since AND :settled""",
    "somebody without a plan was told of a slot": """
        SELECT n.id FROM notifications n
        WHERE n.kind = 'slot_detected' AND n.accepted_at BETWEEN :since AND :settled
        AND n.params->>'source' IS DISTINCT FROM 'report' -- which needs no plan
        AND NOT EXISTS (
          SELECT FROM grants g WHERE g.user_id = n.user_id
          AND n.matched_at BETWEEN g.starts_at - interval '1 hour' AND g.ends_at + interval '1 hour')
        AND NOT EXISTS (
          SELECT FROM payments p JOIN payment_events e ON e.payment_id = p.id
          AND e.kind IN ('plan_ended', 'withdrawn', 'refunded', 'dispute_lost')
          AND e.at BETWEEN n.matched_at - interval '2 days' AND n.matched_at + interval '2 days'
          WHERE p.user_id = n.user_id AND NOT EXISTS (SELECT FROM grants g WHERE g.payment_id = p.id))""",
    "a number was called again after a person answered": """
        SELECT n.id FROM notifications n JOIN provider_events e ON n.id = ANY(e.notification_ids)
        WHERE n.kind = 'slot_call' AND n.created_at BETWEEN :since AND :settled
          AND e.kind = 'delivered' AND e.received_at < n.accepted_at - interval '10 seconds'""",
    "a job failed for good, or is late": """
        SELECT name FROM jobs WHERE failed_at >= :since OR coalesce(turn_ends_at, due_at) <= :settled""",
    "an export is not made": """
        SELECT id FROM exports WHERE ready_at IS NULL AND requested_at BETWEEN :since AND :settled""",
    "a payment has no invoice, or two": """
        SELECT p.id FROM payments p LEFT JOIN invoices i ON i.payment_id = p.id AND i.corrects_id IS NULL
        WHERE p.amount_cents > 0 AND p.paid_at BETWEEN :since AND :settled GROUP BY p.id HAVING count(i.id) <> 1""",
    "a refund has no credit note, or two": """
        SELECT r.id FROM refunds r JOIN stripe_ids s ON s.refund_id = r.id
        JOIN book_transactions t ON t.cause = s.id || '\\:succeeded'
        LEFT JOIN invoices i ON i.transaction_id = t.id AND i.corrects_id IS NOT NULL
        WHERE r.status = 'succeeded' AND t.at BETWEEN :since AND :settled
        -- beside a lost dispute credit notes are of what is left of the invoice
        AND NOT EXISTS (SELECT FROM payments p WHERE p.id = r.payment_id AND p.lost_cents > 0)
        GROUP BY r.id, r.amount_cents HAVING count(i.id) <> 1 OR sum(i.amount_cents) <> r.amount_cents""",
    "a document has no file": """
        SELECT number FROM invoices WHERE pdf_made_at IS NULL AND issued_at BETWEEN :since AND :settled""",
    "a number of a document is missing": """
        SELECT series FROM (
          SELECT CASE kind WHEN 'invoice' THEN 'F' ELSE 'A' END || year AS series, last_number
          FROM invoice_counters) c
        LEFT JOIN (SELECT number FROM invoices UNION ALL SELECT number FROM invoice_gaps) n
        ON split_part(number, '-', 1) = series
        GROUP BY series, last_number
        HAVING count(number) <> last_number OR max(split_part(number, '-', 2)::int) <> last_number""",
    "a document is older than the number before it": """
        SELECT number FROM (
          SELECT number, issued_at, lag(issued_at) OVER (PARTITION BY kind, left(number, 5) ORDER BY number) AS before
          FROM invoices) numbered WHERE issued_at < before""",
    "a paid payment gave no plan, or two": """
        SELECT p.id FROM payments p LEFT JOIN grants g ON g.payment_id = p.id AND g.source = 'payment'
        WHERE p.paid_at BETWEEN :since AND :settled AND p.user_id IS NOT NULL
        GROUP BY p.id HAVING count(g.id) > 1 OR (count(g.id) = 0 AND p.status = 'COMPLETED' AND NOT EXISTS (
          SELECT FROM payment_events e WHERE e.payment_id = p.id AND e.kind = 'plan_ended'))""",
    "an event of Stripe waits, or was given up": """
        SELECT id FROM stripe_events
        WHERE received_at BETWEEN :since AND :settled AND (flag = 'gave_up'
          OR (next_attempt_at IS NOT NULL AND flag IS DISTINCT FROM 'unknown_owner'))""",
    "a withdrawal has no effect": """
        SELECT id FROM declarations
        WHERE kind = 'withdrawal' AND payment_id IS NOT NULL AND takes_effect_at BETWEEN :since AND :settled
        AND applied_at IS NULL AND undone_at IS NULL AND refused_because IS NULL""",
}


@dataclass(frozen=True, slots=True)
class BrokenPromise:
    """A row of a query: which query, and the id of what it found."""

    check: str
    subject: str


def find_broken_promises(session: Session, since: datetime, settled: datetime) -> list[BrokenPromise]:
    """Return the rows of all queries, a hundred of each at most. What happened since `settled` is left alone."""
    values = {"since": since, "settled": settled}
    return [
        BrokenPromise(check, str(subject))
        for check, query in QUERIES.items()
        for subject in session.scalars(sa.text(f"{query} LIMIT {_MOST}"), values)
    ]


def tell_broken_promises(session: Session) -> None:
    """Alarm the operators, once a day for each query that gives rows."""
    now = clock()
    found = find_broken_promises(session, now - _LOOKS_BACK, now - _SETTLED)
    reason = IncidentReason.SELF_CHECK
    for each in found:
        log.warning("a promise is broken", check=each.check, subject=each.subject)
    for check, number in Counter(each.check for each in found).items():
        subject = f"{check} {now.astimezone(UTC):%Y-%m-%d}"
        params: dict[str, Any] = {"reason": reason.value, "subject": subject, "since": now.isoformat()}
        open_alarm(session, reason, subject, _KIND, params | {"number": number})
