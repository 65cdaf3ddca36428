"""Handling of the Telegram bot's updates: a code that links a chat, a command, or the press of a button.

A command or a button is for the account to whose chat the bot wrote. Anywhere else it does nothing and says so.
"""

import re
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from api.accounts.queries import lock_user
from api.alerts.answers import CLOSING, FINAL, AnnouncedMatch, list_announced, list_together, store_answers
from api.alerts.notifications.own_looks import list_reported_desks
from api.alerts.service import may_reopen, reopen_alert, stop_alerts, switch_alert
from api.bot.updates import (
    BotCall,
    ButtonPress,
    Chat,
    IncomingMessage,
    LinkedChat,
    PressedMessage,
    answer_press,
    read_update,
    write_to_chat,
)
from api.ground.errors import ApiError
from api.ground.limit_counters import hit_limit
from api.models.alert import REOPENS, Alert
from api.models.answer import AnswerValue, AnswerVia
from api.models.base import is_any_of, session, write_once
from api.models.bot_buttons import (
    ALL,
    BACK,
    AlertButton,
    AnswerButton,
    LanguageButton,
    LookButton,
    digest_desk,
    read_button,
)
from api.models.contact_lookup import find_contact, hash_address
from api.models.notification import Match, Notification
from api.models.report import ReportKind, ReportVia
from api.models.slot import Detection
from api.models.user import Channel, User
from api.reports.service import NewReport, counts_for_something, note_opening, take_report
from api.users.contact_ownership import drop_contact
from api.users.telegram_links import note_start
from configs.ground.clock import clock
from configs.ground.text import FRENCH, MESSAGE_LANGUAGES, read_language
from configs.world.desk import Desk

DONE = {"pause": "paused", "resume": "resumed", "stop": "stopped"}  # the word of an event, by action
NOTHING, GONE, LOOK_REFUSED = "nothing", "gone", "look_refused"
# Of the words of refusals those that have a line of their own.
_REFUSED = {
    "plan-needed": "plan_needed", "plan-limit": "plan_limit", "fair-use": "fair_use", "not-watched": "not_watched",
    "not-found": GONE,
}  # fmt: skip


def answer_alert(chat: LinkedChat, button: AnswerButton, message: PressedMessage, key: str) -> str:
    """Store an answer, or ask which of several matches it is about; return the word of the reply, empty for none.

    The message is edited to show what was answered; once for each `key`.
    """
    row = chat.session.get(Notification, button.notification_id)
    if row is None:
        return "unknown"
    announced = list_announced(chat.session, row.id)
    if any(owner != chat.user.id for owner in (row.user_id, *(each.user_id for each in announced))):
        return "not_yours"
    if not announced:
        return "unknown"
    word, asks = _store_or_ask(chat, announced, button)
    _edit(chat, row, message, key, asks=asks)
    return word


def _store_or_ask(
    chat: LinkedChat, announced: Sequence[AnnouncedMatch], button: AnswerButton
) -> tuple[str, str]:
    """Return the word of the reply, and the answer of which the message is to ask what it is about."""
    if button.answer == BACK:
        return "", ""
    value = AnswerValue(button.answer)
    wanted = _choose(announced, _group(chat, announced, value), button.match)
    return ("", value.value) if wanted is None else (_store(chat, wanted, value), "")


def _group(chat: LinkedChat, announced: Sequence[AnnouncedMatch], value: AnswerValue) -> dict[UUID, object]:
    """Return by match what the answer is about: its alert where it closes that, else its desk."""
    if value in CLOSING:
        return {each.match_id: each.alert_id for each in announced}
    desks = (
        sa.select(Match.id, Detection.desk_id)
        .join(Detection, Detection.id == Match.detection_id)
        .where(is_any_of(Match.id, [each.match_id for each in announced]))
    )
    return {row.id: row.desk_id for row in chat.session.execute(desks)}


def _choose(
    announced: Sequence[AnnouncedMatch], group_of: dict[UUID, object], chosen: UUID | str | None
) -> list[UUID] | None:
    """Return the matches that an answer is about: none of a match that is gone, None where that is to be asked."""
    ids = [each.match_id for each in announced]
    if chosen == ALL or len(set(group_of.values())) == 1:
        return ids
    if chosen is None:
        return None
    group = group_of.get(chosen) if isinstance(chosen, UUID) else None
    return [each for each in ids if group is not None and group_of.get(each) == group]


def _store(chat: LinkedChat, match_ids: Sequence[UUID], value: AnswerValue) -> str:
    try:
        stored = store_answers(chat.session, chat.user.id, match_ids, value, AnswerVia.TELEGRAM)
    except ApiError as error:
        return "final" if error.word == FINAL else "unknown"
    if stored.has_reopened:
        return "reopened"
    is_over = value not in CLOSING and not _has_open_alert(chat, match_ids)
    return "stays_closed" if is_over else value.value


