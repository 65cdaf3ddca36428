"""The JSON of Stripe's objects: ids, lists, and what of an object is shown."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# An object as the API shows it. Keys that begin with an underscore are the stand-in's own and never shown.
Json = dict[str, Any]


def new_id(prefix: str) -> str:
    """Return a new id, as ``pi_3f…``."""
    return f"{prefix}_{secrets.token_hex(12)}"


def make_list(data: Sequence[Any], url: str, *, has_more: bool = False) -> Json:
    """Return a list object."""
    return {"object": "list", "data": list(data), "has_more": has_more, "url": url}


def show(value: Any) -> Any:
    """Return a copy of a JSON value without what is the stand-in's own."""
    if isinstance(value, dict):
        return {key: show(each) for key, each in value.items() if not key.startswith("_")}
    if isinstance(value, list):
        return [show(each) for each in value]
    return value
