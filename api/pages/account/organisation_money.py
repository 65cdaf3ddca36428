"""Page of an organisation's money, for its owners: what was used, a limit, terms, invoices and how they are paid."""

from typing import Any
from uuid import UUID

from babel.units import format_unit
from flask import redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.alerts.unwatched import PARIS
from api.models.organisation import Organisation
from api.organisations.access import as_caller, by_caller
from api.organisations.schemas import Acceptance
from api.pages.area import Access, Area
from api.pages.cookies import lead_to
from api.pages.forms import INVALID, Form, Texts
from api.pages.organisation_words import REFUSALS, Press, lead_back
from api.pages.plan.view_data import list_sums, name_movement
from api.pages.words import REFUND_REASONS
from api.payments.invoices.issuing import read_file
from api.payments.organisations.bills import follow_bills
from api.payments.organisations.service import (
    MoneySettings,
    accept_terms,
    change_money,
    find_bill,
    find_document,
    pay_by_card,
    read_money,
)
from api.payments.organisations.use import HOURS
from api.web.languages import read_language
from api.web.public_answers import build_pdf_response
from configs.ground.object_store import StoreAway

TEXTS: Texts = {
    **REFUSALS,
    "contract-changed": _l("Le contrat a changé : lisez-le, puis acceptez-le."),
    "bill-paid": _l("Cette facture est déjà payée."),
    "card-refused": _l("Cette somme ne se paie pas par carte : faites un virement."),
}
_PAGE = "organisation_money.show_money"
area = Area("organisation_money", __name__)


@area.page("/organisation/argent", Access.PROVEN)
def show_money() -> str:
    """Show what was used this month, and the invoices."""
    return _render()


@area.action("/organisation/argent", Access.PROVEN)
def change() -> ResponseReturnValue:
    """Change the limit, and the text of invoices."""
    with as_caller(also_stopped=True) as (_s, caller):
        form = Form.read_change(MoneySettings, _list_settings(caller.organisation), TEXTS)
    form.submit(by_caller(change_money))
    return (_render(form), INVALID) if form.errors else lead_to(_PAGE, _("C’est enregistré."))


@area.action("/organisation/argent/conditions", Access.PROVEN)
def accept() -> ResponseReturnValue:
    """Accept the terms for firms."""
    form = Form.read(Acceptance, TEXTS)
    form.submit(by_caller(accept_terms))
    return lead_back(form, _PAGE, _("Les conditions sont acceptées."))


@area.action("/organisation/argent/<uuid:id>/carte", Access.PROVEN)
def pay(id: UUID) -> ResponseReturnValue:
    """Lead to the page at Stripe on which an invoice is paid by card."""
    form = Form.read(Press, TEXTS)
    with as_caller(also_stopped=True) as (s, caller):
        find_bill(s, caller, id)
        organisation_id = caller.organisation.id
    if url := form.submit(lambda _wish: pay_by_card(id)):
        return redirect(url, 303)
    follow_bills(organisation_id)
    return lead_back(form, _PAGE, str(TEXTS["bill-paid"]))


@area.page("/organisation/argent/factures/<uuid:id>", Access.PROVEN)
def send_document(id: UUID) -> ResponseReturnValue:
    """Send the PDF of an invoice or a credit note, with its XML within."""
    with as_caller(also_stopped=True) as (s, caller):
        row = find_document(s, caller, id)
    try:
        pdf = read_file(row)
    except StoreAway:
        pdf = None
    if pdf is None:
        return lead_to(_PAGE, _("Le PDF n’est pas encore prêt : réessayez dans une minute."), "problem")
    return build_pdf_response(pdf, row.number)


def _list_settings(row: Organisation) -> dict[str, Any]:
    return {"mostWatched": row.most_watched, "purchaseOrder": row.purchase_order}


def _write_hours(hours: int) -> str:
    parts = zip(("day", "hour"), divmod(hours, HOURS), strict=True)
    shown = [format_unit(number, unit, "short", locale=read_language()) for unit, number in parts if number]
    return " ".join(shown) or "–"


def _render(form: Form[MoneySettings] | None = None) -> str:
    with as_caller(also_stopped=True) as (s, caller):
        sheet = read_money(s, caller)
    known = _list_settings(sheet.row)
    return render_template(
        "organisation/money.html", sheet=sheet, form=form or Form.edit(MoneySettings, known), list_sums=list_sums,
        name_movement=name_movement, refund_reasons=REFUND_REASONS, write_hours=_write_hours,
        in_paris=lambda at: at.astimezone(PARIS).date(),
    )  # fmt: skip
