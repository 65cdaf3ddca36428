"""Lists of operators' pages: the filter in the address, and the address of the page that follows."""

from typing import Any

from flask import request, url_for
from pydantic import BaseModel

from api.pages.forms import Form

_PLACES = ("before", "after")  # fields that say where a page begins


def build_next_url(form: Form[Any], **place: object) -> str | None:
    """Return the address of the following page: this filter, and the `next` of the list as `before` or `after`.

    None where the list ends.
    """
    ((name, value),) = place.items()
    if value is None:
        return None
    return _build_url(
        {each: text for each, text in form.typed.items() if each not in _PLACES} | {name: value}
    )


def build_first_url(form: Form[Any]) -> str | None:
    """Return the address of the first page with this filter; None on that page."""
    if not any(form.typed.get(name) for name in _PLACES):
        return None
    return _build_url({each: text for each, text in form.typed.items() if each not in _PLACES})


def is_filtered(form: Form[BaseModel]) -> bool:
    """Return whether the address chooses among the rows."""
    return any(text for name, text in form.typed.items() if name not in (*_PLACES, "limit"))


def _build_url(arguments: dict[str, Any]) -> str:
    return url_for(str(request.endpoint), **(request.view_args or {}), **arguments)
