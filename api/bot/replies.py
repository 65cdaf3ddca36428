"""Replies of the bot: a call of the Bot API in the answer to the webhook, and messages that the notifier delivers.

A button awaits `answerCallbackQuery`, which the answer to its update carries: no program of the API holds the bot's
token. All else that is for a linked chat is a notification, so that it is not lost while Telegram is away.
https://core.telegram.org/bots/api#making-requests-when-getting-updates
"""

from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.bot.updates import ButtonPress, Chat
from api.models.notification import Notification
from api.models.user import Channel, User

BotCall = dict[str, Any]  # `method`, and its parameters
_Line = Literal["toast", "event"]
_REPLY, _ANSWERED = "bot_reply", "slot_answered"  # kinds of messages


@dataclass(slots=True)
class BotOutcome:
    """What an update leaves to do: the call that its answer carries, and what follows the commit."""

    call: BotCall | None = None
    messages: list[UUID] = field(default_factory=list)  # notifications to nudge
    alerts: list[UUID] = field(default_factory=list)  # to catch up on


def answer_press(
    press: ButtonPress, language: str, word: str = "", *, line: _Line = "toast", is_alert: bool = False
) -> BotCall:
    """Return the call that ends a press: with a line that is shown above the chat, or as a box to be closed."""
    call: BotCall = {"method": "answerCallbackQuery", "callback_query_id": press.id}
    if word:
        call |= {"text": notifier.write_bot_line(line, word, language), "show_alert": is_alert}
    return call


def write_to_chat(chat: Chat, language: str, word: str) -> BotCall:
    """Return the call that writes one line to a chat, linked or not."""
    return {
        "method": "sendMessage",
        "chat_id": chat.id,
        "text": notifier.write_bot_line("toast", word, language),
    }


@dataclass(frozen=True, slots=True)
class LinkedChat:
    """A private chat and the user to whose account it is linked."""

    session: Session
    user: User
    outcome: BotOutcome

    def reply(self, view: str, key: str, *, event: str = "", replaces: int | None = None) -> None:
        """Write a reply to the chat, or one that takes the place of another; once for each `key`."""
        params: dict[str, Any] = {"view": view}
        if event:
            params["event"] = event
        if replaces is not None:
            params["replaces"] = str(replaces)
        self._write(_REPLY, params, key, self.user.language)

    def write_edit(self, params: dict[str, Any], key: str, language: str) -> None:
        """Write the edit of a slot alert that was answered; once for each `key`."""
        self._write(_ANSWERED, params, key, language)

    def _write(self, kind: str, params: dict[str, Any], key: str, language: str) -> None:
        """Write a message to the chat; once for each `key`."""
        self.outcome.messages += notifier.create_notifications(
            self.session, self.user.id, kind, params, self._name(kind, key),
            channels=[Channel.TELEGRAM], language=language,
        )  # fmt: skip

    def has_replied(self, key: str) -> bool:
        """Return whether what has this `key` was replied to: Telegram repeats an update whose answer it missed.

        It may come after newer ones, which it must not undo.
        """
        names = [f"{self._name(kind, key)}:{Channel.TELEGRAM.value}" for kind in (_REPLY, _ANSWERED)]
        written = sa.select(Notification.id).where(Notification.dedupe_key.in_(names))
        return self.session.scalar(written.limit(1)) is not None

    def _name(self, kind: str, key: str) -> str:
        return f"{kind}:{self.user.id}:{key}"
