"""The book of money: what each payment's cents are, and the one place that says what may go back.

To read it: `read_balances(session, payment_id)` says what is in each account (debit positive), what of it can be given
back, and what the plan was worth; `list_transactions(session, payment_id)` returns what happened, the oldest first.
To write it: `post`, once for each cause, by code that has locked the payment (api/payments/ledger.py).

Its checks against the other tables are named SQL queries that must give no row. The daily comparison runs them; a row
is reported like a difference with Stripe. `make chaos` ends with the same ones.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, selectinload

from api.models.base import new_id
from api.models.book import Account, BookKind, BookLine, BookTransaction
from api.models.payment import Refund, RefundStatus
from api.models.stripe_event import PaymentDifference
from api.payments import notices
from configs.ground.clock import clock

Line = tuple[UUID, Account, int]  # payment, account, cents
Span = tuple[datetime, datetime]

_OPEN = (RefundStatus.PLANNED, RefundStatus.PENDING)
_WORTH = (BookKind.PAID, BookKind.UPGRADED, BookKind.BORNE)  # what a period was paid with
_PASSED_ON = (BookKind.UPGRADED, BookKind.BORNE, BookKind.REVIVED)

log = structlog.get_logger(__name__)


def measure_seconds(periods: Iterable[Span], unwatched: Iterable[Span], most: int, at: datetime) -> int:
    """Return the whole seconds that ran and were watched by `at`."""
    used = sum((_measure(span, at) for span in periods), timedelta())
    used -= sum((_measure(span, at) for span in unwatched), timedelta())
    return max(0, min(math.floor(used.total_seconds()), most))


def _measure(span: Span, at: datetime) -> timedelta:
    return max(min(span[1], at) - span[0], timedelta())


def share(cents: int, used: int, seconds: int) -> int:
    """Return what so many seconds of a period cost, rounded down: the rest, which may go back, is rounded up."""
    return cents * max(0, min(used, seconds)) // seconds if seconds else 0


@dataclass(frozen=True, slots=True)
class Balances:
    """A payment's accounts, debit positive, and what follows from them."""

    cash: int = 0
    unearned: int = 0
    earned: int = 0
    owed: int = 0
    disputed: int = 0
    lost: int = 0
    worth: int = 0  # what the period was paid with: money, and what lowered its price
    passed_on: int = 0  # to a more expensive plan, or to an invoice
    ordered: int = 0  # by refunds that have not settled
    waiting: int = 0  # owed for an outage, until an invoice bears it

    @property
    def claims(self) -> int:
        """What of the period's worth was neither given back, nor passed on, nor promised."""
        return self.unordered - (self.unearned + self.earned + self.lost)

    @property
    def money(self) -> int:
        """What of the payment's own money is still here, and not ordered to go back."""
        return max(self.cash + self.disputed - self.ordered, 0)

    @property
    def refundable(self) -> int:
        """What can go back of this payment."""
        return max(min(self.money, self.claims), 0)

    @property
    def unordered(self) -> int:
        """What is owed, and no refund gives it: Stripe refused one, or the bank sent it back."""
        return max(-self.owed - self.ordered - self.waiting, 0)


def post(session: Session, cause: str, kind: BookKind, *lines: Line) -> bool:
    """Write a transaction once; False where the cause has one already, or nothing moves.

    Another amount for the same cause changes nothing, and the admins hear of it.
    """
    moved: dict[tuple[UUID, Account], int] = defaultdict(int)
    for payment_id, account, cents in lines:
        moved[payment_id, account] += cents
    moved = defaultdict(int, {key: cents for key, cents in moved.items() if cents})
    if sum(moved.values()):
        raise ValueError(f"the lines of {cause} do not sum to 0")
    if not moved:
        return False
    session.flush()
    made = insert(BookTransaction).values(id=new_id(), cause=cause, kind=kind, at=clock())
    transaction_id = session.scalar(
        made.on_conflict_do_nothing(index_elements=["cause"]).returning(BookTransaction.id)
    )
    if transaction_id is None:
        _compare(session, cause, moved)
        return False
    rows = [
        {"transaction_id": transaction_id, "payment_id": payment_id, "account": account, "cents": cents}
        for (payment_id, account), cents in moved.items()
    ]
    session.execute(sa.insert(BookLine), rows)
    return True


