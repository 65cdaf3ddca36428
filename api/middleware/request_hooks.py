"""Hooks around every request: its id, its log line, a check of its body, and security headers."""

import json
import re
import time
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, g, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.middleware.proxy_fix import ProxyFix

from api.errors import ApiError
from api.models.base import new_id
from configs.settings import settings

LARGEST_BODY = 64 * 1024  # bytes; the largest body that makes sense is an alert with its limits
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


def register_request_hooks(app: Flask) -> None:
    """Give requests an id and a log line, refuse bodies other than JSON, add security headers to responses."""
    if hops := settings().proxy_hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.json = StrictJson(app)
    app.json.sort_keys = False
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.before_request(_assign_request_id)
    app.before_request(_refuse_other_bodies)
    app.after_request(_add_security_headers)
    app.after_request(_log_request)


def _assign_request_id() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else str(new_id())
    g.began = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _refuse_other_bodies() -> None:
    """Refuse a body other than a JSON object."""
    if not request.path.startswith("/api/") or request.method not in ("POST", "PUT", "PATCH"):
        return
    data = request.get_data(cache=True)
    if request.content_length is None and len(data) >= LARGEST_BODY:
        raise RequestEntityTooLarge  # Werkzeug silently cuts a body of unknown length at the limit
    if not data:
        return
    try:
        body = request.get_json()
    except BadRequest:
        raise ApiError(400, "malformed", "the body is no JSON: check its syntax") from None
    if not isinstance(body, dict):
        raise ApiError(422, "invalid", "the body must be a JSON object")


def _add_security_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if urlsplit(str(settings().api_url)).scheme == "https":
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if "Authorization" in request.headers or request.path.startswith("/l/"):
        response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Request-ID"] = g.request_id
    return response


def _log_request(response: Response) -> Response:
    # The rule, not the path: the path of a link contains its token.
    log.info(
        "request",
        method=request.method,
        route=str(request.url_rule),
        status=response.status_code,
        milliseconds=round((time.perf_counter() - g.began) * 1000, 1),
    )
    return response
