"""Command that brings the catalogues up to date with templates and code: `make texts`."""

import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from api.pages.catalogues import TRANSLATED, list_text_folders, read_catalogue

_API = Path(__file__).parents[1]
_METHODS = [("**.html", "jinja2.ext:babel_extract"), ("**.py", "python")]
_OPTIONS = {"**.html": {"trimmed": "true", "silent": "false"}}
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "lazy_gettext": None, "_l": None}
_OLD_TEMPLATES = ("links", "templates")  # pages that are no area


def main() -> int:
    """Write the catalogues; return 1 while a text is untranslated."""
    missing = 0
    for folder in list_text_folders():
        found = extract_texts(folder)
        for language in TRANSLATED:
            catalogue = update_catalogue(folder, language, found)
            for message in list_untranslated(catalogue):
                missing += 1
                sys.stdout.write(f"{folder / language}.po: {message!r}\n")
    sys.stdout.write(f"{missing} texts to translate\n")
    return 1 if missing else 0


def extract_texts(folder: Path) -> Catalog:
    """Return the texts of the area that this folder of catalogues belongs to."""
    found = Catalog()
    for source in _list_sources(folder):
        area = {each.parent for each in list_text_folders()} - {source}
        for _, _, text, comments, context in extract_from_dir(
            source,
            _METHODS,
            _OPTIONS,
            _KEYWORDS,
            directory_filter=lambda path: Path(path) not in area,  # noqa: B023
        ):
            found.add(text, auto_comments=comments, context=context)
    return found


def update_catalogue(folder: Path, language: str, found: Catalog) -> Catalog:
    """Write the catalogue of an area anew: texts in alphabetical order, with the translations that there are.

    Without places in the code, which would change with each line, and without texts that are used no more.
    """
    path = folder / f"{language}.po"
    before = read_catalogue(path, language) if path.exists() else Catalog(locale=language)
    elsewhere = [read_catalogue(each / path.name, language) for each in list_text_folders() if each != folder
                 and (each / path.name).exists()]  # fmt: skip
    catalogue = Catalog(locale=language, header_comment="", fuzzy=False)
    for message in found:
        if message.id:
            known = next((got.string for each in (before, *elsewhere) if (got := each.get(message.id))), "")
            catalogue.add(message.id, known)
    with path.open("wb") as file:
        write_po(file, catalogue, sort_output=True, omit_header=True, width=110)
    return catalogue


def list_untranslated(catalogue: Catalog) -> list[str]:
    """Return the texts that lack a translation, or one of their plural forms."""
    return [str(each.id) for each in catalogue if each.id and not _is_whole(each.string)]


def _is_whole(text: object) -> bool:
    return all(text) if isinstance(text, tuple | list) else bool(text)


def _list_sources(folder: Path) -> Iterator[Path]:
    yield folder.parent
    if folder == list_text_folders()[0]:
        yield from (_API / name for name in _OLD_TEMPLATES)


if __name__ == "__main__":
    sys.exit(main())