def _compare(session: Session, cause: str, moved: Mapping[tuple[UUID, Account], int]) -> None:
    if {(payment_id, account): cents for payment_id, account, cents in read_lines(session, cause)} != moved:
        log.error("the book has other amounts for this cause", cause=cause)
        notices.tell_admins(
            session, "difference", f"book: {cause} came with other amounts", key=f"book:{cause}"
        )


def read_lines(session: Session, cause: str) -> list[Line]:
    """Return what the book has for a cause."""
    query = sa.select(BookLine).join(BookTransaction, BookTransaction.id == BookLine.transaction_id)
    found = session.scalars(query.where(BookTransaction.cause == cause))
    return [(each.payment_id, each.account, each.cents) for each in found]


def list_transactions(session: Session, payment_id: UUID) -> Sequence[BookTransaction]:
    """Return the transactions that moved cents of this payment, with all their lines, the oldest first."""
    mine = sa.select(BookLine.transaction_id).where(BookLine.payment_id == payment_id)
    found = sa.select(BookTransaction).where(BookTransaction.id.in_(mine)).order_by(BookTransaction.id)
    return session.scalars(found.options(selectinload(BookTransaction.lines))).all()


def read_balances(session: Session, payment_id: UUID) -> Balances:
    """Return what is in the accounts of a payment."""
    session.flush()
    sign = sa.func.sign(BookLine.cents)
    query = (
        sa.select(BookTransaction.kind, BookLine.account, sign, sa.func.sum(BookLine.cents))
        .join(BookLine, BookLine.transaction_id == BookTransaction.id)
        .where(BookLine.payment_id == payment_id)
        .group_by(BookTransaction.kind, BookLine.account, sign)
    )
    sums: dict[str, int] = defaultdict(int)
    for kind, account, way, total in session.execute(query):
        cents = int(total)
        sums[account.value] += cents
        if account is Account.OWED and kind in (BookKind.UNWATCHED, BookKind.BORNE):
            sums["waiting"] -= cents
        if account is Account.UNEARNED and way < 0 and kind in _WORTH:
            sums["worth"] -= cents
        elif kind in _PASSED_ON:
            sums["passed_on"] += cents
    ordered = sa.select(sa.func.coalesce(sa.func.sum(Refund.amount_cents), 0)).where(
        Refund.payment_id == payment_id, Refund.status.in_(_OPEN)
    )
    return Balances(**sums, ordered=session.scalars(ordered).one())


def list_sources(session: Session, payment_id: UUID, kinds: Sequence[BookKind]) -> list[tuple[UUID, int]]:
    """Return the payments whose cents lowered this one's price, each with its remaining cents, in their order."""
    mine = sa.select(BookLine.transaction_id).where(BookLine.payment_id == payment_id)
    total = sa.func.sum(BookLine.cents)
    query = (
        sa.select(BookLine.payment_id, total)
        .join(BookTransaction, BookTransaction.id == BookLine.transaction_id)
        .where(BookTransaction.id.in_(mine), BookTransaction.kind.in_(kinds))
        .where(BookLine.payment_id != payment_id)
        .group_by(BookLine.payment_id)
        .having(total > 0)
        .order_by(BookLine.payment_id)
    )
    return [(source, int(cents)) for source, cents in session.execute(query)]


def take(payment_id: UUID, balances: Balances, cents: int) -> list[Line]:
    """Return the lines that take so many cents out of a payment's claims: what is unearned first, then what is earned.

    What neither has comes off what is unearned, as money may go back before it is heard that it came.
    """
    first = min(cents, max(-balances.unearned, 0))
    second = min(cents - first, max(-balances.earned, 0))
    return [
        (payment_id, Account.UNEARNED, cents - second),
        (payment_id, Account.EARNED, second),
    ]


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
