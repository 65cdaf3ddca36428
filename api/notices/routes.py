"""Routes of /api/notices: what the app shows the signed-in user."""

from typing import Any

from api.middleware.auth import current_user_id
from api.middleware.openapi_helpers import BODY, declare_errors, make_blueprint
from api.models.base import read_once, session
from api.notices import queries
from api.notices.queries import NoticePage, ReadWish, UnreadCount, count_unread, list_notices
from api.paging import PageQuery
from api.schemas import IdPath
from configs.ground.clock import clock

blueprint = make_blueprint(
    "notices", __name__, "/api/notices", "notices", "What the app shows the user", signed_in=True
)


@blueprint.get("", responses={200: NoticePage, **declare_errors(401, 422)})
def show_notices(query: PageQuery) -> dict[str, Any]:
    """List the user's notices, the newest first, with the number of unread ones. They are kept for 90 days."""
    return read_once(list_notices, current_user_id(), query).as_json()


@blueprint.post("/<uuid:id>/read", responses={200: UnreadCount, **declare_errors(401, 404)})
def mark_notice_read(path: IdPath) -> dict[str, Any]:
    """Mark a notice as read. To repeat it changes nothing."""
    with session() as s:
        queries.read_notice(s, current_user_id(), path.id, clock())
        return UnreadCount(unread=count_unread(s, current_user_id())).as_json()


@blueprint.post("/read-all", responses={200: UnreadCount, **declare_errors(*BODY, 401)})
def mark_all_read(body: ReadWish) -> dict[str, Any]:
    """Mark all notices as read up to the one that the body names; newer notices stay unread."""
    with session() as s:
        queries.read_all(s, current_user_id(), body.last, clock())
        return UnreadCount(unread=count_unread(s, current_user_id())).as_json()
