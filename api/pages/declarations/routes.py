"""Pages where consumers withdraw from an order without a login, by a form or by a mail's link. GET changes nothing.

No form here carries a token: it reads no cookie, and the path of a link is its secret.
"""

from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from api.declarations import service
from api.declarations.records import Author
from api.declarations.schemas import LinkedWithdrawal, WithdrawalForm
from api.declarations.withdrawals import OrderState, read_order
from api.errors import ApiError
from api.middleware.languages import read_language, use_account_language
from api.middleware.rate_limits import count_declaration
from api.middleware.stranger_mail import may_mail
from api.models.base import autocommit_session, new_id
from api.models.declaration import Declaration, DeclaredBy
from api.pages.area import Access, Area, read_once
from api.pages.declarations.words import REFUSALS, WITHDRAWAL_TEXTS
from api.pages.forms import Form
from configs.ground.signed_links import ConfirmDeclaration, WithdrawOrder, read_token
from configs.world.languages import choose_page_language

area = Area("declaration_pages", __name__)
_INVALID, _GONE = 422, 410


def find_order(payment_id: UUID) -> OrderState | None:
    """Return an order with its state, None where there is none; the page is in its account's language."""
    try:
        found = read_once(read_order, payment_id)
    except ApiError:
        return None
    if found.language:
        use_account_language(found.language)
    return found


def find_declaration(declaration_id: UUID) -> Declaration | None:
    """Return a declaration."""
    with autocommit_session() as s:
        return s.get(Declaration, declaration_id)


@area.page("/l/retractation", Access.VISITOR)
def show_form() -> str:
    """Show the form: name, address, number of the order."""
    return render_template("declarations/form.html", form=Form(WithdrawalForm))


@area.action("/l/retractation", Access.VISITOR, one_click=True)
def send_form() -> ResponseReturnValue:
    """Show what was typed once more, then store it. Every address gets the same answer."""
    form = Form.read(WithdrawalForm, WITHDRAWAL_TEXTS)
    if form.errors:
        return render_template("declarations/form.html", form=form), _INVALID
    if "change" in request.form:
        return render_template("declarations/form.html", form=form)
    if "confirmed" not in request.form:
        return render_template("declarations/summary.html", wish=form.value, declaration=new_id())
    count_declaration()
    language = choose_page_language(read_language())
    row = service.receive_form(form.value, language, may_mail)
    return render_template("declarations/received.html", row=row)


@area.page("/l/withdraw/<token>", Access.VISITOR)
def show_order(token: str) -> ResponseReturnValue:
    """Show the order that an order mail's link is about, and what a withdrawal would give back."""
    return _render_order(find_order(read_token(WithdrawOrder, token).payment), Form(LinkedWithdrawal))


@area.action("/l/withdraw/<token>", Access.VISITOR, one_click=True)
def withdraw(token: str) -> ResponseReturnValue:
    """Withdraw from the order; a repetition changes nothing."""
    payment_id = read_token(WithdrawOrder, token).payment
    form, state = Form.read(LinkedWithdrawal, WITHDRAWAL_TEXTS), find_order(payment_id)
    if state is None:
        return _render_order(None, form)
    if not state.has_account and state.standing is None and not form.typed.get("email"):
        form.add_error("email", "missing")
    if form.errors:
        return _render_order(state, form, _INVALID)
    author = Author(DeclaredBy.LINK, choose_page_language(read_language()), form.value.name, form.value.email)
    status = 200
    try:
        service.withdraw_order(payment_id, author)
    except ApiError as error:
        status = error.status
    return _render_order(find_order(payment_id), form, status)


@area.page("/l/declaration/<token>", Access.VISITOR)
def show_declaration(token: str) -> ResponseReturnValue:
    """Show a declaration that waits to be confirmed, or what came of it."""
    return _render_declaration(find_declaration(read_token(ConfirmDeclaration, token).declaration))


@area.action("/l/declaration/<token>", Access.VISITOR, one_click=True)
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
