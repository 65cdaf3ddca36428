"""A server's listening socket that can be closed and opened again: meanwhile connections to it are refused."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import web

from deploy.sandbox.sockets import bind_socket


class Listener:
    """The listening socket of one application; its address and port stay the same."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner
        self._site: web.SockSite | None = None
        self._address: tuple[str, int] | None = None
        self._turn = asyncio.Lock()

    async def open(self, made: socket.socket | None = None) -> None:
        """Accept connections, at first on the bound socket `made`. Does nothing where it is open.

        Raises:
            OSError: another program took the port while it was closed.
        """
        async with self._turn:
            if self._site is None:
                made = made or bind_socket(*(self._address or ("127.0.0.1", 0)))
                self._address = made.getsockname()
                self._site = web.SockSite(self._runner, made)
                await self._site.start()

    async def close(self) -> None:
        """Refuse connections from now on; those that stand are not touched."""
        async with self._turn:
            if self._site is not None:
                await self._site.stop()
                self._site = None


def reset_connection(request: web.Request) -> None:
    """End the connection of a request by RST: closing with a linger time of zero sends it instead of FIN."""
    transport = request.transport
    if transport is not None:
        peer: socket.socket = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
