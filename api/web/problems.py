"""Error responses: problem details (RFC 9457) for every error, without internals."""

import re
from collections.abc import Callable
from http import HTTPStatus

import structlog
from flask import Flask, Response, current_app, g, make_response, request
from gunicorn.http.errors import ParseException
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)

from api.ground.errors import ApiError, invalid
from api.ground.schemas import FieldError, Problem
from configs.ground.database_errors import passes, refuses_writes
from configs.ground.encryption import DecryptionFailed

TYPE = "tag:rdvpriority.fr,2026:problem:"  # RFC 9457, section 3.1.1: a tag where nothing can be fetched
MEDIA_TYPE = "application/problem+json"
_WORDS = {  # where it is not the status's own name
    400: "malformed",
    401: "not-signed-in",
    413: "too-large",
    415: "not-json",
    422: "invalid",
    500: "internal",
    503: "unavailable",
}
_NO_PARENT = "23503"  # https://www.postgresql.org/docs/18/errcodes-appendix.html
_PAGES = "rdvpriority-error-pages"
log = structlog.get_logger(__name__)


def use_error_pages(app: Flask, wanted: Callable[[], bool], render: Callable[[ApiError], Response]) -> None:
    """Answer the errors of requests that want a page by what `render` returns."""
    app.extensions[_PAGES] = (wanted, render)


def build_response(refused: ApiError) -> Response:
    """Return the response: a page for people, otherwise problem details."""
    response: Response
    wanted, render = current_app.extensions.get(_PAGES, (lambda: False, None))
    if wanted():
        response = render(refused)
    else:
        problem = Problem(
            type=TYPE + refused.word,
            title=_get_title(refused.status),
            status=refused.status,
            detail=refused.detail,
            request_id=g.get("request_id"),
            errors=refused.errors or None,
            plans=refused.plans or None,
            lost=refused.lost or None,
            available_from=refused.available_from,
        )
        response = make_response(problem.as_json(), refused.status)
        response.mimetype = MEDIA_TYPE
    response.headers.update(refused.headers)
    return response


def build_validation_response(error: ValidationError) -> Response:
    """Return the response to a body, query or path that fails validation."""
    return build_response(invalid(*list_field_errors(error)))


def list_field_errors(error: ValidationError) -> list[FieldError]:
    """Return the validation errors by path. They repeat no input, which may be a password."""
    return [
        FieldError(
            path=".".join(str(part) for part in each["loc"]),
            rule=each["type"],
            detail=_rephrase_message(each["msg"]),
        )
        for each in error.errors(include_input=False, include_context=False, include_url=False)
    ]


def _rephrase_message(message: str) -> str:
    """Return pydantic's message for a person: it calls the characters of a secret items."""
    text = message.removeprefix("Value error, ")
    if text.startswith("Value should have at"):
        text = re.sub(r"items? after validation", "characters", text)
    return text


def register_error_handlers(app: Flask) -> None:
    """Register the handlers that answer every error of the app."""
    app.register_error_handler(ApiError, build_response)
    app.register_error_handler(HTTPException, _answer_http_error)
    broken = ApiError(400, "malformed", "the body's chunks cannot be read: check how they are sent")
    app.register_error_handler(ParseException, lambda _: build_response(broken))
    app.register_error_handler(IntegrityError, _answer_deleted_account)
    app.register_error_handler(DBAPIError, _answer_database_error)
    app.register_error_handler(PoolTimeout, _answer_database_error)
    app.register_error_handler(DecryptionFailed, _answer_missing_key)
    app.register_error_handler(Exception, _answer_unexpected_error)


def _answer_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    word = _WORDS.get(status) or _get_title(status).lower().replace(" ", "-")
    headers = {
        name: value for name, value in error.get_headers() if name.lower() not in ("content-type", "location")
    }
    return build_response(ApiError(status, word, _find_advice(error) or _get_title(status), headers=headers))


def _find_advice(error: HTTPException) -> str | None:
    """Return what to do; Werkzeug's own description says only what is wrong."""
    if isinstance(error, NotFound):
        return "there is nothing at this address: /api/docs lists the routes"
    if isinstance(error, MethodNotAllowed):
        methods = sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"})
        return f"not this method; allowed here: {', '.join(methods)}"
    if isinstance(error, RequestEntityTooLarge):
        return f"the body is too large: send {request.max_content_length} bytes at most"
    if isinstance(error, UnsupportedMediaType):
        return "send the body as JSON, with Content-Type: application/json"
    return error.description


def _answer_database_error(error: Exception) -> Response:
    if not passes(error):
        return _answer_unexpected_error(error)
    cause = getattr(error, "orig", None) or error
    said = "the database takes no writes" if refuses_writes(error) else "the database does not answer"
    log.error(said, error=type(cause).__name__)
    return build_response(ApiError(503, "unavailable", f"{said}: try again", headers={"Retry-After": "5"}))


def _answer_deleted_account(error: IntegrityError) -> Response:
    """Answer a request whose account was deleted while it waited."""
    diagnosis = getattr(error.orig, "diag", None)
    is_orphan = getattr(error.orig, "pgcode", None) == _NO_PARENT
    if not (is_orphan and str(getattr(diagnosis, "constraint_name", "")).endswith("_user_id")):
        return _answer_unexpected_error(error)
    return build_response(ApiError(401, "token-revoked", "this account is deleted"))


def _answer_missing_key(_error: Exception) -> Response:
    log.error("a row is unreadable: check DATA_KEYS")
    detail = "a key of this service is missing: try again later, or write to support"
    return build_response(ApiError(503, "unavailable", detail, headers={"Retry-After": "600"}))


def _answer_unexpected_error(error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return build_response(ApiError(500, "internal", "unexpected error: it is logged under this requestId"))


def _get_title(status: int) -> str:
    return HTTPStatus(status).phrase
