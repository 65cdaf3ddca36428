"""Codes by SMS and links to the Telegram bot, which prove that a number or a chat is the user's."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, EncryptedText, new_id

# How long a code that was sent by SMS is good for
PHONE_CODE_SECONDS = 600


class PhoneCode(Base):
    """A code that was sent by SMS.

    Rows are kept for a day, also where their account is gone: the daily limits count them.

    All three hashes are keyed (configs/ground/encryption.py): numbers, addresses and codes are few enough
    to be guessed.
    """

    __tablename__ = "phone_codes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"))
    number_hash: Mapped[bytes] = mapped_column(sa.LargeBinary)
    network_hash: Mapped[bytes] = mapped_column(sa.LargeBinary)  # of the network address that asked for it
    code_hash: Mapped[bytes] = mapped_column(sa.LargeBinary)
    wrong_tries: Mapped[int] = mapped_column(default=0, server_default="0")
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    __table_args__ = (
        sa.Index("ix_phone_codes_user_id", "user_id"),
        sa.Index("ix_phone_codes_created_at", "created_at"),
    )


class TelegramLink(Base):
    """A link that a user follows to the bot; there is one per user at most.

    `chat_id` and `chat_name` are of the chat that pressed Start with its code. The user then confirms the chat.
    """

    __tablename__ = "telegram_links"

    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(sa.LargeBinary, unique=True)  # SHA-256 of 128 random bits
    expires_at: Mapped[datetime]
    chat_id: Mapped[str | None] = mapped_column(EncryptedText)
    chat_name: Mapped[str | None] = mapped_column(EncryptedText)
    created_at: Mapped[datetime]

    __table_args__ = (
        sa.CheckConstraint("(chat_id IS NULL) = (chat_name IS NULL)", name="chat"),
        sa.CheckConstraint(
            "starts_with(chat_id, 'gAAAAA') AND starts_with(chat_name, 'gAAAAA')", name="encrypted"
        ),
    )
