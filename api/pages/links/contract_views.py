"""Links about orders: Stripe's portal, refunds where desks closed, withdrawal and cancellation without a login."""

from http import HTTPStatus
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from api.auth.mailbox_claims import find_contact
from api.ground.errors import ApiError
from api.models.base import autocommit_session, read_once, session
from api.models.declaration import Declaration, DeclaredBy
from api.pages.forms import INVALID, Form
from api.pages.links.area import use_language_of
from api.pages.plan.declaration_words import CANCELLATION_TEXTS, REFUSALS, WITHDRAWAL_TEXTS
from api.payments.billing import service as billing
from api.payments.billing.plan_ends import quote_closed_desk, refund_closed_desk
from api.payments.billing.quotes import write_money
from api.payments.billing.schemas import ClosedDeskRefund
from api.payments.declarations import service
from api.payments.declarations.cancellations import Contract, find_order_owner, read_notice, read_own_contract
from api.payments.declarations.records import Author, find_declaration
from api.payments.declarations.schemas import CancellationChoice, LinkedWithdrawal
from api.payments.declarations.withdrawals import OrderState, read_order
from api.web.languages import read_language, use_account_language
from configs.ground.signing import (
    CancelOrder,
    ConfirmCancellation,
    ConfirmDeclaration,
    OpenPortal,
    RefundClosedDesk,
    WithdrawOrder,
    read_token,
)
from configs.ground.text import choose_page_language

_GONE = 410


def find_order(payment_id: UUID) -> OrderState | None:
    """Return an order with its state, None where there is none; the page is in its account's language."""
    try:
        found = read_once(read_order, payment_id)
    except ApiError:
        return None
    if found.language:
        use_account_language(found.language)
    return found


def find_contract(user_id: UUID | None) -> Contract | None:
    """Return a user's subscription; the page is in the account's language."""
    if user_id is None:
        return None
    found = read_once(read_own_contract, user_id)
    if found:
        use_account_language(found.language)
    return found


def show_order(token: str) -> ResponseReturnValue:
    """Show the order that an order mail's link is about, and what a withdrawal would give back."""
    return _render_order(find_order(read_token(WithdrawOrder, token).payment), Form(LinkedWithdrawal))


def withdraw(token: str) -> ResponseReturnValue:
    """Withdraw from the order; a repetition changes nothing."""
    payment_id = read_token(WithdrawOrder, token).payment
    form, state = Form.read(LinkedWithdrawal, WITHDRAWAL_TEXTS), find_order(payment_id)
    if state is None:
        return _render_order(None, form)
    if not state.has_account and state.standing is None and not form.typed.get("email"):
        form.add_error("email", "missing")
    if form.errors:
        return _render_order(state, form, INVALID)
    author = Author(DeclaredBy.LINK, choose_page_language(read_language()), form.value.name, form.value.email)
    status = 200
    try:
        service.withdraw_order(payment_id, author)
    except ApiError as error:
        status = error.status
    return _render_order(find_order(payment_id), form, status)


def show_declaration(token: str) -> ResponseReturnValue:
    """Show a declaration that waits to be confirmed, or what came of it."""
    return _render_declaration(read_once(find_declaration, read_token(ConfirmDeclaration, token).declaration))


def confirm_declaration(token: str) -> ResponseReturnValue:
    """Confirm a declaration, or undo it; a repetition changes nothing."""
    change = service.undo if "undo" in request.form else service.confirm
    return _render_declaration(change(read_token(ConfirmDeclaration, token).declaration))


def _render_order(
    state: OrderState | None, form: Form[LinkedWithdrawal], status: int = 200
) -> ResponseReturnValue:
    page = render_template("declarations/order.html", state=state, form=form, refusals=REFUSALS)
    return page, status if state else _GONE


def _render_declaration(row: Declaration | None) -> ResponseReturnValue:
    page = render_template("declarations/declaration.html", row=row, refusals=REFUSALS)
    return page, 200 if row else _GONE


