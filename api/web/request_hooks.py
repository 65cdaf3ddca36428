"""Hooks of every request: its id, log line, security headers, CORS for the web front end alone, and its body.

A body has a largest size and is a JSON object; for webhooks the latter does not hold.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

import json
import re
import time
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, current_app, g, request
from flask.json.provider import DefaultJSONProvider
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.middleware.proxy_fix import ProxyFix

from api.ground.errors import ApiError
from api.models.base import new_id
from api.web.openapi import find_operations
from configs.settings import settings

_REQUEST_ID = re.compile(r"[\w-]{8,64}", re.ASCII)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Links in mails carry their token in the path.
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
log = structlog.get_logger(__name__)


def register_request_hooks(app: Flask) -> None:
    """Give requests an id and a log line, add security headers to responses."""
    if hops := settings().proxy_hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.before_request(_assign_request_id)
    app.after_request(_add_security_headers)
    app.after_request(_log_request)


def _assign_request_id() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else str(new_id())
    g.began = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _add_security_headers(response: Response) -> Response:
    added = _HEADERS | {"X-Request-ID": g.request_id}
    if urlsplit(str(settings().api_url)).scheme == "https":
        added["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    if "Authorization" in request.headers or request.path.startswith("/l/"):
        added["Cache-Control"] = "no-store"
    present = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 -- it iterates over pairs
    response.headers.extend({name: value for name, value in added.items() if name.lower() not in present})
    return response


def _log_request(response: Response) -> Response:
    refused = response.status_code >= HTTPStatus.BAD_REQUEST
    # The rule, not the path: the path of a link contains its token.
    log.info(
        "request",
        method=request.method,
        route=str(request.url_rule),
        status=response.status_code,
        milliseconds=round((time.perf_counter() - g.began) * 1000, 1),
        **({"user": str(g.user_id)} if refused and "user_id" in g else {}),
    )
    return response


_ALLOWED_SECONDS = "600"
_EXPOSED = "X-Request-ID, Retry-After"


def allow_front_end(app: Flask) -> None:
    """Allow the front end's origin. There are no cookies, hence no credentials."""
    parts = urlsplit(str(settings().frontend_url).rstrip("/"))
    origin = f"{parts.scheme}://{parts.netloc}"

    @app.after_request
    def _allow(response: Response) -> Response:
        response.vary.add("Origin")
        if request.headers.get("Origin") == origin:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED
            if request.method == "OPTIONS":
                response.headers.update(_describe_route(response))
        return response


def _describe_route(options: Response) -> dict[str, str]:
    """Return what a browser may send to the route of a preflight: its methods, and the headers that it reads."""
    operations = find_operations(request.url_rule).values() if request.url_rule else ()
    headers = {
        "Authorization": any(each.get("security") for each in operations),
        "Content-Type": any("requestBody" in each for each in operations),
        "X-Request-ID": True,
    }
    return {
        "Access-Control-Allow-Methods": ", ".join(sorted(options.allow)),
        "Access-Control-Allow-Headers": ", ".join(name for name, is_read in headers.items() if is_read),
        "Access-Control-Max-Age": _ALLOWED_SECONDS,
    }


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
