"""A server's listening socket that can be closed and opened again: meanwhile connections to it are refused."""

from __future__ import annotations

import asyncio
import socket
import struct
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from aiohttp import web

from deploy.sandbox.sockets import bind_socket

if TYPE_CHECKING:
    from collections.abc import Callable


class Listener(ABC):
    """The listening socket of one server; its address and port stay the same."""

    def __init__(self) -> None:
        self._is_open = False
        self._address: tuple[str, int] | None = None
        self._turn = asyncio.Lock()

    @abstractmethod
    async def _start(self, made: socket.socket) -> None:
        """Accept connections on a bound socket."""

    @abstractmethod
    async def _stop(self) -> None:
        """Close the socket; leave connections that stand alone."""

    async def open(self, made: socket.socket | None = None) -> None:
        """Accept connections, at first on the bound socket `made`. Does nothing where it is open.

        Raises:
            OSError: another program took the port while it was closed.
        """
        async with self._turn:
            if not self._is_open:
                made = made or bind_socket(*(self._address or ("127.0.0.1", 0)))
                self._address = made.getsockname()
                await self._start(made)
                self._is_open = True

    async def close(self) -> None:
        """Refuse connections from now on; those that stand are not touched."""
        async with self._turn:
            if self._is_open:
                await self._stop()
                self._is_open = False


class WebListener(Listener):
    """The listening socket of a web application."""

    def __init__(self, runner: web.AppRunner) -> None:
        super().__init__()
        self._runner = runner
        self._site: web.SockSite | None = None

    async def _start(self, made: socket.socket) -> None:
        self._site = web.SockSite(self._runner, made)
        await self._site.start()

    async def _stop(self) -> None:
        if self._site is not None:
            await self._site.stop()


class ProtocolListener(Listener):
    """The listening socket of a protocol of asyncio."""

    def __init__(self, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        super().__init__()
        self._make_protocol = make_protocol
        self._server: asyncio.Server | None = None

    async def _start(self, made: socket.socket) -> None:
        self._server = await asyncio.get_running_loop().create_server(self._make_protocol, sock=made)

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()


def reset_connection(request: web.Request) -> None:
    """End the connection of a request by RST."""
    if request.transport is not None:
        reset_transport(request.transport)


def reset_transport(transport: asyncio.WriteTransport) -> None:
    """End a connection by RST: closing with a linger time of zero sends it instead of FIN."""
    peer: socket.socket = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
