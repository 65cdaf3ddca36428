"""Stripe's objects as JSON: new ones, ids, lists and what of an object is shown; and the errors of its API.

https://docs.stripe.com/api/errors
"""

from __future__ import annotations

import copy
import secrets
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

# An object as the API shows it. Keys that begin with an underscore are the stand-in's own and never shown.
Json = dict[str, Any]
_EMBEDDED: Final = 10  # of a list inside another object only the first ones are shown
_WITHOUT_MODE: Final = ("balance_transaction", "refund", "subscription_item", "item")


@cache
def read_shapes() -> dict[str, Json]:
    """Return the fields of each kind of object, with the values that they begin with."""
    read: dict[str, Json] = yaml.safe_load(Path(__file__).with_name("shapes.yaml").read_text("utf-8"))
    return {
        kind: {"object": kind}
        | ({} if kind in _WITHOUT_MODE else {"livemode": False})
        | dict.fromkeys(fields.pop("nulls", "").split())
        | fields
        for kind, fields in read.items()
    }


def blank(kind: str, **values: Any) -> Json:
    """Return a new object of a kind with these values; the others are as they begin."""
    return copy.deepcopy(read_shapes()[kind]) | values


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
    has_more = value["has_more"] or len(value["data"]) > _EMBEDDED
    return value | {"data": value["data"][:_EMBEDDED], "has_more": has_more}


class StripeError(Exception):
    """A call that is refused, with the fields of its JSON body."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status: int = 400,
        type: str = "invalid_request_error",  # noqa: A002 - Stripe's name of the field
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        told = {"code": code, "message": message, "param": param, "type": type, **more}
        self.fields: Json = {name: value for name, value in told.items() if value is not None}


def missing_object(kind: str, given: str, param: str | None) -> StripeError:
    """Say that an id is no object's: 404 where it is part of the address, 400 where it is a parameter."""
    message, status = f"No such {kind}: '{given}'", 400 if param else 404
    return StripeError(message, code="resource_missing", param=param or "id", status=status)
