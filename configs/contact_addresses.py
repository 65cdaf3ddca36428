"""Addresses of people: one spelling each, so that the table finds them again."""

import hashlib
from email.utils import formataddr, parseaddr

import phonenumbers
from email_validator import EmailNotValidError, validate_email

REGION = "FR"


def email_address(text: str) -> str:
    """Return the address normalised: NFC, domain in lower case, at most 254 characters. DNS is not asked.

    Raises:
        ValueError: it is no address; the text says why.
    """
    try:
        return validate_email(text.strip(), check_deliverability=False, strict=True).normalized
    except EmailNotValidError as error:
        raise ValueError(f"not an e-mail address: {error}") from None


def fold_address(text: str) -> str:
    """Return what addresses have in common that differ in their case only: by it accounts are found and counted."""
    return text.strip().casefold()


def digest(address: str) -> str:
    """Return a short name of an address, for tokens that must name it and not show it."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def phone_number(text: str) -> str:
    """Return the number as E.164 (`+33612345678`); without a country code it is French.

    Raises:
        ValueError: no such number can exist.
    """
    try:
        number = phonenumbers.parse(text, REGION)
    except phonenumbers.NumberParseException:
        raise ValueError("not a phone number: write it as 06 12 34 56 78 or +33612345678") from None
    if not phonenumbers.is_valid_number(number):
        raise ValueError("not a phone number that exists: check its digits and country code")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def sender(text: str) -> str:
    """Return `Name <address>` checked: what a mail's From may hold.

    Raises:
        ValueError: it has no valid address, or a line break that would forge a header.
    """
    if not text.isprintable():
        raise ValueError("holds a line break or another control character")
    name, address = parseaddr(text)
    checked = email_address(address)
    return formataddr((name, checked)) if name.isascii() else f"{name} <{checked}>"
