"""Decompression of bodies, with proof that they are whole: half a page could look like an empty calendar."""

import zlib

from scrapy.http import Response

# zlib's own numbers: 16 more than the window for a gzip wrapper, negative for none
# (https://docs.python.org/3/library/zlib.html#zlib.decompressobj).
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_MAGIC = b"\x1f\x8b"
ENCODINGS = "gzip, deflate"  # what is asked for
_MOST_MEMBERS = 10  # of a gzip: each copies what is behind it
_KINDS = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (_ZLIB, _RAW)}  # some servers send deflate bare


class Broken(ValueError):
    """The body ends too early or is no such encoding."""


class NotAccepted(ValueError):
    """An encoding that was not asked for."""


class TooLarge(ValueError):
    """More than we read."""


def unpack_response(response: Response, limit: int) -> tuple[bytes, dict[str, str]]:
    """Return a response's body without its encodings, and its headers (see `headers_of`).

    Raises:
        Broken, NotAccepted, TooLarge: as `unpack` says.
    """
    headers = headers_of(response)
    return unpack(response.body, headers.get("content-encoding", ""), limit), headers


def headers_of(response: Response) -> dict[str, str]:
    """Return a response's headers by their names in lower case; repeated ones are joined."""
    return {
        name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
        for name, values in response.headers.items()
    }


def unpack(body: bytes, encodings: str, limit: int) -> bytes:
    """Return the body without the encoding that Content-Encoding names.

    Raises:
        Broken: it is cut short or corrupt.
        NotAccepted: it has an encoding that we do not ask for, or several.
        TooLarge: it unpacks to more than `limit` bytes.
    """
    named = [name for each in encodings.split(",") if (name := each.strip().lower()) not in ("", "identity")]
    if not named:
        return body
    if len(named) > 1 or named[0] not in _KINDS:
        raise NotAccepted(f"it is encoded as {encodings[:40]!r}, which was not asked for")
    problem = ""
    for kind in _KINDS[named[0]]:
        try:
            return _inflate(body, kind, limit)
        except zlib.error as error:
            problem = problem or str(error)
    raise Broken(f"its {named[0]} is corrupt: {problem}")


def _inflate(body: bytes, kind: int, limit: int) -> bytes:
    plain = b""
    if not body:
        return plain
    for _ in range(_MOST_MEMBERS):  # gzip may come in several, one after the other (RFC 1952, section 2.2)
        stream = zlib.decompressobj(kind)
        plain += stream.decompress(body, limit + 1 - len(plain))
        if len(plain) > limit:
            raise TooLarge(f"it unpacks to more than {limit} bytes")
        if not stream.eof:
            raise Broken("it is packed and cut short")
        body = stream.unused_data
        if not body.startswith(_MAGIC):
            return plain
    raise Broken(f"it is packed in more than {_MOST_MEMBERS} members")
