"""Shortened e-mail addresses and phone numbers, which support sees: enough to compare with one that a person names."""

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
