"""Routes of /api/health, which rate limits do not count, and of /api/support."""

from typing import Any

from api.admin.health.findings import PartState
from api.admin.health.live_report import Health, Live, read_live_report
from api.admin.support import NewSupportRequest, SupportTicket, add_request, get_sender
from api.models.base import write_once
from api.web.auth import find_user
from api.web.doors import Door, declare_door
from api.web.openapi import BEARER, BODY, declare_errors, make_blueprint
from api.web.rate_limits import count_form
from api.web.stranger_mail import may_mail

blueprint = make_blueprint("health", __name__, "/api/health", "health", "Whether people are told")


@blueprint.get("", responses={**declare_errors(), 200: Health, 503: Health})
@declare_door(Door.FREE)
def health() -> tuple[dict[str, Any], int]:
    """Return the state of each part; 503 where alerts cannot be delivered."""
    report = read_live_report()
    return report.as_json(), 503 if report.status == PartState.DOWN else 200


@blueprint.get("/live", responses={200: Live, **declare_errors()})
@declare_door(Door.FREE)
def live() -> dict[str, Any]:
    """Tell that this process answers; nothing else is touched."""
    return Live().as_json()


support_blueprint = make_blueprint(
    "support", __name__, "/api/support", "support", "Questions to the operators"
)


@support_blueprint.post(
    "", security=[{}, *BEARER], responses={201: SupportTicket, **declare_errors(*BODY, 401)}
)
@declare_door(Door.SUPPORT)
def ask_support(body: NewSupportRequest) -> tuple[dict[str, Any], int]:
    """Write to support, signed in or not, 5 times a day; a mail acknowledges it with its number."""
    user = find_user()
    email = get_sender(user, body)
    count_form()
    request = write_once(add_request, user, email, body, may_mail)
    return SupportTicket(number=request.id, email=request.email).as_json(), 201
