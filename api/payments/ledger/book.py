"""The book of money: what each payment's cents are, what may go back, and the lines for each movement of money.

To read it: `read_balances(session, payment_id)` says what is in each account (debit positive), what of it can be given
back, and what the plan was worth; `list_transactions(session, payment_id)` returns what happened, the oldest first.
To write it: a function `post_…` for each movement. The caller has locked the payments (payment_events.py);
repeated, nothing is added. Its checks against the other tables are in exchange/book_checks.py.
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

from api.models.book import Account, BookKind, BookLine, BookTransaction
from api.models.payment import Payment, PlanCredit, Refund, RefundReason, RefundStatus
from api.models.user import Grant
from api.payments.gateway.facts import DisputeFacts
from api.payments.ledger import notices
from api.payments.ledger.payment_events import lock_payment
from configs.ground.clock import clock

Line = tuple[UUID, Account, int]  # payment, account, cents
Span = tuple[datetime, datetime]

_OPEN = (RefundStatus.PLANNED, RefundStatus.PENDING)
_WORTH = (BookKind.PAID, BookKind.UPGRADED, BookKind.BORNE)  # what a period was paid with
_PASSED_ON = (BookKind.UPGRADED, BookKind.BORNE, BookKind.REVIVED)
# Refunds that people wished: they see that one failed, and nothing is owed then.
WISHED = (RefundReason.OPERATOR, RefundReason.EXTERNAL)
_KEPT_OPEN = timedelta(days=400)  # the right to withdraw may outlive the account for a year and two weeks
_INQUIRY = "warning_"  # how Stripe's words begin for a dispute that takes no money yet
_PREVENTED = "prevented"

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
    bank: int = 0
    unearned: int = 0
    earned: int = 0
    owed: int = 0
    disputed: int = 0
    lost: int = 0
    due: int = 0  # of what an organisation used, and was not paid yet
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
        return max(self.cash + self.bank + self.disputed - self.ordered, 0)

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
    made = insert(BookTransaction).values(cause=cause, kind=kind, at=clock())
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
    """Return the payments whose cents lowered this one's price, each with its remaining cents, in their order.

    What went back from a payment's money for another (OWED) makes neither a source of the other: it only lowers what
    remains of one.
    """
    mine = sa.select(BookLine.transaction_id).where(BookLine.payment_id == payment_id)
    total = sa.func.sum(BookLine.cents)
    query = (
        sa.select(BookLine.payment_id, total)
        .join(BookTransaction, BookTransaction.id == BookLine.transaction_id)
        .where(BookTransaction.id.in_(mine), BookTransaction.kind.in_(kinds))
        .where(BookLine.payment_id != payment_id)
        .group_by(BookLine.payment_id)
        .having(total > 0, sa.func.bool_or(BookTransaction.kind != BookKind.OWED))
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


def post_paid(session: Session, payment: Payment, *, by_transfer: bool = False) -> None:
    """Write that a payment's money came: to Stripe, or by a transfer."""
    cents, account = payment.amount_cents, Account.BANK if by_transfer else Account.CASH
    lines = ((payment.id, account, cents), (payment.id, Account.UNEARNED, -cents))
    post(session, f"paid:{payment.id}", BookKind.PAID, *lines)


def post_bill_paid(session: Session, payment_id: UUID, cause: str, cents: int, *, by_transfer: bool) -> bool:
    """Write that so much of what an organisation owes came; False where that is written, or nothing is due."""
    account = Account.BANK if by_transfer else Account.CASH
    lines = ((payment_id, account, cents), (payment_id, Account.DUE, -cents))
    return bool(not read_lines(session, cause) and post(session, cause, BookKind.PAID, *lines))


def post_billed(session: Session, payment: Payment, cause: str) -> None:
    """Write that an organisation used so much: it is earned, and due."""
    lines = (
        (payment.id, Account.DUE, payment.amount_cents),
        (payment.id, Account.EARNED, -payment.amount_cents),
    )
    post(session, cause, BookKind.BILLED, *lines)


def post_waived(session: Session, payment: Payment, cause: str, cents: int) -> None:
    """Write that so many cents are not due after all."""
    lines = ((payment.id, Account.EARNED, cents), (payment.id, Account.DUE, -cents))
    post(session, cause, BookKind.WAIVED, *lines)


