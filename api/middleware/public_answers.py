"""Responses of public routes: ETag, Cache-Control, gzip, and 304 where the client has the same body."""

from collections.abc import Callable
from typing import TypeVar

from flask import Response, request
from sqlalchemy.orm import Session

from api.cache import MAX_AGE, answer_cache, digest_body
from api.middleware.compression import pack_body
from api.models.base import autocommit_session
from api.schemas import Answer

A = TypeVar("A", bound=Answer)
_CONTROL = f"public, max-age={MAX_AGE:.0f}"
# https://www.rfc-editor.org/rfc/rfc9211: whether our own cache had the answer
_STATUS = {
    "hit": "rdvpriority; hit",
    "miss": "rdvpriority; fwd=miss; stored",
    "bypass": "rdvpriority; fwd=bypass",
}


def answer_public(body: bytes, mimetype: str = "application/json") -> Response:
    """Return a body that everybody may keep for some seconds."""
    return _respond(body, mimetype)


def read_cached(kind: type[A], key: str, read: Callable[[Session], A]) -> A:
    """Return what the route of this key answers, from the same cache, or read it. For pages."""

    def build() -> bytes:
        with autocommit_session() as s:
            return read(s).as_bytes()

    return kind.model_validate_json(answer_cache().get(key, build).body)


def answer_cached(key: str, read: Callable[[Session], Answer]) -> Response:
    """Return an answer from the cache, or read it. Its age tells caches on the way how long it may still be kept."""
    return answer_cached_bytes(key, lambda s: read(s).as_bytes())


def answer_cached_bytes(
    key: str, read: Callable[[Session], bytes], mimetype: str = "application/json"
) -> Response:
    """Do the same with a body of any type."""

    def build() -> bytes:
        with autocommit_session() as s:
            return read(s)

    found = answer_cache().get(key, build)
    response = _respond(found.body, mimetype)
    response.headers["Age"] = str(max(0, round(found.age)))
    response.headers["Cache-Status"] = _STATUS[found.source]
    return response


def _respond(body: bytes, mimetype: str) -> Response:
    response = Response(body, mimetype=mimetype)
    response.set_etag(digest_body(body))
    response.headers["Cache-Control"] = _CONTROL
    pack_body(response)
    response.make_conditional(request)
    return response
