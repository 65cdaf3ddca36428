"""Legal texts: one Markdown file per document, version and language. A version is a date; the French text binds.

The terms of sale stand with the orders that name their version (configs/world/sales_terms.py); the others are in
`documents/<name>/<version>/<language>.md`. What only the operator knows comes from settings.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template

from markdown_it import MarkdownIt

from configs.world.sales_terms import LANGUAGES, TERMS, name_seller, read_terms

TERMS_NAME = "conditions"
_FOLDERS = {
    "vie-privee": "privacy",
    "mentions-legales": "notice",
    "accessibilite": "accessibility",
    "contact": "contact",
    "mediation": "mediation",
}
_LINKED = re.compile("@|://")  # what becomes a link, which browsers isolate by themselves
_FSI, _PDI = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_HERE = Path(__file__).parent / "documents"
_MARKDOWN = MarkdownIt("commonmark", {"html": False})  # tags become text; addresses of scripts become none


class UnknownDocument(LookupError):
    """There is no such document, or no such version of it."""


@dataclass(frozen=True, slots=True)
class LegalText:
    """A document as HTML, without its title."""

    title: str
    html: str
    language: str  # of the text
    version: str
    versions: list[str]  # all of them, the newest first


def read_document(name: str, version: str | None, language: str) -> LegalText:
    """Return a version of a document, the newest one by default; in English where it is not in the language.

    Raises:
        UnknownDocument: there is no such document or version.
    """
    versions = list_versions(name)
    chosen = version or versions[0]
    if chosen not in versions:
        raise UnknownDocument(f"{name} has no version {chosen[:20]!r}; it has {', '.join(versions)}")
    known = language if language in _list_languages(name, chosen) else "en"
    title, html = render_markdown(_read_text(name, chosen, known))
    return LegalText(title, html, known, chosen, versions)


def list_versions(name: str) -> list[str]:
    """Return the versions of a document, the newest first.

    Raises:
        UnknownDocument: there is no such document.
    """
    if name != TERMS_NAME and name not in _FOLDERS:
        raise UnknownDocument(f"there are {TERMS_NAME}, {', '.join(_FOLDERS)}")
    folder = TERMS if name == TERMS_NAME else _HERE / _FOLDERS[name]
    return sorted((path.name for path in folder.iterdir() if path.is_dir()), reverse=True)


def _list_languages(name: str, version: str) -> set[str]:
    """Return the languages of a version; short texts are in Arabic, too."""
    if name == TERMS_NAME:
        return set(LANGUAGES)
    return {path.stem for path in (_HERE / _FOLDERS[name] / version).glob("*.md")}


@lru_cache(maxsize=32)
def render_markdown(text: str) -> tuple[str, str]:
    """Return the first heading as text, and what follows it as HTML."""
    title, _, body = text.strip().partition("\n")
    return title.removeprefix("# ").strip(), _MARKDOWN.render(body)


def _read_text(name: str, version: str, language: str) -> str:
    if name == TERMS_NAME:
        return read_terms(version, language)
    path = _HERE / _FOLDERS[name] / version / f"{language}.md"
    names = name_seller(language)
    if language not in LANGUAGES:  # from right to left
        names = {
            key: value if _LINKED.search(value) else f"{_FSI}{value}{_PDI}" for key, value in names.items()
        }
    return Template(path.read_text(encoding="utf-8")).substitute(names)
