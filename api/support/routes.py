"""Route of /api/support: questions to the operators, from users and strangers."""

from typing import Any

from api.models.base import session
from api.support.service import NewSupportRequest, SupportTicket, add_request, get_sender
from api.web.auth import find_user
from api.web.openapi import BEARER, BODY, declare_errors, make_blueprint
from api.web.rate_limits import count_form
from api.web.stranger_mail import may_mail

blueprint = make_blueprint("support", __name__, "/api/support", "support", "Questions to the operators")


@blueprint.post("", security=[{}, *BEARER], responses={201: SupportTicket, **declare_errors(*BODY, 401)})
def ask_support(body: NewSupportRequest) -> tuple[dict[str, Any], int]:
    """Write to support, signed in or not, 5 times a day; a mail acknowledges it with its number."""
    user = find_user()
    email = get_sender(user, body)
    count_form("support")
    with session() as s:
        request = add_request(s, user, email, body, may_mail)
    return SupportTicket(number=request.id, email=request.email).as_json(), 201
