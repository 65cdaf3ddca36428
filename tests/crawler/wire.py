"""A server that says on the wire whatever a test wants, also what is no HTTP."""

import base64
import datetime as dt
import ipaddress
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from configs.settings.proxies import Proxy, parse_proxies

Say = Callable[[socket.socket, bytes], None]


def silent(connection: socket.socket, _: bytes) -> None:
    """Say nothing until the other side has gone."""
    connection.recv(1)


@dataclass
class Wire:
    """Where it listens, and the requests that it was sent, whole, in order."""

    address: str
    requests: list[bytes] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        return [request.split(b"\r\n", 1)[0].decode() for request in self.requests]


@contextmanager
def wire(
    say: Say, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, *, buffered: int | None = None
) -> Iterator[Wire]:
    """Serve until the block ends. `say(connection, request)` answers; the connection is then closed.

    `buffered`: bytes that the kernel takes of a visitor before they are read.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                connection = tls.wrap_socket(self.request, server_side=True) if tls else self.request
                with connection:
                    if request := _read(connection):
                        served.requests.append(request)
                        say(connection, request)
            except OSError:
                return  # the visitor went away, as some tests want

    server = socketserver.ThreadingTCPServer((host, 0), Handler)
    server.daemon_threads = True
    if buffered:
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffered)
    server.block_on_close = False
    scheme = "https" if tls else "http"
    served = Wire(f"{scheme}://{host}:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="wire")
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _read(connection: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        got += chunk
        if got.startswith(b"\x16"):  # a TLS handshake, which has no end of lines to wait for
            return got
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> Say:
    """Return what says one whole HTTP answer; header names are written with underscores."""
    said = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body))}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    whole = f"HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n".encode() + body
    return lambda connection, _: connection.sendall(whole)


# A small real proxy on loopback: plain requests and tunnels (CONNECT), with a password where one is wanted.


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


# A server with TLS.


def self_signed(folder: Path) -> Path:
    """Write a self-signed certificate for 127.0.0.1 with its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start.replace(year=2100))
    whole = builder.add_extension(here, critical=False).sign(key, hashes.SHA256())
    pem = folder / "site.pem"
    unlocked = serialization.NoEncryption()
    pem.write_bytes(
        whole.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unlocked)
    )
    return pem


def serving(pem: Path) -> ssl.SSLContext:
    """Return what a server of this certificate needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
