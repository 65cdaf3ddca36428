"""Look-up of contacts by keyed hashes of their addresses, codes and links that prove them, and whose they are.

`contacts.address` is encrypted, differently each time, so neither an index nor a constraint can be on it. A verified
phone number, chat or browser has its hashes in `contacts.lookup_hashes`, one for each value of LOOKUP_KEY, so that it
is found also while LOOKUP_KEY is replaced and not all programs have the new value yet.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from api.models.base import Base, EncryptedText, new_id
from api.models.notification import Notification
from api.models.user import Channel, Contact, User
from configs.ground.addresses import fold_address
from configs.ground.encryption import lookup_hashes
from configs.ground.push_subscriptions import read_subscription

# How long a code that was sent by SMS is good for
PHONE_CODE_SECONDS = 600


def hash_address(channel: Channel, address: str) -> list[bytes]:
    """Return the hashes of an address, one for each of LOOKUP_KEY, the newest first.

    A browser is known by where its messages are posted to: a renewed subscription may have other keys.
    """
    known = read_subscription(address).endpoint if channel is Channel.PUSH else address
    return lookup_hashes(f"{channel.value}:{known}")


def find_contact(session: Session, channel: Channel, address: str) -> Contact | None:
    """Return the verified contact that has a number, chat or browser's subscription, or the account's mailbox."""
    if channel is Channel.EMAIL:
        mailbox = sa.select(Contact).join(User).where(Contact.channel == channel)
        return session.scalars(mailbox.where(User.email_folded == fold_address(address))).one_or_none()
    found = sa.select(Contact).where(Contact.lookup_hashes.overlap(hash_address(channel, address)))
    return session.scalars(found).one_or_none()


def claim_address(session: Session, contact: Contact) -> bool:
    """Write the hashes of a verified contact's address under the present LOOKUP_KEY.

    Returns False where another contact has the address: roll back then. Of two claims at once the second waits for
    the first to commit: both lock each hash, in one order, so that they do not deadlock.
    """
    session.flush()
    hashes = hash_address(contact.channel, contact.address)
    for each in sorted(hashes):
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(int.from_bytes(each[:8], signed=True))))
    has_it = Contact.lookup_hashes.overlap(hashes)
    if session.scalar(sa.select(sa.exists().where(has_it, Contact.id != contact.id))):
        return False
    contact.lookup_hashes = hashes
    session.flush()
    return True


def lock_messages(session: Session, contact_ids: Collection[UUID]) -> None:
    """Lock the messages to contacts that go, which they lose with them, before the user: so does a worker."""
    mine = sa.select(Notification.id).where(Notification.contact_id.in_(contact_ids))
    session.execute(mine.order_by(Notification.id).with_for_update())


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
