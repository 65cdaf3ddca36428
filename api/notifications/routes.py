"""Route of /api/notifications: what was sent to the signed-in user."""

from typing import Any

from api.middleware.auth import current_identity
from api.middleware.openapi_helpers import BEARER, declare_errors, make_blueprint
from api.models.base import autocommit_session
from api.notifications.queries import OwnMessagePage, OwnMessageQuery, list_own_messages

blueprint = make_blueprint(
    "notifications", __name__, "/api/notifications", "notifications", "Messages to the user"
)


@blueprint.get("", security=BEARER, responses={200: OwnMessagePage, **declare_errors(401, 422)})
def list_notifications(query: OwnMessageQuery) -> dict[str, Any]:
    """List the messages to the user, the newest first: those that were sent, and those that were held back."""
    who = current_identity()
    with autocommit_session() as s:
        states = [query.status] if query.status else []
        return list_own_messages(s, who.user_id, who.language, query, states).as_json()
