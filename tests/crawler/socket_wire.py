"""The other end of a WebSocket, by hand (RFC 6455), so that a test can break any rule of it."""

import base64
import hashlib
import json
import re
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
TEXT, BYTES, CLOSE = 1, 2, 8
PING = b"\x89\x7d" + b"p" * 125  # one frame


@dataclass
class Talk:
    """Accepts the handshake, hears one message, says `frames` and then closes with `code`.

    `code` None: it just drops the connection; 0: it says nothing more until the client goes. `heard` are the
    messages, `closed` the codes with which clients said good-bye.
    """

    frames: list[str | bytes]
    code: int | None = 1000
    heard: list[Any] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)

    def __call__(self, connection: socket.socket, request: bytes) -> None:
        accept_socket(connection, request)
        self.heard.append(json.loads(_frame(connection)[1]))
        for each in self.frames:
            raw = each.encode() if isinstance(each, str) else each
            connection.sendall(_framed(TEXT if isinstance(each, str) else BYTES, raw))
        if self.code is None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if self.code:
            connection.sendall(_framed(CLOSE, struct.pack(">H", self.code)))
        kind, said = _frame(connection)
        if kind == CLOSE:
            self.closed.append(struct.unpack(">H", said[:2])[0])
            connection.sendall(_framed(CLOSE, said))


def accept_socket(connection: socket.socket, request: bytes) -> None:
    """Answer a handshake."""
    key = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
    assert key, request
    accept = base64.b64encode(hashlib.sha1(key[1] + _MAGIC, usedforsecurity=False).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def _framed(kind: int, raw: bytes) -> bytes:
    length = (
        struct.pack(">BB", 0x80 | kind, len(raw))
        if len(raw) < 126
        else struct.pack(">BBH", 0x80 | kind, 126, len(raw))
        if len(raw) < 65536
        else struct.pack(">BBQ", 0x80 | kind, 127, len(raw))
    )
    return length + raw


def _frame(connection: socket.socket) -> tuple[int, bytes]:
    """Read one of the client's frames: always masked, never long."""
    first, second = _read(connection, 2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", _read(connection, 2))
    mask, raw = _read(connection, 4), _read(connection, length)
    return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(raw))


def _read(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        chunk = connection.recv(size - len(got))
        if not chunk:
            raise ConnectionError("the client went away")
        got += chunk
    return got