def show_contract(token: str) -> ResponseReturnValue:
    """Show the contract that a mail's link is about, with the ends to choose from; then the choice once more."""
    contract = find_contract(read_once(find_order_owner, read_token(CancelOrder, token).payment))
    return _render_contract(contract, Form(CancellationChoice))


def cancel(token: str) -> ResponseReturnValue:
    """Cancel the contract; a repetition changes nothing."""
    user_id = read_once(find_order_owner, read_token(CancelOrder, token).payment)
    form, status = Form.read(CancellationChoice, CANCELLATION_TEXTS), 200
    if user_id is None:
        return _render_contract(None, form)
    if form.errors:
        return _render_contract(find_contract(user_id), form, INVALID)
    author = Author(DeclaredBy.LINK, choose_page_language(read_language()), form.value.name)
    try:
        service.cancel_own(user_id, form.value.choice, author)
    except ApiError as error:
        form.refuse(error, "wished")
        status = error.status
    return _render_contract(find_contract(user_id), form, status)


def show_notice(token: str) -> ResponseReturnValue:
    """Show a notice: what it waits for, or what came of it."""
    state = read_once(read_notice, read_token(ConfirmCancellation, token).declaration)
    return render_template("cancellations/notice.html", state=state), 200 if state else _GONE


def answer_notice(token: str) -> ResponseReturnValue:
    """Confirm a notice, or undo it; a repetition changes nothing."""
    change = service.undo if "undo" in request.form else service.confirm
    change(read_token(ConfirmCancellation, token).declaration)
    return show_notice(token)


def _render_contract(
    contract: Contract | None, form: Form[CancellationChoice], status: int = 200
) -> ResponseReturnValue:
    chosen = contract.find_choice(request.args.get("wished")) if contract and not form.errors else None
    page = render_template("cancellations/contract.html", contract=contract, chosen=chosen, form=form)
    return page, status


def ask_portal(token: str) -> str:
    """Show the button that opens Stripe's portal."""
    with session() as s:
        contact, _ = find_contact(s, OpenPortal, token)
        use_language_of(contact)
        return render_template("links/portal.html", known=contact is not None)


def open_portal(token: str) -> tuple[str, int, dict[str, str]]:
    """Open a session of the portal and lead to it, by a header: the policy allows no form to lead elsewhere."""
    with session() as s:
        contact, _ = find_contact(s, OpenPortal, token)
        user = contact.user if contact else None
        use_language_of(contact)
    if user is None:
        return render_template("links/portal.html", known=False), HTTPStatus.OK, {}
    url = billing.open_portal(user)
    return (
        render_template("links/portal.html", known=True, url=url),
        HTTPStatus.OK,
        {"Refresh": f"0; url={url}"},
    )


def ask_refund(token: str) -> str:
    """Show what would be refunded for an alert whose desks closed, or why nothing is."""
    with session() as s:
        contact, choice = find_contact(s, RefundClosedDesk, token)
        use_language_of(contact)
        try:
            refund = quote_closed_desk(s, contact.user_id, choice.alert) if contact else None
        except ApiError:
            refund = None
    return _render_refund_page(refund, done=False)


def choose_refund(token: str) -> str:
    """End the plan and refund the rest; a repetition refunds nothing more."""
    with autocommit_session() as s:
        contact, choice = find_contact(s, RefundClosedDesk, token)
        use_language_of(contact)
    try:
        chosen = refund_closed_desk(contact.user_id, choice.alert) if contact else None
    except ApiError:
        chosen = None
    return _render_refund_page(chosen, done=chosen is not None)


def _render_refund_page(refund: ClosedDeskRefund | None, *, done: bool) -> str:
    amount = write_money(refund.refund, read_language()) if refund else None
    return render_template("links/closed_desk.html", amount=amount, done=done)
