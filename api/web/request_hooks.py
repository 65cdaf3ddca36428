"""Hooks of every request: its id, log line, security headers, and CORS for the web front end alone.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

import re
import time
from http import HTTPStatus
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

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
_ALLOWED_SECONDS = "600"
_EXPOSED = "X-Request-ID, Retry-After"


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
