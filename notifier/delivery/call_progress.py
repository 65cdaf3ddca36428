"""Progress of a call of a provider: whether its request may have left, and the connection that carries it.

It is kept by context, so that who waits for a call on another thread can ask, and can end it.
"""

import socket
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Protocol


class Connection(Protocol):
    """A connection of http.client or smtplib."""

    sock: socket.socket | None


_may_have_left: ContextVar[bool] = ContextVar("may_have_left", default=True)
_connection: ContextVar[Connection | None] = ContextVar("connection", default=None)


def begin() -> None:
    """Note that a call begins: nothing has left yet."""
    _may_have_left.set(False)
    _connection.set(None)


def note_connecting(connection: Connection) -> None:
    """Note the connection by which a request is about to leave."""
    _connection.set(connection)


def note_leaving(connection: Connection) -> None:
    """Note that from now on the provider may have the request."""
    _connection.set(connection)
    _may_have_left.set(True)


def may_have_left(of: Context | None = None) -> bool:
    """Return whether the last request that a context sent may have left; True where it sent none by these rules."""
    return (of or copy_context()).get(_may_have_left, True)


def end(of: Context) -> None:
    """Shut down the connection of a context, on whose thread a read fails then."""
    connection = of.get(_connection)
    if connection is not None and (sock := connection.sock) is not None:
        with suppress(OSError):  # closed meanwhile
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
