"""Forms by which consumers withdraw from an order or cancel a contract without a login. GET changes nothing.

No form here carries a token: it reads no cookie. The links of mails are in api/pages/links.
"""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from api.models.base import new_id, write_once
from api.pages.area import Access, Area
from api.pages.forms import INVALID, Form, Texts
from api.pages.plan.declaration_words import CANCELLATION_TEXTS, WITHDRAWAL_TEXTS, list_ends
from api.payments.declarations.forms import store_declaration
from api.payments.declarations.schemas import CancellationForm, WithdrawalForm
from api.web.doors import Door
from api.web.languages import read_language
from api.web.rate_limits import count_form
from api.web.stranger_mail import may_mail
from configs.ground.text import choose_page_language
from configs.world.sales_terms import CANCEL_PATH, WITHDRAW_PATH

area = Area("declaration_pages", __name__)


@area.page(WITHDRAW_PATH, Access.VISITOR)
def show_withdrawal() -> str:
    """Show the form: name, address, number of the order."""
    return render_template("declarations/form.html", form=Form(WithdrawalForm))


@area.action(WITHDRAW_PATH, Access.VISITOR, without_token=True, door=Door.DECLARATION)
def send_withdrawal() -> ResponseReturnValue:
    return _take_form("declarations", WithdrawalForm, WITHDRAWAL_TEXTS)


@area.page(CANCEL_PATH, Access.VISITOR)
def show_cancellation() -> str:
    """Show the form: name, address, number of the order, wished end."""
    return render_template("cancellations/form.html", form=Form(CancellationForm), ends=list_ends())


@area.action(CANCEL_PATH, Access.VISITOR, without_token=True, door=Door.DECLARATION)
def send_cancellation() -> ResponseReturnValue:
    return _take_form("cancellations", CancellationForm, CANCELLATION_TEXTS, ends=list_ends())


def _take_form(
    folder: str, kind: type[WithdrawalForm] | type[CancellationForm], texts: Texts, **shown: object
) -> ResponseReturnValue:
    """Show what was typed once more, then store it. The answer is the same for every address and number."""
    form = Form[WithdrawalForm | CancellationForm].read(kind, texts)
    if form.errors:
        return render_template(f"{folder}/form.html", form=form, **shown), INVALID
    if "change" in request.form:
        return render_template(f"{folder}/form.html", form=form, **shown)
    if "confirmed" not in request.form:
        return render_template(f"{folder}/summary.html", wish=form.value, declaration=new_id())
    count_form()
    row = write_once(store_declaration, form.value, choose_page_language(read_language()), may_mail)
    return render_template(f"{folder}/received.html", row=row)
