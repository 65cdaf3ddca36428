"""Texts that people read on pages and in files: code and templates have the French ones, a catalogue the others.

`pages/texts/<language>.po` is read when first used: nothing is compiled, so that nothing can be out of date.
"""

from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

LANGUAGES = {"fr": "Français", "en": "English", "ar": "العربية"}  # the first one where nothing else is known
_SOURCE = "fr"
_TEXTS = Path(__file__).parents[1] / "pages" / "texts"


def mark(text: str) -> str:
    """Return a French text as it is, and have `make texts` find it: it is translated where it is shown."""
    return text


def translate(text: str, language: str) -> str:
    """Return the translation of a French text; the text itself for a language without pages."""
    return str(load_translations(language).gettext(text))


def load_translations(language: str) -> Translations:
    """Return all texts in a language; in French where pages have no other."""
    return _read_texts(language if language in LANGUAGES else _SOURCE)


@cache
def _read_texts(language: str) -> Translations:
    is_source = language == _SOURCE  # whose texts are the names of all others
    path = _TEXTS / f"{'en' if is_source else language}.po"
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    for message in catalogue if is_source else ():
        message.string = message.id
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)
