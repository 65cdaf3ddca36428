"""Pages of invoices and credit notes: the list, one to print, and its PDF."""

from contextlib import suppress
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import LazyString, lazy_gettext
from flask_babel import gettext as _

from api.ground.paging import PageQuery
from api.models.base import read_once
from api.pages.area import Access, Area
from api.pages.cookies import lead_to
from api.pages.words import REFUND_REASONS
from api.payments.invoices import queries
from api.payments.invoices.contents import LineKind
from api.payments.invoices.issuing import read_file
from api.web.auth import current_user_id
from api.web.public_answers import build_pdf_response
from configs.ground.object_store import StoreAway

_l = lazy_gettext
LINE_NAMES: dict[LineKind, LazyString] = {  # with the plan's name behind
    LineKind.PLAN: _l("Surveillance de créneaux de rendez-vous, formule"),
    LineKind.RENEWAL: _l("Surveillance de créneaux de rendez-vous, mois suivant, formule"),
    LineKind.UPGRADE_CREDIT: _l("Reste de l’offre précédente, déduit :"),
    LineKind.DISCOUNT: _l("Remise, formule"),
    LineKind.OUTAGE: _l("Temps sans surveillance du mois précédent, déduit, formule"),
    LineKind.REFUND: _l("Remboursement, formule"),
    LineKind.REFUND_RETURNED: _l("Remboursement que la banque nous a renvoyé, formule"),
    LineKind.DISPUTE: _l("Remboursement par la banque après contestation, formule"),
    LineKind.DISPUTE_RETURNED: _l("Contestation que la banque a rejetée, formule"),
}
area = Area("invoice_pages", __name__)
_PER_PAGE = 20


@area.page("/formule/factures", Access.PERSONAL)
def list_invoices() -> str:
    query = PageQuery(before=request.args.get("before", type=UUID), limit=_PER_PAGE)
    page = read_once(queries.list_invoices, current_user_id(), query)
    return render_template("invoices/invoices.html", page=page)


@area.page("/formule/factures/<uuid:id>", Access.PERSONAL)
def show_invoice(id: UUID) -> str:
    """Show an invoice or a credit note, as it can be printed."""
    document = read_once(queries.read_document, current_user_id(), id)
    return render_template(
        "invoices/invoice.html", document=document, line_names=LINE_NAMES, reasons=REFUND_REASONS
    )


@area.page("/formule/factures/<uuid:id>/pdf", Access.PERSONAL)
def send_pdf(id: UUID) -> ResponseReturnValue:
    """Send the PDF; while there is none, lead to the page, which can be printed."""
    row = read_once(queries.find_invoice, current_user_id(), id)
    pdf = None
    with suppress(StoreAway):
        pdf = read_file(row)
    if pdf is not None:
        return build_pdf_response(pdf, row.number)
    text = _("Le fichier PDF n’est pas encore prêt. Vous pouvez imprimer cette page.")
    return lead_to("invoice_pages.show_invoice", text, "problem", id=id)
