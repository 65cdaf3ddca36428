"""What people say by the bot of a desk's page: /vu answers with the way there first, then three buttons."""

from api.alerts.notifications.own_looks import list_reported_desks
from api.bot.updates import LinkedChat
from api.ground.errors import ApiError
from api.models.bot_buttons import LookButton, digest_desk
from api.models.report import ReportKind, ReportVia
from api.reports.service import NewReport, counts_for_something, note_opening, take_report
from configs.world.desk import Desk

REFUSED = "look_refused"


def offer_looks(chat: LinkedChat, key: str) -> None:
    """Reply with the page of the only desk that the person may look at, or ask which."""
    found = list_reported_desks(chat.session, chat.user.id)
    if len(found) == 1:
        _lead_to_page(chat, found[0], key)
    else:
        chat.reply("vu", key, desks=(each.id for each in found))


def press_look(chat: LinkedChat, button: LookButton, key: str, message_id: int) -> str:
    """Lead to the page that was chosen, or take what was seen of it; return the word of the event, empty for none."""
    found = list_reported_desks(chat.session, chat.user.id)
    desk = next((each for each in found if digest_desk(each.id) == button.desk), None)
    if desk is None:
        return REFUSED
    if button.seen == "open":
        return _lead_to_page(chat, desk, key, message_id)
    try:
        given = NewReport.model_construct(desk_id=desk.id, kind=ReportKind(button.seen), days=[])
        made = take_report(chat.session, chat.user.id, given, ReportVia.TELEGRAM, None)
    except ApiError:
        return REFUSED
    is_noted = counts_for_something(made) or made.kind is ReportKind.UNSEEN
    word = "look_noted" if is_noted else "look_idle"
    chat.reply("look", key, event=word, replaces=message_id, desks=[desk.id])
    return word


def _lead_to_page(chat: LinkedChat, desk: Desk, key: str, message_id: int | None = None) -> str:
    """Reply with the way to a desk's page, which counts as its opening."""
    event = ""
    try:
        note_opening(chat.session, chat.user.id, desk.id)
    except ApiError:
        event = REFUSED
    chat.reply("look", key, event=event, replaces=message_id, desks=[desk.id])
    return event
