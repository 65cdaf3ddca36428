"""Texts that people read on pages and in files: code and templates have the French ones, a catalogue the others.

`pages/texts/<language>.po` is read when first used: nothing is compiled, so that nothing can be out of date. What
binds (`law.pot`: order, withdrawal, end of a contract) is in no catalogue but the English one, until a native speaker
has read a translation: other languages have the French text with the English one beside it.
"""

import re
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from configs.ground.text import FRENCH, FRENCH_AND_ENGLISH, MESSAGE_LANGUAGES, put_beside

_WHOLE = {"fr", "en", "ar", "es", "pt", "de", "ru", "zh", "hi"}  # whose catalogue has no hole
# That pages are offered in
LANGUAGES = {code: name for code, name in MESSAGE_LANGUAGES.items() if code in _WHOLE}
_ENGLISH = "en"
_BESIDE = "fr-en"  # English, but for what binds
_TEXTS = Path(__file__).parents[1] / "pages" / "texts"
_WRITTEN_BESIDE = re.compile("\u2068([^\u2068\u2069]*?) · ([^\u2068\u2069]*)\u2069")  # by `put_beside`
# French has a space at these signs, never the end of a line: https://fr.wikipedia.org/wiki/Espace_insécable
_SPACE_AT_SIGN = re.compile(" (?=[:;?!»])|(?<=«) ")
_PLAIN = ("<title", "<option", "<textarea")  # their text has no tags


def mark(text: str) -> str:
    """Return a French text as it is, and have `make texts` find it: it is translated where it is shown."""
    return text


def translate(text: str, language: str) -> str:
    """Return the translation of a French text; the text itself for a language without pages."""
    return str(load_translations(language).gettext(text))


def bind_signs(french: str) -> str:
    """Return a text in which no line begins with a sign that French has a space before."""
    return _SPACE_AT_SIGN.sub("\N{NO-BREAK SPACE}", french)


def mark_languages(page: str) -> str:
    """Return a page that names the language of what binds and of its translation, for who has pages read aloud."""
    return _WRITTEN_BESIDE.sub(_mark_language, page)


def _mark_language(found: re.Match[str]) -> str:
    tag = found.string[found.string.rfind("<", 0, found.start()) : found.start()]
    if ">" not in tag or tag.startswith(_PLAIN):
        return found[0]  # an attribute, or a text that cannot say it
    french, english = (
        f'<span lang="{language}">{text}</span>'
        for language, text in zip((FRENCH, _ENGLISH), found.groups(), strict=True)
    )
    # In one element: of a flexible line each would be a box of its own.
    return f"<bdi>{put_beside(french, english)}</bdi>"


def load_translations(language: str) -> Translations:
    """Return all texts in a language; in French where pages have no other."""
    return _read_texts(language if language in LANGUAGES else FRENCH)


@cache
def _read_texts(language: str) -> Translations:
    is_own = language not in (FRENCH, _BESIDE)
    counts_as = language if language != _BESIDE else _ENGLISH
    catalogue = _read_catalogue(f"{language if is_own else _ENGLISH}.po", counts_as)
    binding = {each.id for each in _read_catalogue("law.pot", None)} if language == _BESIDE else ()
    for message in catalogue:
        french = bind_signs(message.id) if isinstance(message.id, str) else tuple(map(bind_signs, message.id))
        if language == FRENCH:  # whose texts are the names of all others
            message.string = french
        elif message.id in binding:
            message.string = (
                tuple(map(put_beside, french, message.string or ()))
                if isinstance(french, tuple)
                else put_beside(french, str(message.string))
            )
        elif not any(message.string or ()):
            message.string = ""  # left to what is beside
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    texts = Translations(compiled)
    if is_own and language not in FRENCH_AND_ENGLISH:
        texts.add_fallback(_read_texts(_BESIDE))
    return texts


def _read_catalogue(name: str, language: str | None) -> Catalog:
    """Read a file; `language` says how its texts count."""
    with (_TEXTS / name).open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)
