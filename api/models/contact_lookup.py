"""Look-up of contacts by keyed hashes of their addresses, and the rule that an address belongs to one account.

`contacts.address` is encrypted, differently each time, so neither an index nor a constraint can be on it. A verified
phone number, chat or browser has its hashes in this table, one for each value of LOOKUP_KEY. The primary key refuses a
second contact with any of them: also while LOOKUP_KEY is replaced and not all programs have the new value yet.
"""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from api.models.base import Base
from api.models.user import Channel, Contact, User
from configs.ground.contact_addresses import fold_address
from configs.ground.encryption import lookup_hashes
from configs.ground.push_subscriptions import read_subscription


class ContactLookup(Base):
    """One hash of the address of a verified contact."""

    __tablename__ = "contact_lookups"

    hash: Mapped[bytes] = mapped_column(sa.LargeBinary, primary_key=True)
    contact_id: Mapped[UUID] = mapped_column(sa.ForeignKey("contacts.id", ondelete="CASCADE"))

    __table_args__ = (sa.Index("ix_contact_lookups_contact_id", "contact_id"),)


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
    found = sa.select(ContactLookup.contact_id).where(ContactLookup.hash.in_(hash_address(channel, address)))
    return session.scalars(sa.select(Contact).where(Contact.id.in_(found))).one_or_none()


def claim_address(session: Session, contact: Contact) -> bool:
    """Write the hashes of a verified contact's address under the present LOOKUP_KEY, and delete its others.

    Returns False where another contact has the address: roll back then. Of two claims at once the second waits for
    the first to commit.
    """
    session.flush()
    hashes = sorted(
        hash_address(contact.channel, contact.address)
    )  # one order, so that two claims do not deadlock
    session.execute(
        sa.delete(ContactLookup).where(
            ContactLookup.contact_id == contact.id, ContactLookup.hash.not_in(hashes)
        )
    )
    values = [{"hash": each, "contact_id": contact.id} for each in hashes]
    session.execute(insert(ContactLookup).values(values).on_conflict_do_nothing())
    owners = session.scalars(sa.select(ContactLookup.contact_id).where(ContactLookup.hash.in_(hashes)))
    return set(owners) == {contact.id}
