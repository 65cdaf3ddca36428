"""Route of /api/notifications: what was sent to the signed-in user."""

from typing import Any

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.middleware.auth import current_identity
from api.middleware.openapi_helpers import BEARER, declare_errors, make_operation_id
from api.models.base import autocommit_session
from api.notifications.queries import list_own_messages
from api.notifications.schemas import OwnMessagePage, OwnMessageQuery

blueprint = APIBlueprint(
    "notifications",
    __name__,
    url_prefix="/api/notifications",
    operation_id_callback=make_operation_id,
    abp_tags=[Tag(name="notifications", description="Messages to the user")],
)


@blueprint.get("", security=BEARER, responses={200: OwnMessagePage, **declare_errors(401, 422)})
def list_notifications(query: OwnMessageQuery) -> dict[str, Any]:
    """List the messages to the user, the newest first: those that were sent, and those that were held back."""
    who = current_identity()
    with autocommit_session() as s:
        return list_own_messages(s, who.user_id, who.language, query).as_json()