def _has_open_alert(chat: LinkedChat, match_ids: Sequence[UUID]) -> bool:
    """Return whether an alert of these matches is open, paused or not."""
    opened = (
        sa.select(Alert.id)
        .join(Match, Match.alert_id == Alert.id)
        .where(is_any_of(Match.id, match_ids), Alert.closed_at.is_(None))
    )
    return chat.session.scalar(opened.limit(1)) is not None


def _edit(chat: LinkedChat, row: Notification, message: PressedMessage, key: str, *, asks: str = "") -> None:
    """Write the edit of the message that shows what was answered; of one without an id of its own nothing."""
    params = {
        "message": str(message.message_id),
        "alerts": sorted(str(each) for each in list_together(chat.session, row.id)),
        "sent": (row.accepted_at or row.created_at).isoformat(),
    }
    if asks:
        params["asks"] = asks
    chat.write_edit(params, key, row.language)


def list_candidates(chat: LinkedChat, action: str) -> list[Alert]:
    """Return the user's alerts to which an action applies, the oldest first, under a lock of the user's row."""
    lock_user(chat.session, chat.user.id)
    is_listed = sa.or_(Alert.closed_at.is_(None), Alert.closed_at > clock() - REOPENS)
    mine = (
        sa.select(Alert)
        .where(Alert.user_id == chat.user.id, is_listed)
        .options(selectinload(Alert.targets))
        .order_by(Alert.id)
        .execution_options(populate_existing=True)
    )
    return [each for each in chat.session.scalars(mine) if _allows(action, each)]


def _allows(action: str, alert: Alert) -> bool:
    if alert.closed_at is not None:
        return action == "resume" and may_reopen(alert)
    return {"pause": alert.enabled, "resume": not alert.enabled and not alert.awaits_watch, "stop": True}[
        action
    ]


def act_on(chat: LinkedChat, action: str, alerts: Sequence[Alert]) -> str:
    """Do it to each of these alerts until one refuses; return the word of what came of it."""
    if not alerts:
        return NOTHING
    for alert in alerts:
        try:
            _change(chat, action, alert)
        except ApiError as error:  # it is raised before the alert changes
            return _REFUSED.get(error.word, "refused")
    return DONE[action]


def act_on_one(chat: LinkedChat, action: str, alert_id: UUID) -> str:
    """Do it to one alert; return the word of what came of it. A repetition changes nothing."""
    lock_user(chat.session, chat.user.id)
    alert = chat.session.get(Alert, alert_id)
    if alert is None or alert.user_id != chat.user.id:
        return GONE
    if alert.closed_at is not None and not may_reopen(alert):
        return GONE
    return act_on(chat, action, [alert])


def _change(chat: LinkedChat, action: str, alert: Alert) -> None:
    session, user_id = chat.session, chat.user.id
    if action == "stop":
        stop_alerts(session, user_id, [alert.id])
        return
    if action == "resume" and alert.closed_at is not None:
        reopen_alert(session, alert)
    switch_alert(session, user_id, alert.id, enabled=action == "resume")


_COMMAND = re.compile(r"/([a-z]{1,32})(?:@\w{1,64})?(?:\s+(.*))?", re.ASCII | re.DOTALL)
_RULE = "30 per minute"  # commands and presses of one chat
_VIEWS = frozenset({"alerts", "language", "help"})
_UNLINK, _VU = "unlink", "vu"


def handle_update(body: bytes) -> BotCall | None:
    """Handle one genuine update; return the call that its answer carries. One that is repeated changes nothing more.

    What cannot be read, and what asks for nothing, changes nothing.
    """
    update = read_update(body)
    if update is None:
        return None
    if update.callback_query:
        return _handle_press(update.callback_query)
    if update.message and update.message.text.startswith("/"):
        return _handle_command(update.message, f"{update.update_id}.{update.message.message_id}")
    return None


def _handle_command(message: IncomingMessage, key: str) -> BotCall | None:
    chat, found = message.chat, _COMMAND.fullmatch(message.text.strip())
    if found is None:
        return None
    command, argument = found[1], found[2] or ""
    if command == "start" and argument:
        if chat.is_private:
            write_once(note_start, str(chat.id), chat.name, argument.strip())
        return None
    language = message.sender.language if message.sender else FRENCH
    if not chat.is_private:
        return (
            write_to_chat(chat, language, "not_private")
            if command in {*DONE, *_VIEWS, _UNLINK, _VU}
            else None
        )
    if not _has_turn(chat):
        return None
    return _answer_command(chat, command, key, language)


