"""Listening sockets: bound before anything starts, so that a taken port is one clear message; closed and opened again.

While one is closed connections to it are refused.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aiohttp import web

_BACKLOG: Final = 1024
_TRIES: Final = 20
_TURNS: Final = 5  # of the event loop, in which connections end


class PortTaken(Exception):
    """A port that cannot be had; the text says which, why, and what to do."""


def bind_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket that does not block.

    Raises:
        OSError: the port is taken, or this machine has no such address.
    """
    made = socket.create_server((host, port), backlog=_BACKLOG)
    made.settimeout(0)
    return made


def listen(hosts: Sequence[str], port: int, option: str) -> list[socket.socket]:
    """Return a listening socket for each host, all on one port (0: any that is free on all).

    Raises:
        PortTaken: names the address and the command line's ``option`` that moves it.
    """
    for left in reversed(range(_TRIES if port == 0 else 1)):
        bound: list[socket.socket] = []
        try:
            for host in hosts:
                # Port 0 is chosen by the first host; the others take the same.
                bound.append(bind_socket(host, bound[0].getsockname()[1] if bound else port))
        except OSError as error:
            for made in bound:
                made.close()
            if error.errno != errno.EADDRINUSE or not left:
                what = f"cannot listen on {host}:{port}: {error.strerror}"
                raise PortTaken(f"{what}; choose another port with {option} PORT") from error
        else:
            return bound
    raise PortTaken(f"no free port on {hosts[0]}; choose one with {option}")


class Listener:
    """The listening socket of one server; its address and port stay the same.

    Args:
        make_protocol: what serves a connection.
        list_transports: returns the connections that stand.
    """

    def __init__(
        self,
        make_protocol: Callable[[], asyncio.BaseProtocol],
        list_transports: Callable[[], Iterable[asyncio.BaseTransport | None]],
    ) -> None:
        self._make_protocol, self._list_transports = make_protocol, list_transports
        self._server: asyncio.Server | None = None
        self._address: tuple[str, int] = ("127.0.0.1", 0)
        self._turn = asyncio.Lock()

    async def open(self, made: socket.socket | None = None) -> None:
        """Accept connections, at first on the bound socket `made`. Does nothing where it is open.

        Raises:
            OSError: another program took the port while it was closed.
        """
        async with self._turn:
            if self._server is None:
                made = made or bind_socket(*self._address)
                self._address, loop = made.getsockname(), asyncio.get_running_loop()
                self._server = await loop.create_server(self._make_protocol, sock=made, backlog=_BACKLOG)

    async def close(self, *, at_once: bool = False) -> None:
        """Refuse connections from now on, and end those that stand: clients see their end before they send again.

        ``at_once`` waits for no reader, who may never read on.
        """
        async with self._turn:
            if self._server is not None:
                self._server.close()
                self._server = None
            for transport in self._list_transports():
                if isinstance(transport, asyncio.Transport):
                    (transport.abort if at_once else transport.close)()
            for _ in range(_TURNS):
                await asyncio.sleep(0)


def reset_connection(request: web.Request) -> None:
    """End the connection of a request by RST."""
    if request.transport is not None:
        reset_transport(request.transport)


def reset_transport(transport: asyncio.WriteTransport) -> None:
    """End a connection by RST: closing with a linger time of zero sends it instead of FIN."""
    peer: socket.socket = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
