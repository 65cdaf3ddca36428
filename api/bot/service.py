"""Handling of the Telegram bot's updates: a code that links a chat, a command, or the press of a button.

A command or a button is for the account to whose chat the bot wrote. Anywhere else it does nothing and says so.
"""

import re
from uuid import UUID

from sqlalchemy.orm import Session

import notifier
from api.bot.alert_actions import DONE, act_on, act_on_one, answer_alert, list_candidates
from api.bot.updates import (
    BotCall,
    BotOutcome,
    ButtonPress,
    Chat,
    IncomingMessage,
    LinkedChat,
    PressedMessage,
    answer_press,
    read_update,
    write_to_chat,
)
from api.errors import ApiError
from api.middleware.limit_counters import hit_limit
from api.models.base import session
from api.models.contact_lookup import find_contact, hash_address
from api.models.user import Channel, User
from api.users.contact_ownership import drop_contact
from api.users.telegram_linking import note_start
from configs.ground.bot_buttons import AlertButton, AnswerButton, LanguageButton, read_button
from configs.world.languages import FRENCH, MESSAGE_LANGUAGES, read_language

_COMMAND = re.compile(r"/([a-z]{1,32})(?:@\w{1,64})?(?:\s+(.*))?", re.ASCII | re.DOTALL)
_RULE = "30 per minute"  # commands and presses of one chat
_VIEWS = frozenset({"alerts", "language", "help"})
_UNLINK = "unlink"


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
            with session() as s:
                note_start(s, str(chat.id), chat.name, argument.strip())
        return None
    language = message.sender.language if message.sender else FRENCH
    if not chat.is_private:
        return write_to_chat(chat, language, "not_private") if command in {*DONE, *_VIEWS, _UNLINK} else None
    if not _has_turn(chat):
        return None
    outcome = BotOutcome()
    with session() as s:
        linked = _find_linked(s, chat, outcome)
        if linked is None:
            outcome.call = write_to_chat(chat, language, "not_linked")
        elif command == _UNLINK:
            _unlink(linked, chat)
        else:
            _obey(linked, command, key)
    return _finish(outcome)


def _obey(chat: LinkedChat, command: str, key: str) -> None:
    """Carry a command out, and reply. Where it may be about several alerts, the reply asks which."""
    if chat.has_replied(key):
        return
    if command not in DONE:
        chat.reply(command if command in _VIEWS else "help", key)
        return
    candidates = list_candidates(chat, command)
    if len(candidates) > 1:
        chat.reply(command, key)
    else:
        chat.reply("alerts", key, event=act_on(chat, command, candidates))


def _unlink(linked: LinkedChat, chat: Chat) -> None:
    """Take the chat from its account: its holder may never have wanted it there. The answer to the webhook says so."""
    contact = find_contact(linked.session, Channel.TELEGRAM, str(chat.id))
    if contact is not None:
        linked.outcome.messages += drop_contact(linked.session, contact, "unlinked")
    linked.outcome.call = write_to_chat(chat, read_language(linked.user.language), "unlinked")


def _handle_press(press: ButtonPress) -> BotCall | None:
    language, message = press.sender.language, press.message
    if message is None or not message.chat.is_private or message.chat.id != press.sender.id:
        return answer_press(press, language, "not_private", is_alert=True)
    if not _has_turn(message.chat):
        return answer_press(press, language, "too_many", is_alert=True)
    outcome = BotOutcome()
    with session() as s:
        if linked := _find_linked(s, message.chat, outcome):
            _carry_out(linked, press, message)
        else:
            outcome.call = answer_press(press, language, "not_linked", is_alert=True)
    return _finish(outcome)


def _carry_out(chat: LinkedChat, press: ButtonPress, message: PressedMessage) -> None:
    """Do what a button asks for, and end the press with a line about it."""
    button, language = read_button(press.data), read_language(chat.user.language)
    if chat.has_replied(press.id):
        chat.outcome.call = answer_press(press, language)
    elif isinstance(button, AnswerButton):
        word = answer_alert(chat, button, message, press.id)
        is_refused = word in ("not_yours", "unknown", "final")
        chat.outcome.call = answer_press(press, language, word, is_alert=is_refused)
    elif isinstance(button, AlertButton):
        word = _act(chat, button)
        chat.reply("alerts", press.id, event=word, replaces=message.message_id)
        is_refused = word not in DONE.values()
        chat.outcome.call = answer_press(press, language, word, line="event", is_alert=is_refused)
    elif isinstance(button, LanguageButton) and button.language in MESSAGE_LANGUAGES:
        chat.user.language = button.language
        chat.reply("help", press.id, event="language", replaces=message.message_id)
        chat.outcome.call = answer_press(press, button.language, "language", line="event")
    else:
        chat.outcome.call = answer_press(press, language, "unknown", is_alert=True)


def _act(chat: LinkedChat, button: AlertButton) -> str:
    if isinstance(button.alert, UUID):
        return act_on_one(chat, button.action, button.alert)
    return act_on(chat, button.action, list_candidates(chat, button.action))


def _find_linked(s: Session, chat: Chat, outcome: BotOutcome) -> LinkedChat | None:
    contact = find_contact(s, Channel.TELEGRAM, str(chat.id))
    if contact is None or not contact.is_linked:
        return None
    return LinkedChat(s, s.get_one(User, contact.user_id), outcome)


def _has_turn(chat: Chat) -> bool:
    """Count one request of a chat, whose id no count may show; return whether it is not one too many."""
    newest = hash_address(Channel.TELEGRAM, str(chat.id))[0]
    try:
        hit_limit(_RULE, "bot", newest.hex())
    except ApiError:
        return False
    return True


def _finish(outcome: BotOutcome) -> BotCall | None:
    notifier.nudge(outcome.messages)
    for alert_id in outcome.alerts:
        notifier.catch_up(alert_id)
    return outcome.call
