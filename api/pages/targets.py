"""Targets: where a page leads on to, as a route name with its parameters, never as an address."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import current_app, request, url_for
from werkzeug.routing import BuildError

_LONGEST = 2000  # characters
_MOST = 20  # parameters


def describe_target() -> str:
    """Return the target that this request asks for: `alerts.show_alert?id=…`."""
    arguments = request.args.to_dict(flat=False) | {
        name: [str(value)] for name, value in (request.view_args or {}).items()
    }
    text = f"{request.endpoint}?{urlencode(arguments, doseq=True)}".rstrip("?")
    return text if len(text) <= _LONGEST else str(request.endpoint)


def read_target(text: str | None) -> str | None:
    """Return a target that an address may carry; None for any other text."""
    return text if text and len(text) <= _LONGEST and build_target_url(text) else None


def build_target_url(text: str | None, method: str = "GET") -> str | None:
    """Return the address of a target; None where it names no page of ours for who is signed in."""
    endpoint, _, query = (text or "")[:_LONGEST].partition("?")
    view = current_app.view_functions.get(endpoint)
    if not getattr(view, "is_personal", False) or not _answers(endpoint, method):
        return None
    try:
        # A name with an underscore in front would be an option of url_for: another host, another scheme.
        given = {name: value for name, value in parse_qsl(query, max_num_fields=_MOST) if name[0] != "_"}
        return url_for(endpoint, **dict[str, Any](given))
    except (BuildError, ValueError, IndexError, TypeError):  # TypeError: a name of url_for's own
        return None


def _answers(endpoint: str, method: str) -> bool:
    return any(method in (rule.methods or ()) for rule in current_app.url_map.iter_rules(endpoint))
