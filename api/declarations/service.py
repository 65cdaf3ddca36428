"""Declarations as routes and pages receive them: written and committed, then acknowledged, then applied."""

from uuid import UUID

import sqlalchemy as sa

import notifier
from api.declarations.applying import apply_soon
from api.declarations.confirming import confirm_declaration, undo_declaration
from api.declarations.forms import MayMail, allow_mail, receive_withdrawal
from api.declarations.refusals import build_refusal
from api.declarations.schemas import WithdrawalForm
from api.declarations.withdrawals import Author, declare_withdrawal
from api.errors import not_found
from api.models.base import session
from api.models.declaration import Declaration
from api.models.payment import Payment
from api.payments.errors import WithdrawalRefused


def withdraw_own(user_id: UUID, payment_id: UUID, author: Author) -> Declaration:
    """Declare the withdrawal from an order of the user's, and apply it.

    Raises:
        api.errors.ApiError: 404; 409, the period is over, or there is no right to withdraw.
    """
    with session() as s:
        own = sa.select(Payment.id).where(Payment.id == payment_id, Payment.user_id == user_id)
        if s.scalar(own) is None:
            raise not_found("order")
    return withdraw_order(payment_id, author)


def withdraw_order(payment_id: UUID, author: Author) -> Declaration:
    """Declare the withdrawal from an order, and apply it.

    Raises:
        api.errors.ApiError: 409, the period is over, or there is no right to withdraw.
    """
    try:
        with session() as s:
            written = declare_withdrawal(s, payment_id, author)
    except WithdrawalRefused as error:
        raise build_refusal(error) from None
    notifier.nudge(written.mails)
    apply_soon(written.row.id)
    return _read_again(written.row)


def receive_form(wish: WithdrawalForm, language: str, may_mail: MayMail = allow_mail) -> Declaration:
    """Store a declaration of somebody who is not signed in, and acknowledge it where its order is known or it may be.

    Raises:
        api.errors.ApiError: 429, this address was named too often within a day.
    """
    with session() as s:
        written = receive_withdrawal(s, wish, language, may_mail)
    notifier.nudge(written.mails)
    return written.row


def confirm(declaration_id: UUID) -> Declaration | None:
    """Confirm a declaration by its link, and apply it; None where there is no such declaration."""
    with session() as s:
        row = confirm_declaration(s, declaration_id)
    if row is None:
        return None
    apply_soon(row.id)
    return _read_again(row)


def undo(declaration_id: UUID) -> Declaration | None:
    """Undo a declaration by its link, where it has not taken effect; None where there is no such declaration."""
    with session() as s:
        return undo_declaration(s, declaration_id)


def _read_again(row: Declaration) -> Declaration:
    with session() as s:
        return s.get_one(Declaration, row.id)
