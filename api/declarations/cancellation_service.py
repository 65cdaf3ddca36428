"""Notices of cancellation as routes and pages receive them: written and committed, then told, then applied."""

from uuid import UUID

import notifier
from api.alerts.service import lock_user
from api.billing.quotes import find_subscription
from api.billing.schemas import Cancellation, CancelledAnswer
from api.declarations.applying import apply_soon, lock_declaration
from api.declarations.cancellation_dates import find_period_end
from api.declarations.cancellation_forms import confirm_cancellation, receive_cancellation
from api.declarations.cancellations import declare_cancellation, ends_anyhow, undo_cancellations
from api.declarations.forms import MayMail, allow_mail
from api.declarations.schemas import CancellationForm, UndoneAnswer
from api.declarations.withdrawals import Author
from api.errors import ApiError
from api.models.base import session
from api.models.declaration import Declaration
from configs.clock import clock


def cancel_own(user_id: UUID, wish: Cancellation, author: Author) -> CancelledAnswer:
    """Declare that the user's subscription shall end.

    Raises:
        api.errors.ApiError: 409, there is no subscription; 422, the day is past, too far on, or beyond what is paid.
    """
    with session() as s:
        notice = declare_cancellation(s, user_id, wish, author)
    notifier.nudge(notice.mails)
    if notice.row and notice.answer.ends_at <= clock():
        apply_soon(notice.row.id)
    return notice.answer


def undo_own(user_id: UUID) -> bool:
    """Let the user's subscription go on; False where there was no notice to take back any more."""
    with session() as s:
        lock_user(s, user_id)
        contract = find_subscription(s, user_id)
        return bool(contract and undo_cancellations(s, contract.id))


def keep_own(user_id: UUID) -> UndoneAnswer:
    """Let the user's subscription go on, and say when it renews. Repeated, nothing changes.

    Raises:
        api.errors.ApiError: 409, there is no subscription, or its end has come or was asked for at Stripe.
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


def receive_form(wish: CancellationForm, language: str, may_mail: MayMail = allow_mail) -> Declaration:
    """Store the notice of somebody who is not signed in, and tell its owner.

    Raises:
        api.errors.ApiError: 429, this address was named too often within a day.
    """
    with session() as s:
        written = receive_cancellation(s, wish, language, may_mail)
    notifier.nudge(written.mails)
    return written.row


def confirm(declaration_id: UUID) -> None:
    """Confirm a notice by the link in the account's mail. Repeated, nothing changes."""
    with session() as s:
        if row := lock_declaration(s, declaration_id):
            confirm_cancellation(s, row)
    apply_soon(declaration_id)


def undo(declaration_id: UUID) -> None:
    """Undo a notice by the link in the account's mail, with all others of its contract, until it takes effect."""
    with session() as s:
        row = lock_declaration(s, declaration_id)
        if row and row.is_open and row.subscription_id:
            undo_cancellations(s, row.subscription_id)
