"""View data of notices: a page of them, and the number of unread ones."""

from dataclasses import dataclass
from uuid import UUID

from flask import request, url_for
from pydantic import ValidationError

from api.middleware.auth import current_identity
from api.models.base import autocommit_session
from api.notices.queries import MOST_COUNTED, list_notices
from api.notices.schemas import NoticeAnswer
from api.paging import PageQuery
from configs.settings import settings

_PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class NoticesView:
    """A page of notices."""

    notices: list[NoticeAnswer]
    unread: int  # of all pages
    last: UUID | None  # the newest that is shown
    time_zone: str
    following: str | None  # address of the page after this one
    is_first: bool  # it has the newest, and follows what comes
    stream: str  # address of what comes


def read_notices() -> NoticesView:
    """Return the page of notices that the address asks for: the first where it names none."""
    who, query = current_identity(), _read_query()
    with autocommit_session() as s:
        page = list_notices(s, who.user_id, query)
    following = url_for("messages.show_notices", before=page.next) if page.next else None
    last = page.items[0].id if page.items else None
    stream = f"{str(settings().live_url).rstrip('/')}/live/notices"
    return NoticesView(page.items, page.unread, last, who.time_zone, following, query.before is None, stream)


def _read_query() -> PageQuery:
    asked = {"before": request.args["before"]} if request.args.get("before") else {}
    try:
        return PageQuery.model_validate(asked | {"limit": _PER_PAGE})
    except ValidationError:
        return PageQuery(limit=_PER_PAGE)


def count_title(unread: int) -> str:
    """Return the number of unread notices, in few characters; empty where there are none."""
    if unread >= MOST_COUNTED:
        return f"{MOST_COUNTED - 1}+"
    return str(unread) if unread else ""
