"""The progress pictures of the wizard, drawn as plain coloured PNG: grey to come, red now, green done."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import Final

_COLOURS: Final = {"": (0xE5, 0xE5, 0xE5), "r": (0xE1, 0x00, 0x0F), "G": (0x18, 0x75, 0x3C)}
_WIDTH: Final = 129
_HEIGHT: Final = 6


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@cache
def picture(mark: str) -> bytes:
    """Return a PNG in the colour of ``mark``: "" (to come), "r" (current), "G" (done)."""
    row = b"\0" + bytes(_COLOURS[mark]) * _WIDTH
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(row * _HEIGHT))
        + _chunk(b"IEND", b"")
    )
