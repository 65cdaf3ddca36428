"""Decodes the bracketed form fields of Stripe's API, such as ``line_items[0][price]=price_1``."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from deploy.sandbox.stripe.errors import StripeError

_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART: Final = re.compile(r"\[([^\[\]]*)\]")
_DEEPEST: Final = 10


def decode_fields(encoded: str) -> dict[str, Any]:
    """Return nested objects and lists; every leaf is a text.

    Raises:
        StripeError: a name with unbalanced brackets, or one that is a value and an object at once.
    """
    root: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        _put(root, _split(name), value, name)
    decoded = _with_lists(root)
    return decoded if isinstance(decoded, dict) else {}


def _split(name: str) -> list[str]:
    found = _NAME.fullmatch(name)
    if found is None:
        raise StripeError(f"Invalid parameter name: {name[:100]}", param=name[:100])
    parts = [found[1], *_PART.findall(found[2])]
    if len(parts) > _DEEPEST:
        raise StripeError(f"Parameter nested too deeply: {name[:100]}", param=name[:100])
    return parts


def _put(place: dict[str, Any], parts: list[str], value: str, name: str) -> None:
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
