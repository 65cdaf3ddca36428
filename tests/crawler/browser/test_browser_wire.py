"""A page's only way to the network, spoken to as a browser speaks to a SOCKS proxy."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from scrapy import Spider
from scrapy.crawler import Crawler
from scrapy.settings import Settings

from crawler.browser.browser_process import browsers_of
from crawler.browser.egress_proxy import EgressProxy
from crawler.fetching.errors import ProxyFailed, TooLarge
from crawler.fetching.ssrf_guard import PublicNames
from crawler.url_policy import AddressRefused
from tests.crawler.wire import Say, answer, relay
from tests.crawler.wire import wire as served_by
from tests.in_turn import in_turn

HELLO = b"\5\1\0"
GET = b"GET /rdv?b=c HTTP/1.1\r\nHost: www.example.fr\r\n\r\n"


def target(address: str) -> bytes:
    """Return what a browser sends to be connected to `http://name:port`."""
    parts = urlsplit(address)
    name, port = (parts.hostname or "").encode(), parts.port or 80
    return b"\5\1\0\3" + bytes([len(name)]) + name + port.to_bytes(2)


def ask(said: bytes, via: str | None = None) -> tuple[bytes, EgressProxy]:
    """Return what comes back to the end, the greeting aside, and the proxy that it came by."""

    async def asked() -> tuple[bytes, EgressProxy]:
        made = EgressProxy(5)
        made.via = via
        place = urlsplit(await made.open())
        assert place.scheme == "socks5"
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(said)
        got = b""
        with suppress(ConnectionError):
            got = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        made.close()
        return got.removeprefix(b"\5\0"), made

    return asyncio.run(asked())


def opened(address: str, via: str | None = None) -> tuple[bytes, EgressProxy]:
    """Ask a host by an open way; return its answer, empty where it was not opened."""
    got, proxy = ask(HELLO + target(address) + GET, via)
    return (got[10:] if got.startswith(b"\5\0") else b""), proxy


def test_a_connection_carries_bytes_both_ways() -> None:
    with served_by(answer(b"ok")) as site:
        got, proxy = opened(site.address)
    assert got.endswith(b"\r\n\r\nok")
    assert (site.requests, proxy.troubles) == ([GET], {})


@in_turn("address", ["http://www.example.fr:80", "http://www.example.fr:443", "http://10.0.0.1:81"])
def test_what_may_not_be_asked_is_not_opened_and_says_why(address: str) -> None:
    got, proxy = ask(HELLO + target(address) + GET)
    assert got == b"\5\4\0\1" + bytes(6)
    assert isinstance(proxy.troubles[address.removeprefix("http://")], AddressRefused)


@in_turn(
    "said", [b"GET /", b"\4\1\0\5", b"\5\1\0\5\2\0\3\1a\0\5", b"\5\1\0\5\1\0\1\x7f\0\0\1\0\5", b"\5\1\0\5\1\0\3\1\xff\0\5"]
)  # fmt: skip
def test_what_is_no_request_of_a_browser_is_dropped(said: bytes) -> None:
    assert ask(said + bytes(300))[0] == b""


def test_a_private_network_is_refused_in_life_too(settings_env: Callable[..., None]) -> None:
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="true")
    with served_by(answer(b"ok")) as site:
        got, proxy = opened(site.address)
    assert (got, site.requests) == (b"", [])
    assert "is not on the public internet" in str(*proxy.troubles.values())


def test_a_stand_in_is_asked_in_place_of_its_host_without_tls(settings_env: Callable[..., None]) -> None:
    with served_by(answer(b"ok")) as site:
        settings_env(SANDBOX_HOSTS=f"www.example.fr={site.address.removeprefix('http://')}")
        opened("http://www.example.fr")
        _, proxy = opened("http://www.example.fr:443")
    assert site.requests == [GET]
    assert "speaks no TLS" in str(proxy.troubles["www.example.fr:443"])


def test_a_proxy_of_the_world_opens_the_way_with_its_key() -> None:
    with served_by(answer(b"ok")) as site, relay("me:p@ss") as (_, served):
        via = served.address.replace("http://", "http://me:p%40ss@")
        got, _ = opened(site.address, via)
    assert got.endswith(b"ok")
    assert served.lines == [f"CONNECT {site.address.removeprefix('http://')} HTTP/1.1"]


def test_a_proxy_in_a_private_network_is_asked_for_public_hosts_only(
    settings_env: Callable[..., None],
) -> None:
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="true")
    with served_by(answer(b"", "200 Connection established")) as proxy:
        opened("http://93.184.215.14", proxy.address)
        _, ours = opened("http://private.localhost", proxy.address)
    assert proxy.lines == ["CONNECT 93.184.215.14:80 HTTP/1.1"]
    assert ours.troubles.keys() == {"private.localhost:80"}


def test_a_check_receives_twenty_megabytes_at_most() -> None:
    with served_by(answer(bytes(21_000_000))) as site:
        got, proxy = opened(site.address)
    assert 19_000_000 < len(got) <= 20_000_000
    assert isinstance(next(iter(proxy.troubles.values())), TooLarge)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize(
    ("say", "said"),
    [
        (answer(b"", status="407 Proxy Authentication Required"), "answers HTTP/1.1 407"),
        (answer(b"", status="502 Bad Gateway"), "answers HTTP/1.1 502"),
        (lambda connection, _: connection.shutdown(socket.SHUT_RDWR), "broke off"),
        (lambda connection, _: reset(connection), "broke off"),
    ],
)
def test_a_proxy_that_fails_is_named(say: Say, said: str) -> None:
    with served_by(say) as proxy:
        _, ours = opened("http://127.0.0.1:9", proxy.address)
    trouble = ours.troubles["127.0.0.1:9"]
    assert isinstance(trouble, ProxyFailed)
    assert said in str(trouble)


def test_a_check_that_ends_closes_connections_that_have_only_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    async def end() -> bytes:
        made = EgressProxy(5)
        accept = made._accept

        def accept_and_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accept(reader, writer)
            made.close()  # before the connection's task has run

        monkeypatch.setattr(made, "_accept", accept_and_end)
        place = urlsplit(await made.open())
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        got = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return got

    assert asyncio.run(end()) == b""


@pytest.mark.rule("3.7")
def test_names_without_an_answer_hold_up_no_other_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]

    def hang(host: str, *_: Any, **__: Any) -> Any:
        return found if host == "localhost" else over.wait(60)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    chosen = Settings()
    chosen.setmodule("crawler.settings")
    crawler = Crawler(Spider, chosen)

    async def find() -> set[str]:
        browsers_of(crawler)  # as the first check by browser does
        names = PublicNames(5)
        hung = [asyncio.create_task(names.resolve(f"{number}.example.fr", 80)) for number in range(40)]
        await asyncio.sleep(0.1)  # they are asked first
        try:
            return {each["host"] for each in await names.resolve("localhost", 80, socket.AF_INET)}
        finally:
            over.set()
            await asyncio.gather(*hung, return_exceptions=True)

    assert asyncio.run(find()) == {"127.0.0.1"}
