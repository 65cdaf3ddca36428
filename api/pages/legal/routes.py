"""Legal pages: terms, privacy, legal notice, accessibility, contact, and their earlier versions."""

from datetime import date

from flask import render_template

from api.errors import not_found
from api.middleware.languages import read_language
from api.pages.area import Access, Area
from api.pages.legal.documents import TERMS_NAME, UnknownDocument, read_document

area = Area("legal", __name__)


@area.page(f"/{TERMS_NAME}", Access.PUBLIC)
def show_terms() -> str:
    """Show the terms that orders accept now."""
    return _show(TERMS_NAME)


@area.page("/vie-privee", Access.PUBLIC)
def show_privacy() -> str:
    """Show what is done with personal data."""
    return _show("vie-privee")


@area.page("/mentions-legales", Access.PUBLIC)
def show_notice() -> str:
    """Name the publisher and the host."""
    return _show("mentions-legales")


@area.page("/accessibilite", Access.PUBLIC)
def show_accessibility() -> str:
    """Show the accessibility statement."""
    return _show("accessibilite")


@area.page("/contact", Access.PUBLIC)
def show_contact() -> str:
    """Say how to reach us."""
    return _show("contact")


@area.page("/mediation", Access.PUBLIC)
def show_mediation() -> str:
    """Name the mediator, and say what comes before."""
    return _show("mediation")


@area.page("/textes/<name>/<version>", Access.PUBLIC)
def show_version(name: str, version: str) -> str:
    """Show one version of a document."""
    return _show(name, version)


def _show(name: str, version: str | None = None) -> str:
    try:
        text = read_document(name, version, read_language())
    except UnknownDocument:
        raise not_found("text: the foot of each page leads to those that exist") from None
    dates = {each: date.fromisoformat(each) for each in text.versions}
    return render_template("legal/document.html", text=text, name=name, dates=dates, newest=version is None)
