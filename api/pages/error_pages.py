"""Error pages in the page's language. They read nothing from a store: one may be why there is an error."""

from http import HTTPStatus

from flask import Flask, Response, make_response, render_template, request

from api.errors import ApiError
from api.middleware.problems import use_error_pages

_KNOWN = {403, 404, 410, 429, 500, 503}


def register_error_pages(app: Flask) -> None:
    """Answer errors by pages, everywhere but below /api/ and where a script asks for JSON."""
    use_error_pages(app, wants_page, render_error)


def wants_page() -> bool:
    """Return whether this request's errors are answered by a page."""
    if request.path.startswith("/api/"):
        return False
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) != "application/json"


def render_error(error: ApiError) -> Response:
    """Return the page of an error; texts of the error itself are for programs, and not shown."""
    family = (
        error.status
        if error.status in _KNOWN
        else 500
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        else 400
    )
    wait = error.headers.get("Retry-After", "")
    minutes = -(-int(wait) // 60) if wait.isdigit() else None
    page = render_template("errors/error.html", status=error.status, family=family, minutes=minutes)
    return make_response(page, error.status)
