"""The normal form of texts, in which all comparisons are made, and phrases found in it regardless of spelling."""

import re
import unicodedata
from functools import lru_cache
from itertools import islice, pairwise

from configs.ground.text import CONTROL

_PIECE = re.compile(r"\w+|[^\w\s]")
_MARKS = re.compile("[\u0300-\u036f]")  # combining accents
_APOSTROPHES, _HYPHENS = "\u2018\u2019\u201b\u02bc\u00b4\u2032", "\u2010\u2011\u2012\u2212"
_TYPED = dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_HYPHENS, "-")
# Signs that are not printed: https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point
_NOT_PRINTED = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff"
)
_ODD = re.compile(f"[{_APOSTROPHES}{_HYPHENS}{_NOT_PRINTED}]")
# Accents without end: composing takes the square of their number.
ENDLESS = re.compile(r"[^\x00-\u02ff\s]{200,}")


def collapse_whitespace(text: str) -> str:
    """Return a text in the one normal form of all comparisons; it can be printed on a terminal.

    Characters are composed (NFKC), white space is one blank, apostrophes and hyphens are those of a keyboard. What is
    not printed (soft hyphens, marks of direction, controls) is left out.
    """
    text = " ".join(text.split())
    if not text.isascii():
        plain = _ODD.sub(_type, text)
        plain = ENDLESS.sub(leave_accents_out, plain)
        composed = "\u2026".join(unicodedata.normalize("NFKC", each) for each in plain.split("\u2026"))
        text = text if composed == text else " ".join(_ODD.sub(_type, composed).split())
    return text if text.isprintable() else " ".join(CONTROL.sub(" ", text).split())


def _type(odd: re.Match[str]) -> str:
    return _TYPED.get(odd[0], "")


def leave_accents_out(found: re.Match[str]) -> str:
    """Return what `ENDLESS` found without its accents."""
    return "".join(each for each in found[0] if not unicodedata.combining(each))


def normalize(text: str) -> str:
    """Return a text in lower case without accents, for comparisons."""
    return fold(collapse_whitespace(text))


def fold(text: str) -> str:
    """Return what `normalize` makes of a text that `collapse_whitespace` has returned."""
    lowered = text.lower()
    return lowered if lowered.isascii() else _MARKS.sub("", unicodedata.normalize("NFKD", lowered))


def contains_phrase(text: str, sentence: str) -> bool:
    """Tell whether a text contains a sentence, word for word.

    Case, accents, white space, kinds of apostrophes and hyphens, and white space before punctuation do not matter.
    Words are whole: `incomplet` does not contain `complet`.
    """
    return folds_to_phrase(normalize(text), sentence)


def folds_to_phrase(folded: str, sentence: str) -> bool:
    """Tell whether a normalized text contains a sentence (`contains_phrase`)."""
    return _wording(sentence).search(folded) is not None


def around_phrase(text: str, sentence: str, *, reach: int, most: int) -> list[tuple[str, str]]:
    """Return what stands before and behind the first occurrences of a sentence (`contains_phrase`), normalized.

    `reach`: characters on each side. All text around all occurrences would take the square of their number.
    """
    plain = normalize(text)
    return [
        (plain[max(found.start() - reach, 0) : found.start()], plain[found.end() : found.end() + reach])
        for found in islice(_wording(sentence).finditer(plain), most)
    ]


@lru_cache(maxsize=2048)
def _wording(sentence: str) -> re.Pattern[str]:
    pieces = _PIECE.findall(normalize(sentence))
    if not pieces:
        return re.compile(r"(?!)")
    # The look-behind comes after the first piece, so that `re` finds that piece fast.
    wording = re.escape(pieces[0]) + rf"(?<!\w{re.escape(pieces[0])})"
    for before, piece in pairwise(pieces):
        wording += (r"\s+" if before[0].isalnum() and piece[0].isalnum() else r"\s*") + re.escape(piece)
    return re.compile(rf"{wording}(?!\w)")
