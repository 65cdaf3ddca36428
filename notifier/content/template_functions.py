"""Functions that the texts of messages call: plural forms, and names that keep their direction beside other scripts."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from babel import Locale
from jinja2 import pass_context
from jinja2.runtime import Context

# What can turn the direction of the text behind it, and control characters but tab and line ends.
# https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
_CONTROLS = re.compile(r"[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"


@cache
def _locale(language: str) -> Locale:
    return Locale.parse(language)


@pass_context
def choose_plural(context: Context, count: int, **forms: str) -> str:
    """Return the form that a language has for a number: `one`, `two`, `few`, `many`, else `other`.

    https://www.unicode.org/cldr/charts/latest/supplemental/language_plural_rules.html
    """
    return forms.get(_locale(context["language"]).plural_form(count), forms["other"])


@pass_context
def isolate(context: Context, text: str) -> str:
    """Return a name that keeps its own direction in a text from right to left; as it is in other texts."""
    if context["direction"] == "ltr":
        return text
    return _FIRST_STRONG_ISOLATE + text + _POP_ISOLATE  # of markup it is markup again


def shorten(text: str, longest: int) -> str:
    """Return a text cut where it is longer than so many UTF-16 code units, by which Telegram counts.

    https://core.telegram.org/api/entities#entity-length
    """
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * longest:
        return text
    return units[: 2 * (longest - 1)].decode("utf-16-le", "ignore").rstrip() + "…"


def decapitalize(text: str) -> str:
    """Return a text as it stands inside a sentence: in German, nouns keep their capital."""
    return text[:1].lower() + text[1:]


def clean_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a text without what could turn the direction of the text around them."""
    return {name: _clean(value) for name, value in values.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _CONTROLS.sub("", value)
    if isinstance(value, Mapping):
        return clean_values(value)
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return value._make(map(_clean, value))
    if isinstance(value, list | tuple):
        return type(value)(map(_clean, value))
    return value


FUNCTIONS = {
    "plural": choose_plural,
    "isolate": isolate,
    "shorten": shorten,
    "decapitalize": decapitalize,
    "nb": "\u00a0",  # French's space before `:`, at which no line ends
}
