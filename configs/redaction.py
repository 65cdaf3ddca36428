"""Takes secrets and personal data out of what is logged."""

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
_SECRET_KEY = re.compile(r"passw|secret|authorization|api_?key|(^|_)token$|cookie", re.IGNORECASE)
_PATTERNS = (
    # user:password of an address, before the e-mail pattern takes half of it
    (re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"), MASK),
    # what signs: our links and JWTs (three parts, HMAC-SHA1 or SHA-256 at the end), provider keys
    (re.compile(r"\b[\w-]{8,}\.[\w-]{5,}\.(?:[\w-]{43}|[\w-]{27})(?![\w-])"), MASK),
    (re.compile(r"\b(?:[sr]k_(?:live|test)_|whsec_)\w+|\bSG\.[\w-]+\.[\w-]+"), MASK),
    # what bcrypt makes of a password: PostgreSQL repeats the row that a constraint refused
    (re.compile(r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}"), MASK),
    # https://core.telegram.org/bots/api#authorizing-your-bot; also behind the `bot` of its addresses
    (re.compile(r"(?<!\d)\d{6,12}:[\w-]{30,}"), MASK),
    (re.compile(r"[\w.%+-]+@([\w-]+\.[\w.-]+)"), MASK + r"@\1"),
    (re.compile(r"(?<!\w)(?:\+|00)[1-9](?:[ .()-]{0,2}\d){5,12}[ .-]?(\d{2})(?!\d)"), MASK + r"\1"),
    (re.compile(r"(?<![\w-])0[1-9](?:[ .-]?\d{2}){3}[ .-]?(\d{2})(?![\w-])"), MASK + r"\1"),
)
# Removed from reports to others, beside the above, which leave the domain of an address and two digits of a number.
_REMOVED = (
    re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://\S+|\bwww\.\S+", re.IGNORECASE),
    re.compile(r"\S+@[\w-]+(?:\.[\w-]+)*"),
    # quoted: whatever a person or a page wrote; names of code and tables stay
    re.compile(r"(?<!\w)'(?![a-z]+(?:_[a-z]+)+')[^']*'(?!\w)|\"(?![a-z]+(?:_[a-z]+)+\")[^\"]*\"|«[^»]*»"),
    re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])"),
    re.compile(r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE),
    re.compile(r"(?<![\w+-])(?:\+|00)?\d(?:[ .()-]{0,2}\d){7,}(?![\w-])"),
    # what only a machine writes: long, and mixed; ids of rows and desks are not
    re.compile(r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{20,}(?![\w-])"),
    re.compile(r"(?<![\w-])(?=[a-z]*\d)[a-z\d]{20,}(?![\w-])", re.IGNORECASE),
    re.compile(r"\*\*\*[\w.@-]+"),  # what the masks above have left of it
)
_NEEDED = re.compile(r"[@._$\d]")  # one of these is in whatever a pattern finds
_PLAIN = (int, float, type(None))
_DEEPEST = 8


def mask_text(text: str) -> str:
    """Return the text without e-mail addresses (their domain stays), phone numbers (two digits stay), keys."""
    text = str(text)  # a StrEnum would keep its class
    if not _NEEDED.search(text):
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def remove_personal_data(text: str) -> str:
    """Return a text for a report to others: without links, addresses of any kind, phone numbers, tokens, quotations.

    Ids of rows (UUID) stay.
    """
    text = mask_text(text)
    for pattern in _REMOVED:
        text = pattern.sub(MASK, text)
    return text


def mask(value: Any, depth: int = 0) -> Any:
    """Return the value masked through mappings and sequences; what is no plain value becomes text."""
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, _PLAIN):
        return value
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {key: mask_entry(key, each, depth + 1) for key, each in value.items()}
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [mask(each, depth + 1) for each in value]
    return mask_text(repr(value) if isinstance(value, BaseException) else str(value))


def mask_entry(key: object, value: Any, depth: int = 0) -> Any:
    """Return a value as `mask` does, or nothing of it where its key says that it is a secret."""
    if _SECRET_KEY.search(str(key)) and not isinstance(value, _PLAIN):
        return MASK
    return mask(value, depth)
