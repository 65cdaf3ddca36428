"""Updates of the Telegram bot, what a person wrote to it or which of its buttons was pressed, and the bot's replies.

A reply is a call of the Bot API in the answer to the webhook, or a message that the notifier delivers. A button awaits
`answerCallbackQuery`, which the answer to its update carries: no program of the API holds the bot's token. All else
that is for a linked chat is a notification, so that it is not lost while Telegram is away.
https://core.telegram.org/bots/api#update, …#making-requests-when-getting-updates
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import sqlalchemy as sa
import structlog
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.orm import Session

import notifier
from api.ground.messages import write_message
from api.models.notification import Notification
from api.models.user import Channel, User
from configs.ground.text import MESSAGE_LANGUAGES, read_language, truncate_line

LARGEST = 1024 * 1024  # bytes
_LONGEST_NAME = 64
_LONGEST_ID = 64
_Number = Annotated[int, Field(ge=-(2**63), lt=2**63)]
log = structlog.get_logger(__name__)


class Sender(BaseModel):
    """A person, or a bot."""

    id: _Number
    language_code: str = ""

    @property
    def language(self) -> str:
        """The language of their Telegram, as far as we know it."""
        code = self.language_code[:2].lower()  # an IETF tag such as `pt-br`
        return read_language(code if code in MESSAGE_LANGUAGES else None)


class Chat(BaseModel):
    """Where something was written or pressed."""

    id: _Number
    type: str
    first_name: str = ""
    last_name: str = ""
    username: str = ""

    @property
    def is_private(self) -> bool:
        """Whether one person alone is in it."""
        return self.type == "private"

    @property
    def name(self) -> str:
        """What Telegram shows of the person, in one line."""
        full = truncate_line(f"{self.first_name} {self.last_name}", _LONGEST_NAME)
        handle = f"@{truncate_line(self.username, _LONGEST_NAME)}" if self.username else ""
        return f"{full} ({handle})" if full and handle else full or handle or "Telegram"


class IncomingMessage(BaseModel):
    """A message in a chat of the bot."""

    message_id: _Number = 0
    chat: Chat
    sender: Sender | None = Field(None, alias="from")
    text: str = ""


class PressedMessage(BaseModel):
    """Our message with the button; its text is not read."""

    message_id: _Number
    chat: Chat


class ButtonPress(BaseModel):
    """A press of a button. It has no message where somebody passed it on by way of another chat."""

    id: str = Field(min_length=1, max_length=_LONGEST_ID, pattern=r"^[!-~]+$")
    sender: Sender = Field(alias="from")
    message: PressedMessage | None = None
    data: str = ""


class Update(BaseModel):
    """One update; one of the two is there, or neither where it is of a kind that we did not ask for."""

    update_id: _Number = 0
    message: IncomingMessage | None = None
    callback_query: ButtonPress | None = None


def read_update(body: bytes) -> Update | None:
    """Return an update; None where it cannot be read: Telegram would send it again and again."""
    if len(body) > LARGEST:
        log.warning("an update of Telegram is too large", bytes=len(body))
        return None
    try:
        return Update.model_validate_json(body)
    except ValidationError as error:
        log.warning("an update of Telegram cannot be read", problems=error.error_count())
        return None


BotCall = dict[str, Any]  # `method`, and its parameters
_Line = Literal["toast", "event"]
_REPLY, _ANSWERED = "bot_reply", "slot_answered"  # kinds of messages


def answer_press(
    press: ButtonPress, language: str, word: str = "", *, line: _Line = "toast", is_alert: bool = False
) -> BotCall:
    """Return the call that ends a press: with a line that is shown above the chat, or as a box to be closed."""
    call: BotCall = {"method": "answerCallbackQuery", "callback_query_id": press.id}
    if word:
        call |= {"text": notifier.write_words(_REPLY, language, line, word), "show_alert": is_alert}
    return call


def write_to_chat(chat: Chat, language: str, word: str) -> BotCall:
    """Return the call that writes one line to a chat, linked or not."""
    return {
        "method": "sendMessage",
        "chat_id": chat.id,
        "text": notifier.write_words(_REPLY, language, "toast", word),
    }


@dataclass(frozen=True, slots=True)
class LinkedChat:
    """A private chat and the user to whose account it is linked."""

    session: Session
    user: User

    def reply(
        self, view: str, key: str, *, event: str = "", replaces: int | None = None, desks: Iterable[str] = ()
    ) -> None:
        """Write a reply to the chat, or one that takes the place of another; once for each `key`.

        `desks`: that the person may look at, of the views `vu` (which one?) and `look`.
        """
        params: dict[str, Any] = {"view": view}
        if named := sorted(desks):
            params["desks"] = named
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
        write_message(
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
