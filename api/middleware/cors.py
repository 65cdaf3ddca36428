"""CORS headers for the web front end, and for no other site.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from urllib.parse import urlsplit

from flask import Flask, Response, request

from configs.settings import settings

_ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Request-ID",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = "X-Request-ID, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"


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
                response.headers.update(_ALLOWED)
        return response
