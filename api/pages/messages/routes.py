"""Pages of the messages to a user: what was sent or held back, and why; and the notices of the account itself."""

from uuid import UUID

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from api.errors import ApiError
from api.middleware.auth import current_user_id
from api.models.base import session
from api.notices import service
from api.pages.area import Access, Area
from api.pages.live import answer_live
from api.pages.message_words import CHANNEL_NAMES
from api.pages.messages.notice_data import count_title, read_notices
from api.pages.messages.view_data import GROUP_NAMES, read_messages
from api.pages.notices import add_notice
from configs.ground.clock import clock

area = Area("messages", __name__)


@area.page("/messages", Access.PERSONAL)
def show_messages() -> str:
    """List the messages, the newest first."""
    return render_template(
        "messages/messages.html", view=read_messages(), channels=CHANNEL_NAMES, groups=GROUP_NAMES
    )


@area.page("/notifications", Access.PERSONAL)
def show_notices() -> str:
    """List the notices, the newest first; the title has the number of unread ones."""
    view = read_notices()
    return render_template("messages/notices.html", view=view, count=count_title(view.unread))


@area.page("/notifications/direct", Access.PERSONAL, polled=True)
def show_live_notices() -> Response:
    """Answer the newest notices, to the page that shows them."""
    view = read_notices()
    return answer_live({
        "unread": render_template("messages/_unread.html", view=view, count=count_title(view.unread)),
        "notices": render_template("messages/_notices.html", view=view),
    })  # fmt: skip


@area.action("/notifications/<uuid:id>/lue", Access.PERSONAL)
def mark_notice(id: UUID) -> ResponseReturnValue:  # noqa: A002 -- the name in the address
    """Mark one notice as read; one that is deleted by now is left out."""
    try:
        with session() as s:
            service.read_notice(s, current_user_id(), id, clock())
    except ApiError as error:
        if error.word != "not-found":
            raise
    return redirect(url_for("messages.show_notices"), 303)


@area.action("/notifications/lues", Access.PERSONAL)
def mark_all_notices() -> ResponseReturnValue:
    """Mark the notices as read that the page had shown, and all that are older."""
    if last := request.form.get("last", type=UUID):
        with session() as s:
            service.read_all(s, current_user_id(), last, clock())
        add_notice("done", _("Toutes ces notifications sont lues."))
    return redirect(url_for("messages.show_notices"), 303)
