"""Routes of /api/notifications, what was sent to the signed-in user, and of /api/notices, what the app shows them."""

from typing import Any

from api.alerts.notifications import notices
from api.alerts.notifications.notices import NoticePage, ReadWish, UnreadCount, count_unread, list_notices
from api.alerts.notifications.queries import OwnMessagePage, OwnMessageQuery, list_own_messages
from api.ground.paging import PageQuery
from api.ground.schemas import IdPath
from api.models.base import autocommit_session, read_once, session
from api.web.auth import current_identity, current_user_id
from api.web.openapi import BEARER, BODY, declare_errors, make_blueprint
from configs.ground.clock import clock

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


notices_blueprint = make_blueprint(
    "notices", __name__, "/api/notices", "notices", "What the app shows the user", signed_in=True
)


@notices_blueprint.get("", responses={200: NoticePage, **declare_errors(401, 422)})
def show_notices(query: PageQuery) -> dict[str, Any]:
    """List the user's notices, the newest first, with the number of unread ones. They are kept for 90 days."""
    return read_once(list_notices, current_user_id(), query).as_json()


@notices_blueprint.post("/<uuid:id>/read", responses={200: UnreadCount, **declare_errors(401, 404)})
def mark_notice_read(path: IdPath) -> dict[str, Any]:
    """Mark a notice as read. To repeat it changes nothing."""
    with session() as s:
        notices.mark_notice_read(s, current_user_id(), path.id, clock())
        return UnreadCount(unread=count_unread(s, current_user_id())).as_json()


@notices_blueprint.post("/read-all", responses={200: UnreadCount, **declare_errors(*BODY, 401)})
def mark_all_read(body: ReadWish) -> dict[str, Any]:
    """Mark all notices as read up to the one that the body names; newer notices stay unread."""
    with session() as s:
        notices.mark_all_read(s, current_user_id(), body.last, clock())
        return UnreadCount(unread=count_unread(s, current_user_id())).as_json()
