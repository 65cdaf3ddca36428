"""Messages about reports: the request to look where one person says that slots are; what operators decided."""

from datetime import datetime, timedelta

from api.models.notification import State
from api.models.report import LOOK_REQUESTED
from api.models.watchability import is_desk_reported
from configs.ground.message_groups import MessageGroup
from configs.ground.signing import ReportLook, write_link
from configs.ground.text import write_time
from configs.settings import settings
from configs.world.prefecture import desks
from notifier.content.desk_location import desk_infos, name_city
from notifier.content.message_kind_base import (
    ANY_MAIL,
    REACHABLE,
    DueMessage,
    MessageKind,
    Skip,
    TemplateContext,
    account_page,
)

_OF_USE = timedelta(minutes=10)  # after the person saw them


def _name_sight(due: DueMessage) -> TemplateContext | Skip:
    """Return where and when one person saw slots. Params: `desk_id`, `seen` (ISO 8601)."""
    desk, seen_at = desks().get(due.params["desk_id"]), datetime.fromisoformat(due.params["seen"])
    if desk is None or not is_desk_reported(due.session, desk.id):
        return Skip(State.SKIPPED, "the desk is not watched any more")
    if due.now - seen_at > _OF_USE:
        return Skip(State.EXPIRED, "slots not seen lately")
    (spot,) = desk_infos([desk.id])
    pattern = "H 'h' mm" if due.language == "fr" else "short"
    hour = write_time(seen_at, pattern, locale=due.language, tzinfo=desk.zone)
    values = {
        "spot": spot,
        "hour": hour,
        "city": name_city(desk.zone, due.language),
        "look_page": write_link(ReportLook(due.row.id)),
    }
    return TemplateContext(values, desk.url)


def _say_decision(due: DueMessage) -> TemplateContext:
    """Return why an operator ended the reader's reports, and where to object. Params: `reason`; None: resumed."""
    reason = due.params["reason"]
    url = account_page("contact" if reason else "regards")
    return TemplateContext({"reason": reason, "support_email": settings().support_email, "url": url})


KINDS = {
    "reports_decided": MessageKind(to=ANY_MAIL, values=_say_decision, notice_link="/contact"),
    LOOK_REQUESTED: MessageKind(
        to=REACHABLE, values=_name_sight, group=MessageGroup.DESK, notice_link="/dashboard"
    ),
}