def post_upgrade(session: Session, credit: PlanCredit) -> None:
    """Write that an order took the unused part of a cheaper plan: the rest of that was used."""
    cheaper, cents = credit.credited_payment_id, credit.amount_cents
    held = read_balances(session, cheaper)
    taken = take(cheaper, held, cents)
    rest = max(-held.unearned - taken[0][2], 0)
    lines = (
        *taken,
        (credit.payment_id, Account.UNEARNED, -cents),
        (cheaper, Account.UNEARNED, rest),
        (cheaper, Account.EARNED, -rest),
    )
    post(session, f"upgrade:{credit.payment_id}:{cheaper}", BookKind.UPGRADED, *lines)


def post_revival(session: Session, order: UUID, why: str, cents: int | None = None) -> None:
    """Write that so many cents of what an order took from cheaper plans are theirs again, or all of it."""
    held = read_balances(session, order)
    left = held.claims if cents is None else min(cents, held.claims)
    for cheaper, most in list_sources(session, order, (BookKind.UPGRADED, BookKind.REVIVED, BookKind.OWED)):
        part = max(min(left, most), 0)
        left -= part
        lines = (*take(order, read_balances(session, order), part), (cheaper, Account.UNEARNED, -part))
        post(session, f"{why}:{order}:{cheaper}", BookKind.REVIVED, *lines)


def post_unwatched(session: Session, payment_id: UUID, credit: UUID, cents: int) -> None:
    """Write that an outage is owed: the next invoice is to bear it."""
    taken = take(payment_id, read_balances(session, payment_id), cents)
    post(session, f"outage:{credit}", BookKind.UNWATCHED, *taken, (payment_id, Account.OWED, -cents))


def post_reclaimed(session: Session, credit: UUID) -> None:
    """Write that no invoice bears an outage: it goes back as money."""
    lines = read_lines(session, f"outage:{credit}")
    post(session, f"outage:{credit}:reclaimed", BookKind.UNWATCHED, *map(_less, lines))


def post_borne(session: Session, renewal: Payment, source: UUID, credit: UUID, cents: int) -> None:
    """Write that a renewal's invoice was lowered by what an earlier period owed."""
    lines = ((source, Account.OWED, cents), (renewal.id, Account.UNEARNED, -cents))
    post(session, f"borne:{credit}", BookKind.BORNE, *lines)


def post_end(session: Session, payment_id: UUID, cause: str, keep: int | None = None) -> None:
    """Write that so many cents of a period were used, or all that is left of it: they are earned."""
    held = read_balances(session, payment_id)
    left = max(-held.unearned, 0)
    cents = left if keep is None else max(min(left, keep + held.earned), 0)
    lines = ((payment_id, Account.UNEARNED, cents), (payment_id, Account.EARNED, -cents))
    post(session, cause, BookKind.ENDED, *lines)


def list_ended_periods(session: Session, now: datetime) -> list[tuple[UUID, datetime]]:
    """Return the payments whose period is over, and not written as used yet, each with its end."""
    unearned = (
        sa.select(BookLine.payment_id)
        .where(BookLine.account == Account.UNEARNED)
        .group_by(BookLine.payment_id)
        .having(sa.func.sum(BookLine.cents) < 0)
    )
    end = sa.select(sa.func.max(Grant.ends_at)).where(Grant.payment_id == Payment.id).scalar_subquery()
    gone = sa.and_(Payment.user_id.is_(None), Payment.paid_at < now - _KEPT_OPEN)
    over = sa.select(Payment.id, sa.func.coalesce(end, now)).where(
        Payment.id.in_(unearned), (end <= now) | gone
    )
    return [(payment_id, ended_at) for payment_id, ended_at in session.execute(over.order_by(Payment.id))]


def close_period(session: Session, payment_id: UUID, ended_at: datetime) -> None:
    """Write that a period that is over was used."""
    lock_payment(session, payment_id)
    post_end(session, payment_id, f"over:{payment_id}:{ended_at.isoformat()}")


def post_ordered(session: Session, refund: Refund, claim: UUID) -> None:
    """Write that a refund is ordered: of its payment's money, for what of `claim`'s period goes back.

    What is owed already, as an earlier refund failed, is not taken once more.
    """
    held = read_balances(session, refund.payment_id)
    # The refund's own row is among those that are ordered.
    free = -held.owed - held.waiting - held.ordered + refund.amount_cents
    cents = refund.amount_cents - (max(free, 0) if claim == refund.payment_id else 0)
    if cents > 0:
        taken = take(claim, read_balances(session, claim), cents)
        post(session, _name(refund), BookKind.OWED, (refund.payment_id, Account.OWED, -cents), *taken)


