"""Reads a call's parameters field by field, with Stripe's errors for those that are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.errors import StripeError, missing_parameter, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Collection

_FLAGS: Final = {"true": True, "false": False}
# https://docs.stripe.com/metadata
_METADATA_KEYS: Final = 50
_METADATA_KEY: Final = 40
_METADATA_VALUE: Final = 500
_LONGEST: Final = 5000


class Parameters:
    """The parameters of a call, or of an object within them; ``path`` is the object's name."""

    def __init__(self, values: dict[str, Any], path: str = "") -> None:
        self._values = values
        self._path = path

    def only(self, *names: str) -> Parameters:
        """Refuse every parameter that has none of these names; ``expand`` is always allowed."""
        for name in self._values:
            if name not in names and name != "expand":
                raise unknown_parameter(self.full_name(name))
        return self

    def full_name(self, name: str) -> str:
        """Return a parameter's name as errors tell it."""
        return f"{self._path}[{name}]" if self._path else name

    def has(self, name: str) -> bool:
        """Whether it was sent, even empty."""
        return name in self._values

    def peek(self, name: str) -> Any:
        """Return a value as it was sent."""
        return self._values.get(name)

    def text(self, name: str) -> str | None:
        """Return a text; None where it is absent or empty."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise StripeError(f"Invalid string: {self.full_name(name)}", param=self.full_name(name))
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
            code = "parameter_invalid_integer"
            raise StripeError(f"Invalid integer: {value}", code=code, param=self.full_name(name))
        if least is not None and int(value) < least:
            code = "parameter_invalid_integer"
            message = f"This value must be greater than or equal to {least}."
            raise StripeError(message, code=code, param=self.full_name(name))
        return int(value)

    def flag(self, name: str) -> bool | None:
        """Return a boolean; None where it is absent or empty."""
        value = self.text(name)
        if value is None:
            return None
        if value not in _FLAGS:
            raise StripeError(f"Invalid boolean: {value}", param=self.full_name(name))
        return _FLAGS[value]

    def choice(self, name: str, allowed: Collection[str]) -> str | None:
        """Return a text that is one of those allowed; None where it is absent."""
        value = self.text(name)
        if value is not None and value not in allowed:
            known = " or ".join(allowed)
            raise StripeError(
                f"Invalid {self.full_name(name)}: must be one of {known}", param=self.full_name(name)
            )
        return value

    def nested(self, name: str) -> Parameters:
        """Return an object; one without fields where it is absent."""
        value = self._values.get(name)
        if value is None or value == "":
            value = {}
        if not isinstance(value, dict):
            raise StripeError("Invalid object", param=self.full_name(name))
        return Parameters(value, self.full_name(name))

    def each(self, name: str) -> list[Parameters]:
        """Return a list of objects."""
        given = self._list(name)
        if not all(isinstance(value, dict) for value in given):
            raise StripeError("Invalid array: each must be an object", param=self.full_name(name))
        return [Parameters(value, f"{self.full_name(name)}[{place}]") for place, value in enumerate(given)]

    def texts(self, name: str) -> list[str]:
        """Return a list of texts."""
        given = self._list(name)
        if not all(isinstance(value, str) for value in given):
            raise StripeError("Invalid array: each must be a string", param=self.full_name(name))
        return given

    def metadata(self, name: str = "metadata") -> dict[str, str]:
        """Return metadata; an empty value unsets its key (see ``merge_metadata``)."""
        value = self._values.get(name) or {}
        if isinstance(value, list):  # keys 0, 1, 2 …
            value = {str(place): each for place, each in enumerate(value)}
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise StripeError("Metadata values must be strings", param=self.full_name(name))
        if len(value) > _METADATA_KEYS:
            raise StripeError("You can have up to 50 metadata keys.", param=self.full_name(name))
        for key, each in value.items():
            if len(key) > _METADATA_KEY or len(each) > _METADATA_VALUE:
                message = "Metadata keys have up to 40 characters, values up to 500."
                raise StripeError(message, param=f"{self.full_name(name)}[{key[:40]}]")
        return value

    def _list(self, name: str) -> list[Any]:
        value = self._values.get(name)
        if value is None or value == "":
            return []
        if not isinstance(value, list):
            raise StripeError("Invalid array", param=self.full_name(name))
        return value


def merge_metadata(known: dict[str, str], given: dict[str, str]) -> dict[str, str]:
    """Return metadata with the keys given; those with an empty value are gone."""
    merged = known | given
    return {key: value for key, value in merged.items() if value != ""}
