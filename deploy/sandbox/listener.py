"""Listening sockets: bound before anything starts, so that a taken port is one clear message; closed and opened again.

While one is closed connections to it are refused.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import ExitStack

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
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    made.settimeout(0)
    return made


def listen(unserved: ExitStack, hosts: Sequence[str], port: int, option: str) -> list[socket.socket]:
    """Return a listening socket for each host, all on one port (0: any that is free on all); the stack closes them.

    Raises:
        PortTaken: names the address and the command line's ``option`` that moves it.
    """
    for left in reversed(range(_TRIES if port == 0 else 1)):
        bound: list[socket.socket] = []
        try:
            for host in hosts:
                # Port 0 is chosen by the first host; the others take the same.
                bound.append(bind_socket(host, bound[0].getsockname()[1] if bound else port))
                unserved.callback(bound[-1].close)
        except OSError as error:
            for made in bound:
                made.close()
            if error.errno != errno.EADDRINUSE or not left:
                raise PortTaken(_explain(error, f"{host}:{port}", option)) from error
        else:
            return bound
    raise PortTaken(f"no free port on {hosts[0]}; choose one with {option}")


def _explain(error: OSError, where: str, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{where} is taken: stop what listens there or choose another port with {option} PORT"
    if error.errno == errno.EADDRNOTAVAIL:
        host = where.split(":", maxsplit=1)[0]
        return f"this machine has no address {host}; on macOS add it: sudo ifconfig lo0 alias {host} up"
    return f"cannot listen on {where}: {error.strerror}; choose another port with {option} PORT"


class Listener:
    """The listening socket of one server; its address and port stay the same.

    ``start`` accepts connections on a bound socket; it returns what closes the socket and leaves connections alone.
    """

    def __init__(self, start: Callable[[socket.socket], Awaitable[Callable[[], Awaitable[None]]]]) -> None:
        self._start = start
        self._stop: Callable[[], Awaitable[None]] | None = None
        self._address: tuple[str, int] = ("127.0.0.1", 0)
        self._turn = asyncio.Lock()

    async def open(self, made: socket.socket | None = None) -> None:
        """Accept connections, at first on the bound socket `made`. Does nothing where it is open.

        Raises:
            OSError: another program took the port while it was closed.
        """
        async with self._turn:
            if self._stop is None:
                made = made or bind_socket(*self._address)
                self._address = made.getsockname()
                self._stop = await self._start(made)

    async def close(self) -> None:
        """Refuse connections from now on, and end those that stand."""
        async with self._turn:
            if self._stop is not None:
                await self._stop()
                self._stop = None


def listen_web(runner: web.AppRunner) -> Listener:
    """Return the listener of a web application."""

    async def start(made: socket.socket) -> Callable[[], Awaitable[None]]:
        site = web.SockSite(runner, made)
        await site.start()

        async def stop() -> None:
            await site.stop()
            # A server that is away keeps no connection: its clients see their end before they send again.
            for connection in runner.server.connections if runner.server else ():
                connection.force_close()
            for _ in range(_TURNS):
                await asyncio.sleep(0)

        return stop

    return Listener(start)


def listen_protocol(make_protocol: Callable[[], asyncio.Protocol]) -> Listener:
    """Return the listener of a protocol of asyncio."""

    async def start(made: socket.socket) -> Callable[[], Awaitable[None]]:
        server = await asyncio.get_running_loop().create_server(make_protocol, sock=made)

        async def stop() -> None:
            server.close()

        return stop

    return Listener(start)


def reset_connection(request: web.Request) -> None:
    """End the connection of a request by RST."""
    if request.transport is not None:
        reset_transport(request.transport)


def reset_transport(transport: asyncio.WriteTransport) -> None:
    """End a connection by RST: closing with a linger time of zero sends it instead of FIN."""
    peer: socket.socket = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
