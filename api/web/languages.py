"""The language of a page: that of its link (`?lang=`), of the account, or of the browser, in this order."""

import re
from typing import Any

from flask import Flask, current_app, g, request
from flask_babel import get_locale, refresh

from api.ground.translations import LANGUAGES

_DEFAULT = "fr"


def register_languages(app: Flask) -> None:
    """Keep the language of a link in the links of its page."""

    @app.url_defaults
    def _keep_language(endpoint: str, values: dict[str, Any]) -> None:
        if find_linked_language() and hasattr(current_app.view_functions.get(endpoint), "access"):
            values.setdefault("lang", find_linked_language())


def find_linked_language() -> str | None:
    """Return the language that the page's address asks for, if it is one of ours."""
    asked = request.args.get("lang")
    return asked if asked in LANGUAGES else None


def choose_language() -> str:
    """Return the language to answer in."""
    if fixed := g.get("fixed_language"):
        return str(fixed)
    account: str | None = g.get("account_language")
    if found := find_linked_language() or (account if account in LANGUAGES else None):
        return found
    # The first one wanted, whatever its region: best_match() would prefer `en` of low quality to `fr-FR`.
    wanted = (re.split("[-_]", tag)[0].lower() for tag, quality in request.accept_languages if quality > 0)
    return next((each for each in wanted if each in LANGUAGES), _DEFAULT)


def use_account_language(language: str) -> None:
    """Answer in the language of the account that this page is about, unless its address asks for another one."""
    g.account_language = language
    refresh()


def fix_language(language: str) -> None:
    """Answer in this language: the page exists in no other."""
    g.fixed_language = language
    refresh()


def read_language() -> str:
    """Return the language of this answer, one of those that pages have."""
    locale = get_locale()
    return locale.language if locale else _DEFAULT


def read_direction() -> str:
    """Return the direction of writing of this answer: `ltr` or `rtl`."""
    locale = get_locale()
    return locale.text_direction if locale else "ltr"
