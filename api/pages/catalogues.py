"""Catalogues of the pages' texts: `texts/<language>.po` of the pages and of each area, read when first used.

The texts in templates and code are French; its catalogue follows from them. Nothing is compiled, so that nothing can be
out of date.
"""

from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from flask import Flask
from flask_babel import Babel, Domain, get_locale

from api.middleware.languages import choose_language

SOURCE = "fr"
TRANSLATED = ("en", "ar")
_PAGES = Path(__file__).parent


class PoDomain(Domain):  # type: ignore[misc] # Flask-Babel has no types
    """The texts of all areas in one catalogue for each language."""

    def get_translations(self) -> Translations:
        """Return the catalogue of this request's language."""
        locale = get_locale()
        return load_translations(locale.language if locale else SOURCE)


def register_catalogues(app: Flask) -> None:
    """Let templates and `gettext` answer in the request's language."""
    babel = Babel(app, default_locale=SOURCE, locale_selector=choose_language)
    babel.domain_instance = PoDomain()
    app.jinja_env.policies["ext.i18n.trimmed"] = True


@cache
def load_translations(language: str) -> Translations:
    """Return the texts of all areas in a language."""
    whole = Catalog(locale=language)
    for folder in list_text_folders():
        for message in _read_messages(folder, language):
            whole.add(message.id, message.string, context=message.context)
    file = BytesIO()
    write_mo(file, whole)
    file.seek(0)
    return Translations(file)


def list_text_folders() -> list[Path]:
    """Return the folders with catalogues: that of all pages first, then those of the areas."""
    return [_PAGES / "texts", *sorted(_PAGES.glob("*/texts"))]


def _read_messages(folder: Path, language: str) -> Iterator[Message]:
    source = language == SOURCE
    path = folder / f"{TRANSLATED[0] if source else language}.po"
    for message in read_catalogue(path, language):
        if message.id:
            message.string = message.id if source else message.string
            yield message


def read_catalogue(path: Path, language: str, **options: Any) -> Catalog:
    """Return the catalogue of a file.

    Raises:
        babel.messages.pofile.PoFileError: the file is no catalogue.
    """
    with path.open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True, **options)
