"""Routes of /api/billing/invoices: the user's invoices and credit notes, and their PDF files."""

from typing import Any

from flask import Response
from pydantic import BaseModel

from api.ground.errors import ApiError
from api.ground.paging import PageQuery
from api.ground.schemas import IdPath
from api.models.base import autocommit_session, read_once
from api.payments.invoices import queries
from api.payments.invoices.contents import InvoicePage
from api.payments.invoices.issuing import read_file
from api.web.auth import current_user_id
from api.web.openapi import BEARER, declare_errors, make_blueprint
from api.web.public_answers import PDF_TYPE, build_pdf_response
from configs.ground.object_store import StoreAway

_MAKING_SECONDS, _STORE_SECONDS = "10", "60"  # Retry-After: of a file in the making, of a store that is away
_FILE: dict[str | int, type[BaseModel] | dict[Any, Any] | None] = {
    200: {
        "description": "The PDF",
        "content": {PDF_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    },
    202: {"description": "It is being made: ask again after Retry-After"},
}

blueprint = make_blueprint("invoices", __name__, "/api/billing", "billing", "Plans, payments and refunds")


@blueprint.get("/invoices", security=BEARER, responses={200: InvoicePage, **declare_errors(401, 422)})
def list_invoices(query: PageQuery) -> dict[str, Any]:
    """List the user's invoices and credit notes, the newest first."""
    return read_once(queries.list_invoices, current_user_id(), query).as_json()


@blueprint.get("/invoices/<uuid:id>", security=BEARER, responses={**_FILE, **declare_errors(401, 404)})
def send_invoice(path: IdPath) -> Response:
    """Send an invoice or a credit note as a PDF; 202 while it is being made."""
    with autocommit_session() as s:
        row = queries.find_invoice(s, current_user_id(), path.id)
    try:
        pdf = read_file(row)
    except StoreAway:
        detail = "the store of invoices does not answer: try again"
        raise ApiError(503, "unavailable", detail, headers={"Retry-After": _STORE_SECONDS}) from None
    if pdf is None:
        return Response(status=202, headers={"Retry-After": _MAKING_SECONDS})
    return build_pdf_response(pdf, row.number)
