"""Files of texts, and the functions that they call: plural forms, and names that keep their direction.

`templates/<kind>.jinja` holds a kind's texts in all languages, as parts.

A part begins with `=== fr title`: its language and its name. One without a language (`=== telegram`) is the same in
all of them, and takes its words from the part `words` of each.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from babel import Locale
from jinja2 import DictLoader, Environment, StrictUndefined, Template, pass_context
from jinja2.environment import TemplateModule
from jinja2.runtime import Context

from configs.ground.brand import SHADES
from configs.world.languages import RIGHT_TO_LEFT

TEMPLATES = Path(__file__).parents[1] / "templates"
WORDS, LAYOUT = "words", "layout"
_HEADER = re.compile(r"^=== (.+)\n", re.MULTILINE)
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


@lru_cache(maxsize=1)
def read_parts() -> dict[str, str]:
    """Return the source of each part by `kind/language/part`, or `kind/part` where all languages share it."""
    parts: dict[str, str] = {}
    for file in sorted(TEMPLATES.glob("*.jinja")):
        _, *found = _HEADER.split(file.read_text("utf-8"))
        for header, source in zip(found[::2], found[1::2], strict=True):
            parts[f"{file.stem}/{header.replace(' ', '/')}"] = source
    return parts


@lru_cache(maxsize=2)
def environment(*, escaping: bool) -> Environment:
    """Return the parts as HTML, which escapes what it is given, or as text; a missing value is an error.

    Two of them, because what a macro of a file that does not escape returns would pass for safe in one that does.
    """
    made = Environment(
        loader=DictLoader(read_parts()),
        autoescape=escaping,  # noqa: S701 -- not escaping is for plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    made.globals.update(SHADES | FUNCTIONS)
    return made


def get_template(name: str, *, escaping: bool) -> Template:
    """Return a part, compiled once."""
    return environment(escaping=escaping).get_template(name)


def warm_up() -> None:
    """Compile all parts, as text and as HTML."""
    for name in read_parts():
        for escaping in (False, True):
            get_template(name, escaping=escaping)


@cache
def languages_of(kind: str) -> frozenset[str]:
    """Return the languages that a kind has texts in."""
    paths = [name.split("/") for name in read_parts()]
    return frozenset(path[1] for path in paths if path[0] == kind and len(path) > 2)  # noqa: PLR2004 -- kind, language, part


@cache
def find_part(kind: str, language: str, part: str) -> str | None:
    """Return the name of a part: the language's own, else the kind's, which takes its words from the language."""
    own, shared = f"{kind}/{language}/{part}", f"{kind}/{part}"
    if own in read_parts():
        return own
    return shared if shared in read_parts() and f"{kind}/{language}/{WORDS}" in read_parts() else None


@cache
def read_layout(language: str) -> dict[str, Any]:
    """Return the values that all texts of a language have: its direction, and the words of every mail."""
    start, end = ("right", "left") if language in RIGHT_TO_LEFT else ("left", "right")
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    words = read_words(LAYOUT, language) if language in languages_of(LAYOUT) else {}
    return {"language": language, "direction": direction, "start": start, "end": end, **words}


@cache
def read_marks(language: str, *, escaping: bool) -> dict[str, Any]:
    """Return the macros that a mail is written with, as plain text or as HTML: `button`, `link`, `strong`."""
    name = f"{LAYOUT}/marks.{'html' if escaping else 'txt'}"
    return _public(get_template(name, escaping=escaping).make_module(read_layout(language)))


def read_words(kind: str, language: str) -> dict[str, Any]:
    """Return the plain words of a kind that need no values, by their name."""
    found = get_template(f"{kind}/{language}/{WORDS}", escaping=False).make_module()
    return {name: value for name, value in _public(found).items() if isinstance(value, str)}


def _public(module: TemplateModule) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}
