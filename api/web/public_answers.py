"""Responses of public routes: ETag, Cache-Control, gzip, and 304 where the client has the same body.

Only what is the same for everybody is compressed, here and on public pages: beside input that comes back in it, the
size of what is one person's would tell of its secrets, such as the token of a form (https://breachattack.com). Files
are compressed by nginx. https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
"""

import gzip
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from flask import Response, request
from sqlalchemy.orm import Session

from api.ground.cache import MAX_AGE, answer_cache, digest_body
from api.ground.schemas import Answer
from api.models.base import read_once
from configs.ground.database_errors import is_away

_SMALLEST = 1024  # bytes of a body that is worth it
_LEVEL = 6
_MARK = "-gzip"  # of the ETag of a packed body


def pack_body(response: Response) -> None:
    """Pack a body with gzip where the browser takes it; its ETag then is another one."""
    response.vary.add("Accept-Encoding")
    if request.accept_encodings.quality("gzip") <= 0 or response.status_code == HTTPStatus.NOT_MODIFIED:
        return
    body = response.get_data()
    if len(body) < _SMALLEST or "Content-Encoding" in response.headers:
        return
    response.set_data(gzip.compress(body, _LEVEL, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    response.set_etag(f"{response.get_etag()[0]}{_MARK}")


A = TypeVar("A", bound=Answer)
T = TypeVar("T")
_CONTROL = f"public, max-age={MAX_AGE:.0f}"
# https://www.rfc-editor.org/rfc/rfc9211: whether our own cache had the answer
_STATUS = {
    "hit": "rdvpriority; hit",
    "miss": "rdvpriority; fwd=miss; stored",
    "bypass": "rdvpriority; fwd=bypass",
}


def read_cached(kind: type[A], key: str, read: Callable[[Session], A]) -> A:
    """Return what the route of this key answers, from the same cache, or read it. For pages."""
    found = answer_cache().get(key, lambda: read_once(read).as_bytes())
    return kind.model_validate_json(found.body)


def read_unless_away(read: Callable[[], T]) -> T | None:
    """Return what is read, None while the database is away: the rest of a page needs none."""
    try:
        return read()
    except Exception as error:
        if not is_away(error):
            raise
        return None


def answer_cached(key: str, read: Callable[[Session], Answer]) -> Response:
    """Return an answer from the cache, or read it. Its age tells caches on the way how long it may still be kept."""
    return answer_cached_bytes(key, lambda s: read(s).as_bytes())


def answer_cached_bytes(
    key: str, read: Callable[[Session], bytes], mimetype: str = "application/json"
) -> Response:
    """Do the same with a body of any type."""
    found = answer_cache().get(key, lambda: read_once(read))
    response = answer_public(found.body, mimetype)
    response.headers["Age"] = str(max(0, round(found.age)))
    response.headers["Cache-Status"] = _STATUS[found.source]
    return response


def answer_public(body: bytes, mimetype: str = "application/json") -> Response:
    """Return a body that everybody may keep for some seconds."""
    response = Response(body, mimetype=mimetype)
    response.set_etag(digest_body(body))
    response.headers["Cache-Control"] = _CONTROL
    pack_body(response)
    response.make_conditional(request)
    return response


PDF_TYPE = "application/pdf"


def build_pdf_response(pdf: bytes, name: str) -> Response:
    """Return a PDF, to be shown by the browser and saved under this name."""
    answer = Response(pdf, mimetype=PDF_TYPE)
    answer.headers.set("Content-Disposition", "inline", filename=f"{name}.pdf")
    return answer


def send_export(archive: bytes) -> Response:
    """Return the archive as a download that nothing on the way keeps."""
    response = Response(archive, mimetype="application/octet-stream")
    response.headers.set("Content-Disposition", "attachment", filename="rdvpriority-export.zip")
    response.headers["Cache-Control"] = "no-store"
    return response
