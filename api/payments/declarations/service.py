"""Declarations as routes, pages and the job receive them: written and committed, then told, then applied.

One is committed before it is applied, so that it counts from its second whatever happens in between. Repeated, nothing
changes twice.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.ground.errors import ApiError, not_found
from api.ground.separate_parts import do_due
from api.models.base import session, write_once
from api.models.declaration import OPEN_DECLARATION, Declaration, DeclarationKind
from api.models.payment import Payment
from api.payments.billing.quotes import find_subscription
from api.payments.billing.schemas import Cancellation, CancelledAnswer
from api.payments.declarations.cancellation_dates import find_period_end
from api.payments.declarations.cancellations import (
    apply_cancellation,
    confirm_cancellation,
    declare_cancellation,
    ends_anyhow,
    undo_cancellations,
)
from api.payments.declarations.records import Author, lock_declaration
from api.payments.declarations.schemas import UndoneAnswer
from api.payments.declarations.withdrawals import apply_withdrawal, confirm_withdrawal, declare_withdrawal
from configs.ground.clock import clock

_APPLIERS: Mapping[DeclarationKind, Callable[[Session, Declaration, datetime], None]] = {
    DeclarationKind.WITHDRAWAL: apply_withdrawal,
    DeclarationKind.CANCELLATION: apply_cancellation,
}
_ROUND_SECONDS = 20.0  # of the job: its worker does other things with money, too

log = structlog.get_logger(__name__)


def withdraw_order(payment_id: UUID, author: Author, user_id: UUID | None = None) -> Declaration:
    """Declare the withdrawal from an order, given a user from one of that user's, and apply it.

    Raises:
        ApiError: 404, it is another's; 409, the period is over, or there is no right to withdraw.
    """
    with session() as s:
        order = s.get(Payment, payment_id)
        if user_id and (order is None or order.user_id != user_id):
            raise not_found("order")
        row = declare_withdrawal(s, payment_id, author)
    return _apply(row)


def cancel_own(user_id: UUID, wish: Cancellation, author: Author) -> CancelledAnswer:
    """Declare that the user's subscription shall end.

    Raises:
        ApiError: 409, there is no subscription; 422, the day is past, too far on, or beyond what is paid.
    """
    answer, row = write_once(declare_cancellation, user_id, wish, author)
    if row and answer.ends_at <= clock():
        apply_soon(row.id)
    return answer


def undo_own(user_id: UUID) -> bool:
    """Let the user's subscription go on; False where there was no notice to take back any more."""
    with session() as s:
        lock_user(s, user_id)
        contract = find_subscription(s, user_id)
        return bool(contract and undo_cancellations(s, contract.id))


def keep_own(user_id: UUID) -> UndoneAnswer:
    """Let the user's subscription go on, and say when it renews. Repeated, nothing changes.

    Raises:
        ApiError: 409, there is no subscription, or its end has come or was asked for at Stripe.
    """
    with session() as s:
        lock_user(s, user_id)
        contract = find_subscription(s, user_id)
        if contract is None or contract.period_ends_at is None:
            raise ApiError(409, "no-subscription", "there is nothing to undo: no subscription runs")
        undo_cancellations(s, contract.id)
        if ends_anyhow(s, contract):
            detail = "the end of this subscription cannot be undone here: its time has come, or Stripe's portal has it"
            raise ApiError(409, "undo-too-late", detail)
        return UndoneAnswer(renews_at=find_period_end(s, contract, clock()))


def confirm(declaration_id: UUID) -> Declaration | None:
    """Confirm a declaration by the link of its mail, and apply it if it is due; None where there is none.

    Repeated, nothing changes.
    """
    with session() as s:
        row = lock_declaration(s, declaration_id)
        if row and row.is_open and row.confirmed_at is None:
            is_withdrawal = row.kind is DeclarationKind.WITHDRAWAL
            (confirm_withdrawal if is_withdrawal else confirm_cancellation)(s, row)
    return _apply(row) if row else None


def undo(declaration_id: UUID) -> Declaration | None:
    """Undo a declaration by the link of its mail before it takes effect; None where there is none.

    A withdrawal can be undone until it is confirmed, a cancellation with all others of its contract.
    """
    with session() as s:
        row = lock_declaration(s, declaration_id)
        if row and row.is_open and row.kind is DeclarationKind.CANCELLATION and row.subscription_id:
            undo_cancellations(s, row.subscription_id)
        elif row and row.is_open and row.kind is DeclarationKind.WITHDRAWAL and row.confirmed_at is None:
            row.undone_at = clock()
    return row


def _apply(row: Declaration) -> Declaration:
    apply_soon(row.id)
    with session() as s:
        return s.get_one(Declaration, row.id)


def apply_declaration(declaration_id: UUID) -> None:
    """Apply a declaration whose time has come; any other stays as it is. Call it after the commit that wrote it."""
    with session() as s:
        row, now = lock_declaration(s, declaration_id), clock()
        if row is None or not row.is_open or row.takes_effect_at is None or row.takes_effect_at > now:
            return
        _APPLIERS[row.kind](s, row, now)


def apply_soon(declaration_id: UUID) -> None:
    """Apply a declaration; where that fails, its author is answered nevertheless, and the job tries again."""
    try:
        apply_declaration(declaration_id)
    except Exception:  # it is written, and that is what counts
        log.exception("a declaration waits for the job", declaration=str(declaration_id))


def apply_due_declarations() -> dict[str, int]:
    """Apply the declarations that are due, for so long at most; any number that fail keep no other from its turn."""
    done, failed = do_due("apply_declarations", _list_due, apply_declaration, _ROUND_SECONDS)
    return {"due": done + failed, "failed": failed}


def _list_due(session: Session, most: int) -> list[UUID]:
    due = sa.select(Declaration.id).where(sa.text(OPEN_DECLARATION), Declaration.takes_effect_at <= clock())
    return list(session.scalars(due.order_by(Declaration.takes_effect_at).limit(most)))
