"""Tokens of the links that confirm an address or set a password. The notifier signs those that it sends."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.user import Contact, User
from configs.contact_addresses import digest
from configs.signing import LinkRefused, sign, unsign

VERIFY = "verify-email"
RESET = "reset-password"
NEW = "new"  # claim of a token for a new address: the user's token version when it was asked for


def find_contact(
    session: Session, scope: str, token: str, max_age_seconds: float, *, lock: bool = False
) -> tuple[Contact | None, dict[str, Any]]:
    """Return the contact that a token was sent to, and the token's claims.

    It is None where the account is gone, has another address, or, for a reset, another password by now; for a new
    address also where it was replaced by yet another one, or the password has changed. With `lock` the user's row is
    locked.

    Raises:
        configs.signing.LinkRefused: the token is expired or forged.
    """
    claims = unsign(scope, token, max_age_seconds)
    contact = session.get(Contact, _read_id(claims))
    if contact is None:
        return None, claims
    user = session.get(User, contact.user_id, with_for_update={"key_share": True} if lock else None)
    contact = session.get(Contact, contact.id, populate_existing=True)  # as it is behind the lock
    if user is None or contact is None or not _is_address_of(claims, contact, user):
        return None, claims
    if scope == RESET and digest(user.password_hash or "") != claims.get("password"):
        return None, claims
    return contact, claims


def sign_reset(contact: Contact, user: User) -> str:
    """Return a token to set the account's password, which is good until that changes."""
    claims = {"contact": str(contact.id), "address": digest(contact.address)}
    return sign(RESET, claims | {"password": digest(user.password_hash or "")})


def find_unconfirmed(contact: Contact, claims: dict[str, Any]) -> str | None:
    """Return the address that a token would confirm; None where that is done."""
    if NEW in claims and contact.new_address:
        return contact.new_address
    return None if contact.confirmed else contact.address


def _is_address_of(claims: dict[str, Any], contact: Contact, user: User) -> bool:
    address = contact.address
    if NEW in claims:
        if claims[NEW] != user.token_version:
            return False
        address = contact.new_address or address
    return digest(address) == claims.get("address")


def _read_id(claims: Any) -> UUID:
    try:
        return UUID(claims["contact"])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise LinkRefused("forged") from None
