"""Names and order numbers as people type them, cleaned: a mail repeats them to an address that a stranger may name."""

import re
import unicodedata

LONGEST_NAME = 100  # characters
LONGEST_REFERENCE = 64
_PUNCTUATION = "'’-.,·"
_JOINERS = "\u200c\u200d"  # Persian and Indian scripts need them within a word
# What stands before a number: `N° `, `no. `, `Commande n° `.
_BEFORE_NUMBER = re.compile(
    r"^\W*(?:(?:commande|order|num[ée]ro|n\s*[°º]|no\.|nr\.|#)\s*:?\s*)+", re.IGNORECASE
)


def clean_name(text: str) -> str:
    """Return a name without controls, directions of writing, signs and figures; what would read as a link is none.

    Raises:
        ValueError: nothing is left.
    """
    kept = "".join(_keep(each) for each in unicodedata.normalize("NFC", text))
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
    """Return a number of an order as it was typed, without what stands before it, blanks and signs.

    Raises:
        ValueError: nothing is left.
    """
    typed = _BEFORE_NUMBER.sub("", unicodedata.normalize("NFKC", text))
    figures = "".join(str(unicodedata.decimal(each, each)) for each in typed)  # of an Arabic keyboard, too
    kept = re.sub(r"[^0-9A-Za-z-]", "", figures).strip("-")[:LONGEST_REFERENCE]
    if not kept:
        raise ValueError("holds no number of an order")
    return kept


def _keep(character: str) -> str:
    kind = unicodedata.category(character)
    if kind.startswith("Z") or character in "\t\n\r":
        return " "
    return character if kind[0] in "LM" or character in _PUNCTUATION + _JOINERS else ""
