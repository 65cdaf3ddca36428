"""Route of /api/admin/delivery: how long messages took, and how many arrived."""

from typing import Any

from api.admin.access import audited, check_access
from api.admin.delivery.queries import read_report
from api.admin.delivery.schemas import DeliveryQuery, DeliveryReport
from api.middleware.openapi_helpers import declare_errors, make_blueprint

blueprint = make_blueprint(
    "admin-delivery",
    __name__,
    "/api/admin/delivery",
    "admin delivery",
    "For operators: delays and rates of delivery",
    signed_in=True,
)
blueprint.before_request(check_access)


@blueprint.get("", responses={200: DeliveryReport, **declare_errors(401, 403, 422)})
def show_delivery(query: DeliveryQuery) -> dict[str, Any]:
    """Show by day, channel, provider and prefecture how long slot alerts took, and what became of them."""
    with audited("delivery.view", "delivery") as work:
        return read_report(work.session, query).as_json()
