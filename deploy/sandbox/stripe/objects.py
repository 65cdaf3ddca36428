"""The JSON of Stripe's objects: ids, lists, and what of an object is shown."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# An object as the API shows it. Keys that begin with an underscore are the stand-in's own and never shown.
Json = dict[str, Any]
_EMBEDDED: Final = 10  # of a list inside another object only the first ones are shown


def new_id(prefix: str) -> str:
    """Return a new id, as ``pi_3f…``."""
    return f"{prefix}_{secrets.token_hex(12)}"


def make_list(data: Sequence[Any], url: str, *, has_more: bool = False) -> Json:
    """Return a list object."""
    return {"object": "list", "data": list(data), "has_more": has_more, "url": url}


def show(value: Any, *, whole: bool = False) -> Any:
    """Return a copy of a JSON value without what is the stand-in's own; lists inside objects cut, unless `whole`."""
    if isinstance(value, dict):
        shown = {key: each for key, each in value.items() if not key.startswith("_")}
        return {key: show(each if whole else cut_list(each), whole=whole) for key, each in shown.items()}
    if isinstance(value, list):
        return [show(each, whole=whole) for each in value]
    return value


def cut_list(value: Any) -> Any:
    """Return a list object inside another one as it is shown there: its first page."""
    if not (isinstance(value, dict) and value.get("object") == "list"):
        return value
    return value | {"data": value["data"][:_EMBEDDED], "has_more": len(value["data"]) > _EMBEDDED}
