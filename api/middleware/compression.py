"""Compression of bodies that are the same for everybody: public pages, and public answers of the API.

What is one person's is not compressed: beside input that comes back in it, its size would tell of its secrets, such as
the token of a form (https://breachattack.com). Files are compressed by nginx.
https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
"""

import gzip
from http import HTTPStatus

from flask import Response, request

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
