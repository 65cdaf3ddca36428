"""A small real proxy on loopback: plain requests and tunnels (CONNECT), with a password where one is wanted."""

import base64
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from configs.settings.proxies import Proxy, parse_proxies
from tests.crawler.wire import Say, Wire, answer, wire

_ASKS = answer(b"who are you?", "407 Proxy Authentication Required", Proxy_Authenticate='Basic realm="tests"')


@contextmanager
def relay(user: str = "", say: Say | None = None) -> Iterator[tuple[Proxy, Wire]]:
    """Serve until the block ends: `user` (`name:password`) is asked for, `say` answers in its place.

    Give the proxy as PROXY_LIST names it, and what it was asked: `CONNECT host:port` or `GET http://…`.
    """
    wanted = f"proxy-authorization: basic {base64.b64encode(user.encode()).decode()}".lower().encode()

    def serve(connection: socket.socket, request: bytes) -> None:
        if user and wanted not in request.lower():
            _ASKS(connection, request)
        elif say:
            say(connection, request)
        else:
            _pass_on(connection, request)

    with wire(serve) as served:
        place = served.address.removeprefix("http://")
        (proxy,) = parse_proxies(f"http://{user}@{place}" if user else served.address)
        yield proxy, served


def _pass_on(connection: socket.socket, request: bytes) -> None:
    method, target, rest = request.split(b" ", 2)
    place, _, path = target.removeprefix(b"http://").partition(b"/")
    host, _, port = place.decode().partition(":")
    with socket.create_connection((host, int(port))) as site:
        if method == b"CONNECT":
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            site.sendall(method + b" /" + path + b" " + rest)
        _both_ways(connection, site)


def _both_ways(one: socket.socket, other: socket.socket) -> None:
    opposite = {one: other, other: one}
    while True:
        for ready in select.select([one, other], [], [], 10)[0]:
            said = ready.recv(65536)
            if not said:
                return
            opposite[ready].sendall(said)
