"""Links that work while their reader's contact has the address that they were sent to."""

from typing import TypeVar

from sqlalchemy.orm import Session

from api.models.user import Contact, User
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import AddressLink, ResetPassword, VerifyAddress, read_token, write_token

L = TypeVar("L", bound=AddressLink)


def find_contact(
    session: Session, kind: type[L], token: str, *, lock: bool = False
) -> tuple[Contact | None, L]:
    """Return the contact that a token was sent to, and what else the token carries.

    It is None where the account is gone, has another address, or, for a reset, another password by now; for a new
    address also where it was replaced by yet another one, or the password has changed. With `lock` the user's row is
    locked.

    Raises:
        configs.ground.signing.LinkRefused: the token is expired or forged.
    """
    link = read_token(kind, token)
    contact = session.get(Contact, link.contact)
    if contact is None:
        return None, link
    user = session.get(User, contact.user_id, with_for_update={"key_share": True} if lock else None)
    contact = session.get(Contact, contact.id, populate_existing=True)  # as it is behind the lock
    if user is None or contact is None or not _is_address_of(link, contact, user):
        return None, link
    if isinstance(link, ResetPassword) and digest(user.password_hash or "") != link.password:
        return None, link
    return contact, link


def sign_reset(contact: Contact, user: User) -> str:
    """Return a token to set the account's password, which is good until that changes."""
    return write_token(ResetPassword(contact.id, digest(contact.address), digest(user.password_hash or "")))


def find_unconfirmed(contact: Contact, link: VerifyAddress) -> str | None:
    """Return the address that a token would confirm; None where that is done."""
    if link.new is not None and contact.new_address:
        return contact.new_address
    return None if contact.confirmed else contact.address


def _is_address_of(link: AddressLink, contact: Contact, user: User) -> bool:
    address = contact.address
    if isinstance(link, VerifyAddress) and link.new is not None:
        if link.new != user.token_version:
            return False
        address = contact.new_address or address
    return digest(address) == link.address