def post_settled(session: Session, refund: Refund, cause: str, before: RefundStatus) -> None:
    """Write that a refund left Stripe, or failed; one that people wished is owed no more then."""
    cents, payment_id = refund.amount_cents, refund.payment_id
    if refund.status is RefundStatus.SUCCEEDED:
        out = ((payment_id, Account.OWED, cents), (payment_id, Account.CASH, -cents))
        post(session, f"{cause}:succeeded", BookKind.REFUNDED, *out)
    elif refund.status is RefundStatus.FAILED:
        came = cents if before is RefundStatus.SUCCEEDED else 0
        back = [(payment_id, Account.OWED, -came), (payment_id, Account.CASH, came)]
        wished = read_lines(session, _name(refund)) if refund.reason in WISHED else ()
        post(session, f"{cause}:failed", BookKind.RETURNED, *back, *map(_less, wished))


def post_wanted(session: Session, payment_id: UUID, cause: str, cents: int) -> None:
    """Write that so much of what was not used is owed, before a refund gives it."""
    if cents > 0:
        lines = ((payment_id, Account.UNEARNED, cents), (payment_id, Account.OWED, -cents))
        post(session, f"{cause}:wanted", BookKind.OWED, *lines)


def post_transferred(session: Session, refund: Refund) -> None:
    """Write that what is owed left by a transfer."""
    cents, payment_id = refund.amount_cents, refund.payment_id
    out = ((payment_id, Account.OWED, cents), (payment_id, Account.BANK, -cents))
    post(session, f"{_name(refund)}:transferred", BookKind.TRANSFERRED, *out)


def post_paid_by_bank(session: Session, payment_id: UUID, cause: str, cents: int) -> None:
    """Write that so much is owed no more, as the bank paid it after a lost dispute."""
    lines = ((payment_id, Account.OWED, cents), (payment_id, Account.UNEARNED, -cents))
    post(session, f"{cause}:bank", BookKind.RETURNED, *lines)


def post_owed_again(session: Session, payment_id: UUID, cause: str) -> None:
    """Write that all of that is owed again, as a lost dispute was won after all."""
    paid = sa.select(BookLine.cents).join(BookTransaction, BookTransaction.id == BookLine.transaction_id)
    by_bank = (BookLine.payment_id == payment_id, BookTransaction.cause.endswith(":bank"))
    cents = sum(session.scalars(paid.where(*by_bank, BookLine.account == Account.OWED)))
    taken = take(payment_id, read_balances(session, payment_id), cents)
    post(session, f"{cause}:bank", BookKind.RETURNED, (payment_id, Account.OWED, -cents), *taken)


def post_dispute(session: Session, payment: Payment, facts: DisputeFacts, name: str) -> None:
    """Write what a dispute did to a payment's money; an inquiry takes none. `name`: its id, with its round.

    What an organisation used is due again once it is lost; won after all, what was paid twice by then is owed.
    """
    opened, lost = f"{name}:opened", f"{name}:lost"
    loss = Account.DUE if payment.due_at else Account.LOST
    cash, held, gone = ((payment.id, each, facts.amount) for each in (Account.CASH, Account.DISPUTED, loss))
    if not (facts.status.startswith(_INQUIRY) or facts.status == _PREVENTED):
        post(session, opened, BookKind.DISPUTE_OPENED, held, _less(cash))
    if facts.status == "lost":
        post(session, lost, BookKind.DISPUTE_LOST, gone, _less(held))
    elif facts.status == "won":
        came_from = gone if read_lines(session, lost) else held
        more = (
            max(facts.amount - read_balances(session, payment.id).due, 0)
            if came_from[1] is Account.DUE
            else 0
        )
        twice = ((payment.id, Account.DUE, more), (payment.id, Account.OWED, -more))
        post(session, f"{name}:won", BookKind.DISPUTE_WON, cash, _less(came_from), *twice)
    elif facts.status in ("warning_closed", _PREVENTED) and read_lines(session, opened):
        post(session, f"{name}:closed", BookKind.DISPUTE_CLOSED, cash, _less(held))


def _less(line: Line) -> Line:
    return line[0], line[1], -line[2]


def _name(refund: Refund) -> str:
    return f"refund:{refund.id}"
