"""Bodies of requests: a largest size and a JSON object; for webhooks the latter does not hold."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, current_app, request
from flask.json.provider import DefaultJSONProvider
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from api.ground.errors import ApiError

LARGEST_BODY = 64 * 1024  # bytes; the largest body that makes sense is an alert with its limits
LARGEST_WEBHOOK = 1024 * 1024  # bytes; a provider collects events, and its events carry texts of people
_MARK = "is_webhook"

View = Callable[..., ResponseReturnValue]
Verify = Callable[[Headers, bytes], bool]


class StrictJson(DefaultJSONProvider):
    """JSON of RFC 8259 only. Too deep nesting is a client error."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:  # noqa: ARG002 -- as its base says
        """Return the value.

        Raises:
            ValueError: the text is not JSON.
        """
        try:
            return json.loads(s, parse_constant=_refuse_constant)
        except RecursionError:
            raise ValueError("nested too deep") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def register_body_checks(app: Flask) -> None:
    """Refuse bodies other than JSON objects, on all routes of /api but webhooks.

    Call it after the rate limits are registered: requests are counted before their body is read.
    """
    app.json = StrictJson(app)
    app.json.sort_keys = False
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.before_request(_refuse_other_bodies)


def webhook(verify: Verify) -> Callable[[View], View]:
    """Make a view a webhook: a route that a provider calls with a body of any type, of up to LARGEST_WEBHOOK bytes.

    `verify` gets the headers and the raw body, and returns whether the signature is right. It runs before anything
    is parsed and must not use the database. The view reads the raw body with `request.get_data()`. Rate limits do
    not count the calls. Use it below the decorator of the route.

    The view then raises ApiError 403 (`bad-signature`) for a forged call, 413 for a larger body.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def run(**arguments: Any) -> ResponseReturnValue:
            request.max_content_length = LARGEST_WEBHOOK
            if not verify(request.headers, _read_body()):
                raise ApiError(403, "bad-signature", "this call is not signed as agreed: check the secret")
            return view(**arguments)

        setattr(run, _MARK, True)
        return run

    return decorate


def is_webhook() -> bool:
    """Return whether this request is for a webhook."""
    return hasattr(current_app.view_functions.get(request.endpoint or ""), _MARK)


def _refuse_other_bodies() -> None:
    writes = request.path.startswith("/api/") and request.method in ("POST", "PUT", "PATCH", "DELETE")
    if not writes or is_webhook() or not _read_body():
        return
    try:
        body = request.get_json()
    except BadRequest:
        raise ApiError(400, "malformed", "the body is no JSON: check its syntax") from None
    if not isinstance(body, dict):
        raise ApiError(422, "invalid", "the body must be a JSON object")


def _read_body() -> bytes:
    """Return the raw body; later reads of this request get the same.

    Raises:
        RequestEntityTooLarge: it is larger than this request's limit.
    """
    data = request.get_data(cache=True)
    if request.content_length is None and len(data) >= (request.max_content_length or 0):
        raise RequestEntityTooLarge  # Werkzeug silently cuts a body of unknown length at the limit
    return data
