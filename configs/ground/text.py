"""Texts: the languages of messages, one way to write what people type, numbers and durations that people read."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime, time, timedelta, tzinfo
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from babel import Locale
from babel.dates import format_time

FRENCH = "fr"  # the fallback
MESSAGE_LANGUAGES = {
    "fr": "Français",
    "en": "English",
    "ar": "العربية",
    "es": "Español",
    "pt": "Português",
    "de": "Deutsch",
    "ru": "Русский",
    "zh": "中文",
    "hi": "हिन्दी",
}  # by the code that accounts, alerts and pages have; docs/messages.md#languages
if TYPE_CHECKING:
    Language = str
else:
    Language = Literal[tuple(MESSAGE_LANGUAGES)]
FRENCH_AND_ENGLISH = ("fr", "en")
# By the letters of a language's own name
RIGHT_TO_LEFT = frozenset(
    code for code, name in MESSAGE_LANGUAGES.items() if unicodedata.bidirectional(name[0]) in ("R", "AL")
)
OTHER_SCRIPTS = frozenset(
    code for code, name in MESSAGE_LANGUAGES.items() if not unicodedata.name(name[0]).startswith("LATIN")
)

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
# Of French's months, in full and short: Spanish has `1 sept 2026`
_FIRST = re.compile(
    r"\b1(?= (?:mars|mai|juin|août|(?:janv|févr)(?:ier|\.)|avr(?:il|\.)|juil(?:let|\.)|oct(?:obre|\.)"
    r"|(?:sept|nov|déc)(?:embre|\.))(?!\w))"
)
_BY_24_HOURS = {"short": "HH:mm", "medium": "HH:mm:ss"}
_HOUR = re.compile(r"(\d{1,2}) ?(?:[:.] ?(?=\d)|h ?)(\d\d)?", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s'\",()./_-]+")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))
# Control characters (C0, C1), separators of lines, what turns the direction of writing, lone surrogates: a terminal
# obeys them, and no text column takes all of them.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def put_beside(french: str, english: str) -> str:
    """Return what binds with its English translation, in its own direction of writing."""
    return f"\N{FIRST STRONG ISOLATE}{french} · {english}\N{POP DIRECTIONAL ISOLATE}"


def choose_page_language(language: str) -> str:
    """Return the language of what an order agrees to, and of Stripe's pages."""
    return language if language in FRENCH_AND_ENGLISH else FRENCH


def read_language(name: str | None) -> str:
    """Return a language that we know: French for any other name, and for none."""
    return name if name in MESSAGE_LANGUAGES else FRENCH


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


def write_first(date: str) -> str:
    """Return a date in words with `1er mars` for French's first of a month, of which Babel makes `1 mars`."""
    return _FIRST.sub("1er", date)


def write_time(
    moment: datetime | time, style: str, *, locale: Locale | str, tzinfo: tzinfo | None = None
) -> str:
    """Return an hour by 24 hours in every language, as the official pages do."""
    return format_time(moment, _BY_24_HOURS.get(style, style), tzinfo=tzinfo, locale=locale)


def normalize_day(text: str) -> str:
    """Return a typed day as `2026-03-31`, for browsers whose date field is a plain one; other text only cleaned."""
    typed = clean_typed(text)
    if found := _DAY.fullmatch(typed):
        return f"{found[3]}-{found[2]:0>2}-{found[1]:0>2}"
    found = _ISO_DAY.fullmatch(typed)
    return f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}" if found else typed


def normalize_hour(text: str) -> str:
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


def format_duration(time: timedelta) -> str:
    """Return a length of time in one unit, the largest of which two are in it: `90 s`, `2 min`, `47 h`, `3 d`."""
    seconds = time.total_seconds()
    for unit, name in _UNITS:
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"  # noqa: PLR2004


def truncate_line(text: str, longest: int) -> str:
    """Return a text as one line of what can be printed, cut where it is longer than so many characters."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= longest else f"{line[:longest].rstrip()}…"


def pluralize(number: int, what: str) -> str:
    """Return `1 slot`, `2 slots`."""
    return f"{number:,} {what if number == 1 else what + 's'}"


def suggest_names(name: str, known: Iterable[str]) -> str:
    """Return `did you mean X? those that exist: X, Y` for a name that is none of these."""
    names = [str(each) for each in known]
    close = get_close_matches(name, names, n=1)
    return "".join(f"did you mean {each}? " for each in close) + list_names(names)


def list_names(names: Iterable[str]) -> str:
    """Return `those that exist: X, Y`."""
    return f"those that exist: {', '.join(names) or 'none'}"
