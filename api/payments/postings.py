"""Postings: the lines of the book for each movement of money.

The caller has locked the payments; repeated, nothing is added.
"""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.book import Account, BookKind, BookLine
from api.models.payment import Payment, PlanCredit, Refund, RefundReason, RefundStatus
from api.models.user import Grant
from api.payments.book import Line, list_sources, post, read_balances, read_lines, take
from api.payments.facts import DisputeFacts
from api.payments.ledger import lock_payment

# Refunds that people wished: they see that one failed, and nothing is owed then.
WISHED = (RefundReason.OPERATOR, RefundReason.EXTERNAL)
_KEPT_OPEN = timedelta(days=400)  # the right to withdraw may outlive the account for a year and two weeks
_INQUIRY = "warning_"  # how Stripe's words begin for a dispute that takes no money yet
_PREVENTED = "prevented"


def post_paid(session: Session, payment: Payment) -> None:
    """Write that a payment's money came."""
    cents = payment.amount_cents
    lines = ((payment.id, Account.CASH, cents), (payment.id, Account.UNEARNED, -cents))
    post(session, f"paid:{payment.id}", BookKind.PAID, *lines)


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


def post_ordered(
    session: Session, refund: Refund, claim: UUID, *, takes_owed: bool = True, settles: bool = False
) -> None:
    """Write that a refund is ordered: of its payment's money, for what of `claim`'s period goes back.

    What a refund that failed still owes is not taken once more. `settles`: no more than this refund is owed then.
    """
    held = read_balances(session, refund.payment_id)
    # The refund's own row is among those that are ordered.
    free = -held.owed - held.waiting - held.ordered + refund.amount_cents
    owed = max(free, 0) if claim == refund.payment_id else 0
    cents = refund.amount_cents - (owed if takes_owed else 0)
    taken = (
        take(claim, read_balances(session, claim), cents) if cents > 0 else [(claim, Account.EARNED, cents)]
    )
    if cents > 0 or settles:
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


def post_paid_by_bank(session: Session, refund: Refund, cents: int) -> None:
    """Write that a refund that waited for a dispute is owed no more, as far as the bank paid it."""
    if refund.reason in WISHED:
        return
    lines = ((refund.payment_id, Account.OWED, cents), (refund.payment_id, Account.UNEARNED, -cents))
    post(session, f"{_name(refund)}:bank", BookKind.RETURNED, *lines)


def post_dispute(session: Session, payment: Payment, facts: DisputeFacts, name: str) -> None:
    """Write what a dispute did to a payment's money; an inquiry takes none. `name`: its id, with its round."""
    opened, lost = f"{name}:opened", f"{name}:lost"
    cash, held, gone = (
        (payment.id, each, facts.amount) for each in (Account.CASH, Account.DISPUTED, Account.LOST)
    )
    if not (facts.status.startswith(_INQUIRY) or facts.status == _PREVENTED):
        post(session, opened, BookKind.DISPUTE_OPENED, held, _less(cash))
    if facts.status == "lost":
        post(session, lost, BookKind.DISPUTE_LOST, gone, _less(held))
    elif facts.status == "won":
        came_from = gone if read_lines(session, lost) else held
        post(session, f"{name}:won", BookKind.DISPUTE_WON, cash, _less(came_from))
    elif facts.status in ("warning_closed", _PREVENTED) and read_lines(session, opened):
        post(session, f"{name}:closed", BookKind.DISPUTE_CLOSED, cash, _less(held))


def _less(line: Line) -> Line:
    return line[0], line[1], -line[2]


def _name(refund: Refund) -> str:
    return f"refund:{refund.id}"
