"""Pages where a contract is cancelled without a login, by a form or by a mail's link. GET changes nothing.

No form here carries a token: it reads no cookie, and the path of a link is its secret.
"""

from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from api.declarations import service
from api.declarations.cancellations import (
    Contract,
    find_order_owner,
    read_notice,
    read_own_contract,
)
from api.declarations.records import Author
from api.declarations.schemas import CancellationChoice, CancellationForm
from api.errors import ApiError
from api.middleware.languages import read_language, use_account_language
from api.middleware.rate_limits import count_declaration
from api.middleware.stranger_mail import may_mail
from api.models.base import new_id
from api.models.declaration import DeclaredBy
from api.pages.area import Access, Area, read_once
from api.pages.declarations.words import CANCELLATION_TEXTS, list_ends
from api.pages.forms import Form
from configs.ground.signed_links import CancelOrder, ConfirmCancellation, read_token
from configs.world.languages import choose_page_language

area = Area("cancellation_pages", __name__)
_INVALID, _GONE = 422, 410


def find_contract(user_id: UUID | None) -> Contract | None:
    """Return a user's subscription; the page is in the account's language."""
    if user_id is None:
        return None
    found = read_once(read_own_contract, user_id)
    if found:
        use_account_language(found.language)
    return found


@area.page("/l/resilier", Access.VISITOR)
def show_form() -> str:
    """Show the form: name, address, number of the order, wished end."""
    return _render_form(Form(CancellationForm))


@area.action("/l/resilier", Access.VISITOR, one_click=True)
def send_form() -> ResponseReturnValue:
    """Show what was typed once more, then store it. The answer is the same for every address and number."""
    form = Form.read(CancellationForm, CANCELLATION_TEXTS)
    if form.errors:
        return _render_form(form), _INVALID
    if "change" in request.form:
        return _render_form(form)
    if "confirmed" not in request.form:
        return render_template("cancellations/summary.html", wish=form.value, declaration=new_id())
    count_declaration()
    language = choose_page_language(read_language())
    row = service.receive_form(form.value, language, may_mail)
    return render_template("cancellations/received.html", row=row)


@area.page("/l/cancel/<token>", Access.VISITOR)
def show_contract(token: str) -> ResponseReturnValue:
    """Show the contract that a mail's link is about, with the ends to choose from; then the choice once more."""
    contract = find_contract(read_once(find_order_owner, read_token(CancelOrder, token).payment))
    return _render_contract(contract, Form(CancellationChoice))


@area.action("/l/cancel/<token>", Access.VISITOR, one_click=True)
def cancel(token: str) -> ResponseReturnValue:
    """Cancel the contract; a repetition changes nothing."""
    user_id = read_once(find_order_owner, read_token(CancelOrder, token).payment)
    form, status = Form.read(CancellationChoice, CANCELLATION_TEXTS), 200
    if user_id is None:
        return _render_contract(None, form)
    if form.errors:
        return _render_contract(find_contract(user_id), form, _INVALID)
    author = Author(DeclaredBy.LINK, choose_page_language(read_language()), form.value.name)
    try:
        service.cancel_own(user_id, form.value.choice, author)
    except ApiError as error:
        form.refuse(error, "wished")
        status = error.status
    return _render_contract(find_contract(user_id), form, status)


@area.page("/l/resiliation/<token>", Access.VISITOR)
def show_notice(token: str) -> ResponseReturnValue:
    """Show a notice: what it waits for, or what came of it."""
    return _render_notice(token)


@area.action("/l/resiliation/<token>", Access.VISITOR, one_click=True)
def answer_notice(token: str) -> ResponseReturnValue:
    """Confirm a notice, or undo it; a repetition changes nothing."""
    change = service.undo if "undo" in request.form else service.confirm
    change(read_token(ConfirmCancellation, token).declaration)
    return _render_notice(token)


def _render_form(form: Form[CancellationForm]) -> str:
    return render_template("cancellations/form.html", form=form, ends=list_ends())


def _render_contract(
    contract: Contract | None, form: Form[CancellationChoice], status: int = 200
) -> ResponseReturnValue:
    chosen = contract.find_choice(request.args.get("wished")) if contract and not form.errors else None
    page = render_template("cancellations/contract.html", contract=contract, chosen=chosen, form=form)
    return page, status


def _render_notice(token: str) -> ResponseReturnValue:
    state = read_once(read_notice, read_token(ConfirmCancellation, token).declaration)
    return render_template("cancellations/notice.html", state=state), 200 if state else _GONE
