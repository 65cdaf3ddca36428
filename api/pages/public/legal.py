"""Legal pages: terms, privacy, legal notice, accessibility, contact, and their earlier versions."""

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from flask import render_template
from markdown_it import MarkdownIt

from api.ground.errors import not_found
from api.ground.translations import bind_signs
from api.pages.area import Access, Area
from api.web.languages import read_language
from configs.ground.text import FRENCH
from configs.world.sales_terms import LANGUAGES, OF_FRIENDS, list_terms, name_seller, read_terms, read_wrapped

TERMS_NAME = "conditions"
_LED_TO = "text: the foot of each page leads to those that exist"
_FOLDERS = {
    "vie-privee": "privacy",
    "mentions-legales": "notice",
    "accessibilite": "accessibility",
    "contact": "contact",
    "mediation": "mediation",
    "contrat-organisations": "organisations",
    "conditions-organisations": "organisation_terms",
}
_LINKED = re.compile("@|://")  # in values that become links, which browsers isolate by themselves
_FSI, _PDI = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_HERE = Path(__file__).parent / "documents"
_MARKDOWN = MarkdownIt("commonmark", {"html": False})  # tags become text; addresses of scripts no links
area = Area("legal", __name__)


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
        ApiError: 404, there is no such document or version.
    """
    versions = list_versions(name)
    chosen = version or versions[0]
    if chosen not in versions and (name, chosen) != (TERMS_NAME, OF_FRIENDS):
        raise not_found(_LED_TO)
    known = language if language in _list_languages(name, chosen) else "en"
    title, html = render_markdown(_read_text(name, chosen, known))
    if known == FRENCH:
        title, html = bind_signs(title), bind_signs(html)
    return LegalText(title, html, known, chosen, versions)


def list_versions(name: str) -> list[str]:
    """Return the versions of a document, the newest first.

    Raises:
        ApiError: 404, there is no such document.
    """
    if name != TERMS_NAME and name not in _FOLDERS:
        raise not_found(_LED_TO)
    if name == TERMS_NAME:
        return list_terms()
    return sorted((each.name for each in (_HERE / _FOLDERS[name]).iterdir() if each.is_dir()), reverse=True)


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
    return read_wrapped(path).substitute(names)


@area.page("/textes/<name>/<version>", Access.PUBLIC)
def show_version(name: str, version: str) -> str:
    """Show one version of a document."""
    return _show(name, version)


def _show(name: str, version: str | None = None) -> str:
    text = read_document(name, version, read_language())
    dates = {each: date.fromisoformat(each) for each in text.versions}
    return render_template("legal/document.html", text=text, name=name, dates=dates, newest=version is None)


def _add_page(name: str, endpoint: str) -> None:
    """Declare the page of a document: its newest version."""

    def show() -> str:
        return _show(name)

    show.__name__ = endpoint
    area.page(f"/{name}", Access.PUBLIC)(show)


for _name, _folder in {TERMS_NAME: "terms", **_FOLDERS}.items():
    _add_page(_name, f"show_{_folder}")
