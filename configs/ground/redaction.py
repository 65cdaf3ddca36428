"""Removal of secrets and personal data from log lines, and from reports to others."""

import re
from collections.abc import Callable, Mapping
from typing import Any

MASK = "***"
_GAP = " \u00a0\u2009\u202f.\u2010-\u2013-"  # between the digits of a phone number, in any typography
_SECRET_KEY = re.compile(
    r"passw|secret|authorization|api_?key|(data|link|lookup)_keys?$|(^|_)token$|cookie", re.IGNORECASE
)
# Each pattern matches only at the start of a run of its characters, and takes the whole run: tried at each character
# of a long text, it would take quadratic time.
_PATTERNS = (
    # user:password of an address, before the e-mail pattern takes half of it
    (re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"), MASK),
    # signed tokens: our links and JWTs (three parts, HMAC-SHA1 or SHA-256 at the end), provider keys
    (re.compile(r"(?<![\w-])[\w-]{8,}+\.[\w-]{5,}+\.(?:[\w-]{43}|[\w-]{27})(?![\w-])"), MASK),
    (re.compile(r"\b(?:[sr]k_(?:live|test)_|whsec_)\w+|\bSG\.[\w-]+\.[\w-]+"), MASK),
    (re.compile(r"(?<=\bBearer )[\w.~+/=-]{8,}"), MASK),
    # hashes by bcrypt: an error of PostgreSQL repeats the row that a constraint refused
    (re.compile(r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}"), MASK),
    # https://core.telegram.org/bots/api#authorizing-your-bot; also behind the `bot` of its addresses
    (re.compile(r"(?<!\d)\d{6,12}:[\w-]{30,}"), MASK),
    (re.compile(r"(?<![\w.%+-])[\w.%+-]++@([\w-]++\.[\w.-]+)"), MASK + r"@\1"),
    (
        re.compile(rf"(?<!\w)(?:\+|00)[1-9](?:[{_GAP}()]{{0,2}}\d){{5,12}}[{_GAP}]?(\d{{2}})(?!\d)"),
        MASK + r"\1",
    ),
    (re.compile(rf"(?<![\w-])0[1-9](?:[{_GAP}]?\d{{2}}){{3}}[{_GAP}]?(\d{{2}})(?![\w-])"), MASK + r"\1"),
)
_CODE_NAME = re.compile(r"[a-z]+(?:_[a-z]+)+")
# Quotations, in any marks: words of a person or a page. One without a closing mark reaches to the end of the text.
_QUOTED = re.compile(
    r"""(?<!\w)[bru]{0,2}'(?P<single>(?:\\.|[^'\\]|'(?=\w))*)(?:'|\Z)"""
    r"""|"(?P<double>(?:\\.|[^"\\])*)(?:"|\Z)"""
    r"""|«[^»]*(?:»|\Z)|[“”„][^“”]*(?:[“”]|\Z)|(?<!\w)\u2018(?:[^’]|’(?=\w))*(?:’|\Z)|\u2039[^\u203a]*(?:\u203a|\Z)|`[^`]*(?:`|\Z)""",
    re.IGNORECASE | re.DOTALL,
)
# Also removed from reports to others: the patterns above leave an address' domain and two digits of a number.
_REMOVED = (
    re.compile(r"\b(?:proxy-)?authorization\b.*|\b(?:set-)?cookie2?\b.*", re.IGNORECASE),
    re.compile(
        r"\b[a-z][a-z0-9+.-]{1,20}://\S+|\bwww\.\S+|(?<![\w.-])(?:[\w-]++\.)+[\w-]+/\S+", re.IGNORECASE
    ),
    re.compile(r"(?<![\w.])/[\w%~][^\s,;)]*"),  # paths: those of our links hold a token
    re.compile(r"(?<!\S)(?=\S*(?:@|%40))\S+", re.IGNORECASE),  # also names of Telegram
    re.compile(r"\bchat(?:[ _]?id)?\W{0,3}_?-?\d+", re.IGNORECASE),
    re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\w)"),
    re.compile(r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE),
    re.compile(rf"(?<![0-9a-f_+])(?<!\w-)(?:\+|00)?\d(?:[{_GAP}()/]{{0,2}}\d){{7,}}(?![\w-])", re.IGNORECASE),
    # long tokens of mixed characters; ids of rows and desks do not look so
    re.compile(r"(?<![\w+/-])(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])(?=[\w+/-]*\d)[\w+/-]{20,}={0,2}"),
    re.compile(r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{20,}(?![\w-])"),
    re.compile(r"(?<![\w-])(?=[a-z]*\d)[a-z\d]{20,}(?![\w-])", re.IGNORECASE),
    re.compile(r"\*\*\*[\w.@-]+"),  # the rest that a mask above left: `***@domain`, `***42`
)
_NEEDED = re.compile(r"[@._$\d]")  # each pattern needs one of these
_PLAIN = (int, float, type(None))
_DEEPEST = 8
# Short texts that need no mask: ids of desks and names of loggers come with each line, ten thousand times in a crowd
_CLEAN: set[str] = set()
_MOST, _SHORT = 8192, 100  # texts; characters


def mask_text(text: str) -> str:
    """Return the text without e-mail addresses (their domain stays), phone numbers (two digits stay), keys."""
    text = str(text)  # a StrEnum would keep its class
    if text in _CLEAN or not _NEEDED.search(text):
        return text
    masked = text
    for pattern, replacement in _PATTERNS:
        masked = pattern.sub(replacement, masked)
    if masked == text and len(text) <= _SHORT:
        if len(_CLEAN) >= _MOST:
            _CLEAN.clear()
        _CLEAN.add(text)
    return masked


def remove_personal_data(text: str) -> str:
    """Return a text for a report to others: without links, addresses of any kind, phone numbers, tokens, quotations.

    Ids of rows (UUID) stay, and quoted names of code and tables.
    """
    if text.count('"') % 2:  # it is unknown which marks open a quotation
        text = text[: text.index('"')] + MASK
    text = _QUOTED.sub(_mask_quotation, mask_text(text))
    for pattern in _REMOVED:
        text = pattern.sub(MASK, text)
    return text


def _mask_quotation(found: re.Match[str]) -> str:
    inner = found["single"] or found["double"] or ""
    return found[0] if _CODE_NAME.fullmatch(inner) else MASK


def mask(value: Any, depth: int = 0, write: Callable[[str], str] = mask_text) -> Any:
    """Return the value with each text in its mappings and sequences masked; other objects become text.

    `write` masks each text, and may do more with it.
    """
    if isinstance(value, str):
        return write(value)
    if isinstance(value, _PLAIN):
        return value
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {
            write(key) if isinstance(key, str) else key: mask_entry(key, each, depth + 1, write)
            for key, each in value.items()
        }
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [mask(each, depth + 1, write) for each in value]
    return write(repr(value) if isinstance(value, BaseException) else str(value))


def mask_entry(key: object, value: Any, depth: int = 0, write: Callable[[str], str] = mask_text) -> Any:
    """Return a value as `mask` does, or MASK if its key names a secret."""
    if not isinstance(value, _PLAIN) and _SECRET_KEY.search(str(key)):
        return MASK
    return mask(value, depth, write)
