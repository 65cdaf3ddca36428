"""Updates of the Telegram bot: what a person wrote to it, or which of its buttons was pressed.

https://core.telegram.org/bots/api#update
"""

from typing import Annotated

import structlog
from pydantic import BaseModel, Field, ValidationError

from configs.ground.formatting import truncate_line
from configs.world.languages import MESSAGE_LANGUAGES, read_language

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
        return _read_code(self.language_code)


def _read_code(tag: str) -> str:
    """Return our language of an IETF tag such as `pt-br`."""
    code = tag[:2].lower()
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
