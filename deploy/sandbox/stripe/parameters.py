"""A call's parameters: decoded from form fields, checked by the call's model with Stripe's errors; and pages of lists.

https://docs.stripe.com/api/pagination
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from deploy.sandbox.stripe.objects import Json, StripeError, make_list

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.sandbox.stripe.account import Account

_PART: Final = re.compile(r"[^\[\]]+")
_INTEGERS: Final = ("int_parsing", "int_type", "greater_than_equal")


def decode_fields(encoded: str) -> Json:
    """Return nested objects and lists of fields such as ``line_items[0][price]=price_1``; every leaf is a text."""
    root: Json = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        *path, last = _PART.findall(name)
        place = root
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    decoded = _with_lists(root)
    return decoded if isinstance(decoded, dict) else {}


def _with_lists(value: Any) -> Any:
    """Turn objects whose keys are 0, 1, 2 … into lists."""
    if not isinstance(value, dict):
        return value
    nested = {key: _with_lists(each) for key, each in value.items()}
    if nested and sorted(nested) == sorted(map(str, range(len(nested)))):
        return [nested[str(place)] for place in range(len(nested))]
    return nested


class Object(BaseModel):
    """The parameters within an object; what a call or the stand-in does not know is refused, what is empty is None."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=5000)

    @field_validator("*", mode="before")
    @classmethod
    def _read_empty(cls, value: Any) -> Any:
        return None if value == "" else value


class Parameters(Object):
    """The parameters of a call."""

    expand: list[str] = []

    def has(self, name: str) -> bool:
        """Whether it was sent, even empty."""
        return name in self.model_fields_set

    def refuse_both(self, *names: str) -> None:
        """Refuse a call that has both of two parameters."""
        if all(map(self.has, names)):
            raise StripeError(f"You may only specify one of these parameters: {', '.join(names)}.")


def _read_metadata(value: Any) -> Any:
    """Return metadata without keys whose value is empty; keys 0, 1, 2 … came as a list."""
    if isinstance(value, list):
        value = {str(place): each for place, each in enumerate(value)}
    return {key: each for key, each in value.items() if each} if isinstance(value, dict) else value or {}


# https://docs.stripe.com/metadata
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=500)]],
    Field(max_length=50),
    BeforeValidator(_read_metadata),
]
Positive = Annotated[int, Field(ge=1)]
Currency = Annotated[str, StringConstraints(to_lower=True)]
Known = TypeVar("Known", bound=Parameters)


def read_parameters(model: type[Known], told: Json) -> Known:
    """Return the parameters of a call.

    Raises:
        StripeError: one is unknown, is missing or has a wrong value.
    """
    try:
        return model.model_validate(told)
    except ValidationError as errors:
        found = min(errors.errors(), key=lambda each: each["type"] != "extra_forbidden")
        first, *more = (each for each in found["loc"] if each != "[key]")
        name = f"{first}{''.join(f'[{each}]' for each in more)}"
        if found["type"] == "extra_forbidden":
            message = (
                f"Received unknown parameter: {name} (unknown to Stripe, or not imitated by its stand-in)"
            )
            raise StripeError(message, code="parameter_unknown", param=name) from errors
        if found["type"] == "missing" or found["input"] is None:
            message = f"Missing required param: {name}."
            raise StripeError(message, code="parameter_missing", param=name) from errors
        code = "parameter_invalid_integer" if found["type"] in _INTEGERS else None
        raise StripeError(f"Invalid {name}: {found['msg']}", code=code, param=name) from errors


class Since(Object):
    """From when on."""

    gte: int | None = None


class Page(Parameters):
    """Which of a list's objects are asked for."""

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    starting_after: str | None = None
    created: Since = Since()

    def cut(self, found: Iterable[Json], url: str) -> Json:
        """Return the page of all that was found, in its order."""
        rest = list(found)
        if self.starting_after:
            ids = [each["id"] for each in rest]
            if self.starting_after not in ids:
                raise StripeError(f"No such item: '{self.starting_after}'", param="starting_after")
            rest = rest[ids.index(self.starting_after) + 1 :]
        return make_list(rest[: self.limit], url, has_more=len(rest) > self.limit)


def list_kind(account: Account, given: Page, kind: str, url: str) -> Json:
    """Return a page of a kind's objects, the newest first: with the values of the filters, created since a moment.

    Those of a customer or a subscription that there is not are refused.
    """
    wished = given.model_dump(exclude=set(Page.model_fields), exclude_none=True)
    for name in wished.keys() & {"customer", "subscription"}:
        account.find(name, wished[name], name)
    if "subscription" in wished:  # which an invoice shows within its parent only
        wished["_subscription"] = wished.pop("subscription")
    since = given.created.gte or 0
    found = [each for each in account.where(kind, **wished) if since <= each.get("created", since)]
    return given.cut(found[::-1], url)
