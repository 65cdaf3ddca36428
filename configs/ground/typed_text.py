"""The normaliser of what people type and paste: one way to write figures, blanks, dashes and quotes."""

import re
import unicodedata

# Signs that no category tells: NFKC leaves them, or takes them apart into a blank and an accent.
_QUOTES = {
    **dict.fromkeys("\u00b4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u2018\u201a\u201b\u2032\u2035\uff07", "'"),
    **dict.fromkeys("\u00ab\u00bb\u201c\u201d\u201e\u201f\u2033\u2036\u2039\u203a", '"'),
    **dict.fromkeys("\u02d7\u2043\u2212", "-"),
    **dict.fromkeys("\u2800\u3164\uffa0", " "),
}
_DOTS = dict.fromkeys("\u00b7\u2022\u2024\u2027\u2219\u22c5\u30fb\uff65\u066b", ".")
_SLASHES = dict.fromkeys("\u2044\u2215", "/")
_IN_PROSE = str.maketrans(_QUOTES)
_IN_VALUES = str.maketrans({**_QUOTES, **_DOTS, **_SLASHES, "\u2019": "'", "\u060c": ","})
_DAY = re.compile(r"(\d{1,2}) ?[ /.-] ?(\d{1,2}) ?[ /.-] ?(\d{4})")  # as France writes it
_ISO_DAY = re.compile(r"(\d{4}) ?[ /.-] ?(\d{1,2}) ?[ /.-] ?(\d{1,2})")
_HOUR = re.compile(r"(\d{1,2}) ?(?:[:.] ?(?=\d)|h ?)(\d\d)?", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s'\",()./_-]+")


def clean_typed(text: str) -> str:
    """Return a typed value in plain signs: NFKC, ASCII figures and dashes, single blanks, nothing that is invisible.

    For values with a form of their own (addresses, numbers, codes, dates), not for prose: NFKC changes words. Controls
    other than white space stay, so that the check of the value refuses them.
    """
    composed = unicodedata.normalize("NFKC", text.translate(_IN_VALUES))
    return " ".join("".join(map(_clean_sign, composed)).split())


def join_code(text: str) -> str:
    """Return the figures and letters of a code, which people write in groups and between quotes."""
    return _SEPARATORS.sub("", clean_typed(text))


def write_day(text: str) -> str:
    """Return a typed day as `2026-03-31`, for browsers whose date field is a plain one; other text only cleaned."""
    typed = clean_typed(text)
    if found := _DAY.fullmatch(typed):
        return f"{found[3]}-{found[2]:0>2}-{found[1]:0>2}"
    found = _ISO_DAY.fullmatch(typed)
    return f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}" if found else typed


def write_hour(text: str) -> str:
    """Return a typed hour as `09:30`: `9h30`, `9 h`, `9:30`; other text only cleaned."""
    typed = clean_typed(text)
    found = _HOUR.fullmatch(typed)
    return f"{found[1]:0>2}:{found[2] or '00'}" if found else typed


def unify_signs(text: str) -> str:
    """Return text with one apostrophe beside the typographic one, one dash and one blank; its letters stay."""
    return "".join(map(_unify_sign, text.translate(_IN_PROSE)))


def _clean_sign(sign: str) -> str:
    kind = unicodedata.category(sign)
    if (
        kind == "Cf" or sign in "\u034f\u20e3" or "\ufe00" <= sign <= "\ufe0f"
    ):  # directions, zero widths, variants, keys
        return ""
    return str(unicodedata.decimal(sign)) if kind == "Nd" else _unify_sign(sign)


def _unify_sign(sign: str) -> str:
    kind = unicodedata.category(sign)
    return "-" if kind == "Pd" else " " if kind[0] == "Z" else sign
