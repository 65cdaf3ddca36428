"""A call's parameters: decoded from form fields, read field by field with Stripe's errors; and pages of lists.

https://docs.stripe.com/api/pagination
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from deploy.sandbox.stripe.objects import Json, StripeError, make_list, missing_parameter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from deploy.sandbox.stripe.account import Account

_FLAGS: Final = {"true": True, "false": False}
# https://docs.stripe.com/metadata
_METADATA_KEYS: Final = 50
_METADATA_KEY: Final = 40
_METADATA_VALUE: Final = 500
_LONGEST: Final = 5000
_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART: Final = re.compile(r"\[([^\[\]]*)\]")
_DEEPEST: Final = 10
_PAGE: Final = 10
_LARGEST_PAGE: Final = 100


def decode_fields(encoded: str) -> Json:
    """Return nested objects and lists of fields such as ``line_items[0][price]=price_1``; every leaf is a text.

    Raises:
        StripeError: a name with unbalanced brackets, or one that is a value and an object at once.
    """
    root: Json = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        _put(root, _split(name), value, name)
    decoded = _with_lists(root)
    return decoded if isinstance(decoded, dict) else {}


def _split(name: str) -> list[str]:
    found = _NAME.fullmatch(name)
    parts = [found[1], *_PART.findall(found[2])] if found else []
    if not 0 < len(parts) <= _DEEPEST:
        raise StripeError(f"Invalid parameter name: {name[:100]}", param=name[:100])
    return parts


def _put(place: Json, parts: list[str], value: str, name: str) -> None:
    for part in parts[:-1]:
        place = place.setdefault(part or str(len(place)), {})
        if not isinstance(place, dict):
            raise StripeError(f"Invalid object: {name} is a value and an object", param=name)
    last = parts[-1] or str(len(place))
    if isinstance(place.get(last), dict):
        raise StripeError(f"Invalid object: {name} is a value and an object", param=name)
    place[last] = value


def _with_lists(value: Any) -> Any:
    """Turn objects whose keys are 0, 1, 2 … into lists."""
    if not isinstance(value, dict):
        return value
    nested = {key: _with_lists(each) for key, each in value.items()}
    if nested and sorted(nested) == sorted(map(str, range(len(nested)))):
        return [nested[str(place)] for place in range(len(nested))]
    return nested


class Parameters:
    """The parameters of a call, or of an object within them; ``path`` is the object's name."""

    def __init__(self, values: Json, path: str = "") -> None:
        self._values = values
        self._path = path

    def only(self, *names: str) -> Parameters:
        """Refuse every parameter that has none of these names; ``expand`` is always allowed."""
        for name in self._values:
            if name not in names and name != "expand":
                unknown = self.full_name(name)
                message = f"Received unknown parameter: {unknown} (unknown to Stripe, or not imitated by its stand-in)"
                raise StripeError(message, code="parameter_unknown", param=unknown)
        return self

    def full_name(self, name: str) -> str:
        """Return a parameter's name as errors tell it."""
        return f"{self._path}[{name}]" if self._path else name

    def has(self, name: str) -> bool:
        """Whether it was sent, even empty."""
        return name in self._values

    def text(self, name: str) -> str | None:
        """Return a text; None where it is absent or empty."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise self._refuse("Invalid string", name)
        return value

    def needed_text(self, name: str) -> str:
        """Return a text that must be there."""
        value = self.text(name)
        if value is None:
            raise missing_parameter(self.full_name(name))
        return value

    def number(self, name: str, *, least: int | None = None) -> int | None:
        """Return a whole number; None where it is absent or empty."""
        value = self.text(name)
        if value is None:
            return None
        if not value.lstrip("-").isdecimal():
            raise self._refuse(f"Invalid integer: {value}", name, "parameter_invalid_integer")
        if least is not None and int(value) < least:
            message = f"This value must be greater than or equal to {least}."
            raise self._refuse(message, name, "parameter_invalid_integer")
        return int(value)

    def needed_number(self, name: str, *, least: int | None = None) -> int:
        """Return a whole number that must be there."""
        self.needed_text(name)
        return self.number(name, least=least) or 0

    def flag(self, name: str) -> bool | None:
        """Return a boolean; None where it is absent or empty."""
        chosen = self.choice(name, _FLAGS)
        return None if chosen is None else _FLAGS[chosen]

    def choice(self, name: str, allowed: Collection[str]) -> str | None:
        """Return a text that is one of those allowed; None where it is absent."""
        value = self.text(name)
        if value is not None and value not in allowed:
            raise self._refuse(f"Invalid {self.full_name(name)}: must be one of {' or '.join(allowed)}", name)
        return value

    def nested(self, name: str, *names: str) -> Parameters:
        """Return an object that has only these names; one without fields where it is absent."""
        value = self._values.get(name) or {}
        if not isinstance(value, dict):
            raise self._refuse("Invalid object", name)
        return Parameters(value, self.full_name(name)).only(*names)

    def each(self, name: str, *names: str) -> list[Parameters]:
        """Return a list of objects that have only these names."""
        given = self._list(name, dict)
        path = self.full_name(name)
        return [Parameters(value, f"{path}[{place}]").only(*names) for place, value in enumerate(given)]

    def texts(self, name: str) -> list[str]:
        """Return a list of texts."""
        return self._list(name, str)

    def metadata(self) -> dict[str, str]:
        """Return metadata without keys whose value is empty."""
        value = self._values.get("metadata") or {}
        if isinstance(value, list):  # keys 0, 1, 2 …
            value = {str(place): each for place, each in enumerate(value)}
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise self._refuse("Metadata values must be strings", "metadata")
        if len(value) > _METADATA_KEYS:
            raise self._refuse("You can have up to 50 metadata keys.", "metadata")
        for key, each in value.items():
            if len(key) > _METADATA_KEY or len(each) > _METADATA_VALUE:
                message = "Metadata keys have up to 40 characters, values up to 500."
                raise StripeError(message, param=f"{self.full_name('metadata')}[{key[:40]}]")
        return {key: each for key, each in value.items() if each}

    def refuse_both(self, *names: str) -> None:
        """Refuse a call that has both of two parameters."""
        if all(map(self.has, names)):
            raise StripeError(f"You may only specify one of these parameters: {', '.join(names)}.")

    def _list(self, name: str, kind: type) -> list[Any]:
        value = self._values.get(name) or []
        if not isinstance(value, list) or not all(isinstance(each, kind) for each in value):
            raise self._refuse("Invalid array", name)
        return value

    def _refuse(self, message: str, name: str, code: str | None = None) -> StripeError:
        return StripeError(message, code=code, param=self.full_name(name))


def list_kind(account: Account, given: Parameters, kind: str, url: str, *filters: str) -> Json:
    """Return a page of a kind's objects: with the values given for ``filters``, created since ``created[gte]``."""
    given.only("limit", "starting_after", "created", *filters)
    since = given.nested("created", "gte").number("gte") or 0
    wished = {name: value for name in filters if (value := given.text(name))}
    found = [each for each in account.where(kind, **wished) if since <= each.get("created", since)]
    limit, after = read_limit(given), given.text("starting_after")
    if after:
        last = account.find(kind, after, "starting_after")["_number"]
        found = [each for each in found if each["_number"] < last]
    return make_list(found[::-1][:limit], url, has_more=len(found) > limit)


def list_within(given: Parameters, things: Iterable[Json], url: str) -> Json:
    """Return a page of what is inside an object, in the object's order."""
    given.only("limit", "starting_after")
    found, after = list(things), given.text("starting_after")
    ids = [each["id"] for each in found]
    if after and after not in ids:
        raise StripeError(f"No such item: '{after}'", param="starting_after")
    rest = found[ids.index(after) + 1 :] if after else found
    limit = read_limit(given)
    return make_list(rest[:limit], url, has_more=len(rest) > limit)


def read_limit(given: Parameters) -> int:
    """Return how many objects a page may have."""
    limit = given.number("limit", least=1) or _PAGE
    if limit > _LARGEST_PAGE:
        raise StripeError("Invalid integer: limit is at most 100", param="limit")
    return limit
