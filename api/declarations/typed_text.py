"""Names and order numbers as people type them, cleaned: a mail repeats them to an address that a stranger may name."""

import re
import unicodedata

from configs.ground.typed_text import clean_typed, unify_signs

LONGEST_NAME = 100  # characters
LONGEST_REFERENCE = 64
LONGEST_LINE = 200  # in which a number stands
_PUNCTUATION = "'’-.,·"
_JOINERS = "\u200c\u200d"  # Persian and Indian scripts need them within a word
_HALF = "[2-9A-HJ-NP-Z]{5}"
# The number of an order mail: `23456-789AB` before `23456789AB` before `23456 789AB`, the last one of a line.
_NUMBERS = [
    re.compile(rf"(?<![0-9A-Z])(?=({_HALF}){between}({_HALF})(?![0-9A-Z]))", re.IGNORECASE)
    for between in (" ?[-./_] ?", "", " ")
]
# A label without a blank behind it would be read as letters of the number; NFKC makes such of `№` and `nº`.
_LABEL_SIGNS = str.maketrans({"№": "n° ", "º": "° "})
_GLUED_LABEL = re.compile(
    rf"\b(?:no|nr|r[ée]f|commande|order)(?={_HALF}[-./_ ]?{_HALF}(?![0-9A-Z]))", re.IGNORECASE
)
# What stands before a number: `N° `, `no. `, `Commande n° `.
_BEFORE_NUMBER = re.compile(
    r"^\W*(?:(?:commande|order|num[ée]ro|n\s*[°º]|no\.|nr\.|#)\s*:?\s*)+", re.IGNORECASE
)


def clean_name(text: str) -> str:
    """Return a name without controls, directions of writing, signs and figures; what would read as a link is none.

    Its words stay apart.

    Raises:
        ValueError: nothing is left.
    """
    kept = "".join(_keep(each) for each in unify_signs(unicodedata.normalize("NFC", text)))
    spaced = re.sub(r"\.(?=[^\s.,’'-])", ". ", kept)
    if not any(each.isalpha() for each in spaced):
        raise ValueError("holds no name")
    return " ".join(spaced.split())[:LONGEST_NAME].strip()


def drop_empty_name(text: str) -> str | None:
    """Return a name as `clean_name` does, None where nothing is left."""
    try:
        return clean_name(text)
    except ValueError:
        return None


def clean_reference(text: str) -> str:
    """Return the number of an order that a line holds, otherwise its letters and figures without what is before them.

    Raises:
        ValueError: nothing is left.
    """
    found = find_number(text)
    kept = re.sub(r"[^0-9A-Za-z-]", "", _BEFORE_NUMBER.sub("", found)).strip("-")[:LONGEST_REFERENCE]
    if not kept:
        raise ValueError("holds no number of an order")
    return kept


def find_number(text: str) -> str:
    """Return the number of an order that a line holds, otherwise the line, cleaned."""
    typed = _GLUED_LABEL.sub(" ", clean_typed(text.translate(_LABEL_SIGNS)))
    for number in _NUMBERS:
        if halves := number.findall(typed):
            return "".join(halves[-1]).upper()
    return typed


def _keep(character: str) -> str:
    if character == "`":
        return "'"
    kind = unicodedata.category(character)
    if kind[0] in "LM" or character in _PUNCTUATION + _JOINERS:
        return character
    return "" if kind == "Cf" else " "
