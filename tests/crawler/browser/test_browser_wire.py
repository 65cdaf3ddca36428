"""A page's only way to the network, spoken to as a browser speaks to a proxy."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from crawler.browser.egress_proxy import EgressProxy
from crawler.fetching.decompression import TooLarge
from crawler.fetching.download_handler import DnsResolver
from crawler.fetching.errors import ProxyFailed
from crawler.fetching.ssrf_guard import PublicNames
from crawler.url_policy import AddressRefused
from tests.crawler.wire import Say, answer
from tests.crawler.wire import wire as served_by
from tests.in_turn import in_turn


@pytest.fixture
def names() -> Iterator[PublicNames]:
    made = PublicNames(5, 2)
    yield made
    asyncio.run(made.close())


def ask(names: PublicNames, request: str, via: str | None = None) -> tuple[bytes, EgressProxy]:
    """Return what comes back, to the end, and the wire that it came by."""

    async def asked() -> tuple[bytes, EgressProxy]:
        made = EgressProxy(names, DnsResolver(5, 2))
        made.via = via
        place = urlsplit(await made.open())
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(request.replace("\n", "\r\n").encode())
        got = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        made.close()
        return got, made

    return asyncio.run(asked())


def echo(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def test_a_request_arrives_as_a_server_wants_it_and_its_connection_serves_no_other(
    names: PublicNames,
) -> None:
    with served_by(echo) as site:
        host = site.address.removeprefix("http://")
        second = f"GET http://{host}/second HTTP/1.1\nHost: {host}\n\n"
        first = f"POST {site.address}/a?b=c HTTP/1.1\nHost: {host}\nProxy-Connection: keep-alive\nContent-Length: 3\n\nx=1"
        got, wire = ask(names, first + second)
    assert got.endswith(b"\r\n\r\nok")
    (request,) = site.requests
    assert request.startswith(b"POST /a?b=c HTTP/1.1\r\nHost: ")
    assert request.endswith(b"Connection: close\r\n\r\nx=1")
    assert b"Proxy-Connection" not in request
    assert wire.troubles == {}


def test_a_tunnel_carries_bytes_both_ways(names: PublicNames) -> None:
    with served_by(echo) as site:
        host = site.address.removeprefix("http://")
        got, _ = ask(names, f"CONNECT {host} HTTP/1.1\nHost: {host}\n\nGET /inner HTTP/1.1\nHost: x\n\n")
    assert got.startswith(b"HTTP/1.1 200 ")
    assert got.endswith(b"ok")
    assert site.lines == ["GET /inner HTTP/1.1"]


@in_turn(
    "request_line, host",
    [
        ("GET http://www.example.fr/ HTTP/1.1", "www.example.fr:80"),
        ("CONNECT www.example.fr:443 HTTP/1.1", "www.example.fr:443"),
        ("GET http://10.0.0.1:81/ HTTP/1.1", "10.0.0.1:81"),
    ],
)
def test_what_may_not_be_asked_is_not_opened_and_says_why(
    names: PublicNames, request_line: str, host: str
) -> None:
    got, wire = ask(names, f"{request_line}\nHost: x\n\n")
    assert got == b""
    assert isinstance(wire.troubles[host], AddressRefused)


@in_turn("line", ["GET /no-proxy-asked HTTP/1.1", "nonsense", "CONNECT nowhere HTTP/1.1", "\xff GET x"])
def test_what_is_no_request_of_a_browser_is_dropped(names: PublicNames, line: str) -> None:
    assert ask(names, f"{line}\n\n")[0] == b""


def test_a_private_network_is_refused_in_life_too(
    names: PublicNames, settings_env: Callable[..., None]
) -> None:
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="true")
    with served_by(echo) as site:
        got, wire = ask(names, f"GET {site.address}/ HTTP/1.1\nHost: x\n\n")
    assert (got, site.requests) == (b"", [])
    assert "is not on the public internet" in str(*wire.troubles.values())


def test_a_stand_in_is_asked_under_its_hosts_own_name(
    names: PublicNames, settings_env: Callable[..., None]
) -> None:
    with served_by(echo) as site:
        settings_env(SANDBOX_HOSTS=f"www.example.fr={site.address.removeprefix('http://')}")
        ask(names, "GET http://www.example.fr/rdv HTTP/1.1\nHost: www.example.fr\n\n")
        _, wire = ask(names, "CONNECT www.example.fr:443 HTTP/1.1\nHost: x\n\n")
    assert site.lines == ["GET /rdv HTTP/1.1"]
    assert b"Host: www.example.fr" in site.requests[0]
    assert "speaks no TLS" in str(wire.troubles["www.example.fr:443"])


def test_by_a_proxy_of_the_world_it_goes_whole_with_the_key(names: PublicNames) -> None:
    with served_by(echo) as proxy:
        via = proxy.address.replace("http://", "http://me:p%40ss@")
        got, _ = ask(names, "GET http://127.0.0.1:9/rdv HTTP/1.1\nHost: 127.0.0.1:9\n\n", via)
        tunnelled, _ = ask(names, "CONNECT 127.0.0.1:9 HTTP/1.1\nHost: 127.0.0.1:9\n\n", via)
    assert got.endswith(b"ok")
    assert tunnelled.startswith(b"HTTP/1.1 200 Connection established")
    assert proxy.lines == ["GET http://127.0.0.1:9/rdv HTTP/1.1", "CONNECT 127.0.0.1:9 HTTP/1.1"]
    assert all(b"Proxy-Authorization: Basic bWU6cEBzcw==" in each for each in proxy.requests)


def test_a_proxy_in_a_private_network_is_asked_for_public_hosts_only(
    names: PublicNames, settings_env: Callable[..., None]
) -> None:
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="true")
    with served_by(echo) as proxy:
        got, _ = ask(names, "GET http://93.184.215.14/rdv HTTP/1.1\nHost: x\n\n", proxy.address)
        _, wire = ask(names, "GET http://private.localhost/ HTTP/1.1\nHost: x\n\n", proxy.address)
    assert (got[-2:], proxy.lines) == (b"ok", ["GET http://93.184.215.14/rdv HTTP/1.1"])
    assert wire.troubles.keys() == {"private.localhost:80"}


def test_a_check_receives_twenty_megabytes_at_most(names: PublicNames) -> None:
    with served_by(answer(bytes(21_000_000))) as site:
        got, wire = ask(names, f"GET {site.address}/ HTTP/1.1\nHost: x\n\n")
    assert 19_000_000 < len(got) <= 20_000_000
    assert isinstance(next(iter(wire.troubles.values())), TooLarge)


@pytest.mark.parametrize(
    ("say", "said"),
    [
        (answer(b"", status="407 Proxy Authentication Required"), "answers HTTP/1.1 407"),
        (answer(b"", status="502 Bad Gateway"), "answers HTTP/1.1 502"),
        (lambda connection, _: connection.close(), "broke off"),
    ],
)
def test_a_proxy_that_fails_is_named(names: PublicNames, say: Say, said: str) -> None:
    with served_by(say) as proxy:
        _, wire = ask(names, "CONNECT 127.0.0.1:9 HTTP/1.1\nHost: x\n\n", proxy.address)
    trouble: Any = wire.troubles["127.0.0.1:9"]
    assert isinstance(trouble, ProxyFailed)
    assert said in str(trouble)
