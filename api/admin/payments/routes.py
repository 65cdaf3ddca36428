"""Routes of /api/admin: payments and their refunds, Stripe's events, and differences with Stripe."""

from typing import Annotated, Any

from flask import Response
from pydantic import Field

from api.admin.access import audited, check_access
from api.admin.payments import actions, queries
from api.admin.payments.csv_export import CSV_TYPE, write_csv
from api.admin.payments.schemas import (
    DailyTotals,
    DeclarationLog,
    DeclarationQuery,
    DifferenceLog,
    NewRefund,
    OperatorRefund,
    PaymentDetails,
    PaymentLog,
    PaymentQuery,
    StripeEventLog,
    StripeEventQuery,
    TotalsQuery,
)
from api.invoices.queries import read_daily_totals
from api.middleware.auth import require_recent_proof
from api.middleware.openapi_helpers import BODY, declare_errors, make_blueprint
from api.paging import PageQuery
from api.schemas import Body, IdPath

_CSV = {"description": "A row for each total", "content": {CSV_TYPE: {"schema": {"type": "string"}}}}

blueprint = make_blueprint(
    "admin-payments",
    __name__,
    "/api/admin",
    "admin payments",
    "For operators: payments, refunds, Stripe's events",
    signed_in=True,
)
blueprint.before_request(check_access)


class EventPath(Body):
    """Which event, by Stripe's id."""

    id: Annotated[str, Field(max_length=255)]


@blueprint.get("/payments", responses={200: PaymentLog, **declare_errors(401, 403, 422)})
def search_payments(query: PaymentQuery) -> dict[str, Any]:
    """List payments, the newest first: all, of one user, or of one status."""
    with audited("payments.list", "payment") as work:
        found = queries.list_payments(work.session, query)
        work.note_seen(each.id for each in found.items)
        return found.as_json()


@blueprint.get("/payments/<uuid:id>", responses={200: PaymentDetails, **declare_errors(401, 403, 404)})
def show_payment(path: IdPath) -> dict[str, Any]:
    """Show one payment with everything that happened to it."""
    with audited("payment.view", "payment", path.id) as work:
        shown = queries.read_payment(work.session, path.id, sees_addresses=work.actor.sees_addresses)
        if shown.former_customer:
            work.changes["saw"] = "former customer"
        return shown.as_json()


@blueprint.post(
    "/payments/<uuid:id>/refunds",
    responses={201: OperatorRefund, **declare_errors(*BODY, 401, 403, 404, 409)},
)
def refund_payment(path: IdPath, body: NewRefund) -> tuple[dict[str, Any], int]:
    """Give money back, all that is left or a part. A full refund ends the plan. Needs a recent proof."""
    require_recent_proof()
    return actions.refund_payment(path.id, body).as_json(), 201


@blueprint.get("/declarations", responses={200: DeclarationLog, **declare_errors(401, 403, 422)})
def list_declarations(query: DeclarationQuery) -> dict[str, Any]:
    """List withdrawals and cancellations, the newest first: all, or those that no order was found for."""
    with audited("declarations.list", "declaration") as work:
        found = queries.list_declarations(work.session, query, full=work.actor.sees_addresses)
        work.note_seen(each.id for each in found.items)
        return found.as_json()


@blueprint.get("/stripe-events", responses={200: StripeEventLog, **declare_errors(401, 403, 422)})
def list_stripe_events(query: StripeEventQuery) -> dict[str, Any]:
    """List the events that Stripe sent, the newest first."""
    with audited("stripe-events.list", "stripe-event") as work:
        return queries.list_events(work.session, query).as_json()


@blueprint.post(
    "/stripe-events/<id>/replay", responses={202: None, **declare_errors(401, 403, 404, 409, 422)}
)
def replay_stripe_event(path: EventPath) -> tuple[str, int]:
    """Apply an event again: what it names is read anew at Stripe, so that a repetition changes nothing."""
    actions.replay_event(path.id)
    return "", 202


@blueprint.get("/invoice-totals", responses={200: DailyTotals, **declare_errors(401, 403, 422)})
def list_invoice_totals(query: TotalsQuery) -> dict[str, Any]:
    """List daily totals of invoices less credit notes, per plan and VAT line, for e-reporting."""
    return _read_totals(query).as_json()


@blueprint.get("/invoice-totals.csv", responses={200: _CSV, **declare_errors(401, 403, 422)})
def export_invoice_totals(query: TotalsQuery) -> Response:
    """Export the same as a file for spreadsheets; amounts in cents."""
    answer = Response(write_csv(_read_totals(query)), mimetype=CSV_TYPE)
    answer.headers.set("Content-Disposition", "attachment", filename="invoice-totals.csv")
    return answer


def _read_totals(query: TotalsQuery) -> DailyTotals:
    with audited("invoice-totals.export", "invoice") as work:
        first, last = query.days
        work.changes.update({"first": first.isoformat(), "last": last.isoformat()})
        return DailyTotals(items=read_daily_totals(work.session, first, last))


@blueprint.get("/payment-differences", responses={200: DifferenceLog, **declare_errors(401, 403, 422)})
def list_payment_differences(query: PageQuery) -> dict[str, Any]:
    """List what the daily comparison with Stripe found, the newest first: both sides of each."""
    with audited("payment-differences.list", "payment-difference") as work:
        return queries.list_differences(work.session, query).as_json()