def _answer_command(chat: Chat, command: str, key: str, language: str) -> BotCall | None:
    with session() as s:
        linked = _find_linked(s, chat)
        if linked is None:
            return write_to_chat(chat, language, "not_linked")
        if command == _UNLINK:
            return _unlink(linked, chat)
        if not linked.has_replied(key):
            _obey(linked, command, key)
    return None


def _obey(chat: LinkedChat, command: str, key: str) -> None:
    """Carry a command out, and reply. Where it may be about several alerts, the reply asks which."""
    if command == _VU:
        offer_looks(chat, key)
        return
    if command not in DONE:
        chat.reply(command if command in _VIEWS else "help", key)
        return
    candidates = list_candidates(chat, command)
    if len(candidates) > 1:
        chat.reply(command, key)
    else:
        chat.reply("alerts", key, event=act_on(chat, command, candidates))


def _unlink(linked: LinkedChat, chat: Chat) -> BotCall:
    """Take the chat from its account: its holder may never have wanted it there. The answer to the webhook says so."""
    contact = find_contact(linked.session, Channel.TELEGRAM, str(chat.id))
    if contact is not None:
        drop_contact(linked.session, contact, "unlinked")
    return write_to_chat(chat, read_language(linked.user.language), "unlinked")


def _handle_press(press: ButtonPress) -> BotCall | None:
    language, message = press.sender.language, press.message
    if message is None or not message.chat.is_private or message.chat.id != press.sender.id:
        return answer_press(press, language, "not_private", is_alert=True)
    if not _has_turn(message.chat):
        return answer_press(press, language, "too_many", is_alert=True)
    with session() as s:
        if linked := _find_linked(s, message.chat):
            return _carry_out(linked, press, message)
    return answer_press(press, language, "not_linked", is_alert=True)


def _carry_out(chat: LinkedChat, press: ButtonPress, message: PressedMessage) -> BotCall:
    """Do what a button asks for; return the call that ends the press with a line about it."""
    button, language = read_button(press.data), read_language(chat.user.language)
    if chat.has_replied(press.id):
        return answer_press(press, language)
    if isinstance(button, AnswerButton):
        word = answer_alert(chat, button, message, press.id)
        is_refused = word in ("not_yours", "unknown", "final")
        return answer_press(press, language, word, is_alert=is_refused)
    if isinstance(button, AlertButton):
        word = _act(chat, button)
        chat.reply("alerts", press.id, event=word, replaces=message.message_id)
        is_refused = word not in DONE.values()
        return answer_press(press, language, word, line="event", is_alert=is_refused)
    if isinstance(button, LookButton):
        word = press_look(chat, button, press.id, message.message_id)
        return answer_press(press, language, word, line="event", is_alert=word == LOOK_REFUSED)
    if isinstance(button, LanguageButton) and button.language in MESSAGE_LANGUAGES:
        chat.user.language = button.language
        chat.reply("help", press.id, event="language", replaces=message.message_id)
        return answer_press(press, button.language, "language", line="event")
    return answer_press(press, language, "unknown", is_alert=True)


def _act(chat: LinkedChat, button: AlertButton) -> str:
    if isinstance(button.alert, UUID):
        return act_on_one(chat, button.action, button.alert)
    return act_on(chat, button.action, list_candidates(chat, button.action))


def _find_linked(s: Session, chat: Chat) -> LinkedChat | None:
    contact = find_contact(s, Channel.TELEGRAM, str(chat.id))
    if contact is None or not contact.is_linked:
        return None
    return LinkedChat(s, s.get_one(User, contact.user_id))


def _has_turn(chat: Chat) -> bool:
    """Count one request of a chat, whose id no count may show; return whether it is not one too many."""
    newest = hash_address(Channel.TELEGRAM, str(chat.id))[0]
    try:
        hit_limit(_RULE, "bot", newest.hex())
    except ApiError:
        return False
    return True


def offer_looks(chat: LinkedChat, key: str) -> None:
    """Reply with the way to the page of the only desk that the person may look at, or ask which."""
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
        return LOOK_REFUSED
    if button.seen == "open":
        return _lead_to_page(chat, desk, key, message_id)
    try:
        given = NewReport.model_construct(desk_id=desk.id, kind=ReportKind(button.seen), days=[])
        made = take_report(chat.session, chat.user.id, given, ReportVia.TELEGRAM, None)
    except ApiError:
        return LOOK_REFUSED
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
        event = LOOK_REFUSED
    chat.reply("look", key, event=event, replaces=message_id, desks=[desk.id])
    return event
