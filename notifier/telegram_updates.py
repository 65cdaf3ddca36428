"""Updates of the Telegram bot: the chats that press Start with a user's code.

https://core.telegram.org/bots/api#update
"""

import hashlib
import hmac
from collections.abc import Mapping

import sqlalchemy as sa
import structlog
from pydantic import BaseModel, Field, ValidationError

from api.models.base import session
from api.models.contact_linking import TelegramLink
from configs.clock import clock
from configs.formatting import truncate_line
from configs.settings import SettingMissing, settings

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 -- the header's name
LARGEST = 1024 * 1024  # bytes
_LONGEST_NAME = 64
_START = "/start "
log = structlog.get_logger(__name__)


class _Chat(BaseModel):
    id: int = Field(ge=-(2**63), lt=2**63)
    type: str
    first_name: str = ""
    last_name: str = ""
    username: str = ""

    @property
    def name(self) -> str:
        """Return what Telegram shows of the person, in one line."""
        full = truncate_line(f"{self.first_name} {self.last_name}", _LONGEST_NAME)
        handle = f"@{truncate_line(self.username, _LONGEST_NAME)}" if self.username else ""
        return f"{full} ({handle})" if full and handle else full or handle or "Telegram"


class _Message(BaseModel):
    chat: _Chat
    text: str = ""


class _Update(BaseModel):
    message: _Message | None = None


def is_genuine(headers: Mapping[str, str]) -> bool:
    """Return whether a call carries one of TELEGRAM_WEBHOOK_SECRET; without that setting none is genuine."""
    try:
        known = settings().require_all("telegram_webhook_secret")
    except SettingMissing:
        return False
    given = next((value for name, value in headers.items() if name.lower() == SECRET_HEADER.lower()), "")
    return any(hmac.compare_digest(given.encode(), each.encode()) for each in known)


def handle_update(body: bytes) -> None:
    """Handle one genuine update. Anything but `/start <code>` in a private chat changes nothing.

    What cannot be read is logged and left: Telegram would send it again and again.
    """
    if len(body) > LARGEST:
        log.warning("an update of Telegram is too large", bytes=len(body))
        return
    try:
        message = _Update.model_validate_json(body).message
    except ValidationError as error:
        log.warning("an update of Telegram cannot be read", problems=error.error_count())
        return
    if message and message.chat.type == "private" and message.text.startswith(_START):
        _note_start(message.chat, message.text.removeprefix(_START).strip())


def _note_start(chat: _Chat, code: str) -> None:
    """Note the chat at the link with this code. A code is good once, so a repeated update changes nothing."""
    hashed = hashlib.sha256(code.encode()).digest()
    waits = sa.and_(
        TelegramLink.code_hash == hashed, TelegramLink.chat_id.is_(None), TelegramLink.expires_at > clock()
    )
    started = sa.update(TelegramLink).where(waits).values(chat_id=str(chat.id), chat_name=chat.name)
    with session() as s:
        users = list(s.scalars(started.returning(TelegramLink.user_id)))
    log.info("a chat pressed Start", known=bool(users))
