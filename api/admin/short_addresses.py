"""Shortened e-mail addresses and phone numbers, which support sees: enough to compare with one that a person names."""

from typing import Any

_HIDDEN = "…"
_KEPT_DIGITS = 2
_COUNTRY = 3  # characters: `+33`


def shorten_email(address: str) -> str:
    """Return `a…@example.org` for `alice@example.org`."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}{_HIDDEN}@{domain}"


def shorten_phone(number: str) -> str:
    """Return `+33…12` for `+33612345612`."""
    return f"{number[:_COUNTRY]}{_HIDDEN}{number[-_KEPT_DIGITS:]}"


def shorten_address(name: str, value: Any) -> Any:
    """Return a field of an account shortened if its name says that it holds an address: `email`, `new_phone`."""
    if isinstance(value, str) and name.endswith("email"):
        return shorten_email(value)
    return shorten_phone(value) if isinstance(value, str) and name.endswith("phone") else value
