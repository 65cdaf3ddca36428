"""The book of money: what each payment's cents are, and the one place that says what may go back.

To read it: `read_balances(session, payment_id)` says what is in each account (debit positive), what of it can be given
back, and what the plan was worth; `list_transactions(session, payment_id)` returns what happened, the oldest first.
To write it: `post`, once for each cause, by code that has locked the payment (api/payments/ledger.py).
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
