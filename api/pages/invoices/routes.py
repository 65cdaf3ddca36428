"""Pages of invoices and credit notes: the list, one to print, and its PDF."""

from contextlib import suppress
from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from api.invoices import queries
from api.invoices.pdf_files import read_file
from api.middleware.auth import current_user_id
from api.middleware.pdf_response import build_pdf_response
from api.models.base import autocommit_session
from api.pages.area import Access, Area
from api.pages.invoices.line_names import LINE_NAMES, REASON_NAMES
from api.pages.notices import add_notice
from api.paging import PageQuery
from configs.ground.object_store import StoreAway

area = Area("invoice_pages", __name__)
_PER_PAGE = 20


@area.page("/formule/factures", Access.PERSONAL)
def list_invoices() -> str:
    """List the invoices and credit notes, the newest first."""
    query = PageQuery(before=request.args.get("before", type=UUID), limit=_PER_PAGE)
    with autocommit_session() as s:
        page = queries.list_invoices(s, current_user_id(), query)
    return render_template("invoices/invoices.html", page=page)


@area.page("/formule/factures/<uuid:id>", Access.PERSONAL)
def show_invoice(id: UUID) -> str:  # noqa: A002
    """Show an invoice or a credit note, as it can be printed."""
    with autocommit_session() as s:
        document = queries.read_document(s, current_user_id(), id)
    return render_template(
        "invoices/invoice.html", document=document, line_names=LINE_NAMES, reasons=REASON_NAMES
    )


@area.page("/formule/factures/<uuid:id>/pdf", Access.PERSONAL)
def send_pdf(id: UUID) -> ResponseReturnValue:  # noqa: A002
    """Send the PDF; while there is none, lead to the page, which can be printed."""
    with autocommit_session() as s:
        row = queries.find_invoice(s, current_user_id(), id)
    pdf = None
    with suppress(StoreAway):
        pdf = read_file(row)
    if pdf is not None:
        return build_pdf_response(pdf, row.number)
    add_notice("problem", _("Le fichier PDF n’est pas encore prêt. Vous pouvez imprimer cette page."))
    return redirect(url_for("invoice_pages.show_invoice", id=id), 303)
