"""Addresses of public pages as search engines shall keep them: absolute, without the filters of a form."""

from typing import Any

from flask import request, url_for

from configs.settings import settings


def build_canonical_url(language: str | None = None) -> str:
    """Return the address of this page in a language; without one, that which follows the browser's."""
    return build_public_url(request.endpoint or "", language, **(request.view_args or {}))


def build_public_url(endpoint: str, language: str | None = None, **values: Any) -> str:
    """Return the absolute address of a page.

    Raises:
        werkzeug.routing.BuildError: there is no such page.
    """
    return settings().frontend_url.rstrip("/") + url_for(endpoint, **values, lang=language)
