"""Download handler: a cancelled request ends its download, none leaves this machine, names are given up in time."""

import asyncio
import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy import Request
from scrapy.http import Response

from crawler.fetching.download_handler import DnsResolver, send_request, unpack
from crawler.fetching.errors import Broken, NotAccepted, TooLarge
from crawler.url_policy import AddressRefused
from tests.crawler.held import Held
from tests.crawler.wire import answer, silent, wire
from tests.in_turn import in_turn
from tests.waiting import PATIENCE, until


@pytest.fixture
def ask(held: Held) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    return partial(send_request, held.spider.crawler)


@pytest.mark.rule("3.7")
def test_a_check_that_is_cancelled_closes_its_connection(
    held: Held, ask: Callable[[Request], Coroutine[Any, Any, Response]]
) -> None:
    left = []

    def wait(connection: socket.socket, request: bytes) -> None:
        silent(connection, request)
        left.append(request)

    async def ask_and_leave() -> None:
        request = Request(site.address, meta={"download_timeout": 2 * PATIENCE})
        asking = asyncio.ensure_future(ask(request))
        await asyncio.to_thread(until, lambda: site.requests)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert asking.cancelled()

    with wire(wait) as site:
        held.run(ask_and_leave())
        until(lambda: left)


@pytest.mark.rule("3.11")
@pytest.mark.parametrize("by_engine", [False, True])
def test_neither_way_leaves_this_machine(held: Held, by_engine: bool) -> None:
    crawler = held.spider.crawler
    ask = crawler.engine.download_async if by_engine else partial(send_request, crawler)
    with pytest.raises(AddressRefused):
        held.run(ask(Request("https://www.essonne.gouv.fr/")))


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give a name that no server answers for until the test is over."""
    over, really = threading.Event(), socket.getaddrinfo

    def ask(host: str, *how: Any, **more: Any) -> Any:
        if host == "dead.invalid":
            over.wait(200)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return really(host, *how, **more)

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    yield "dead.invalid"
    over.set()


def test_names_that_nobody_answers_for_are_given_up_and_hold_up_no_other(
    held: Held, ask: Callable[[Request], Coroutine[Any, Any, Response]], dead: str
) -> None:
    async def look() -> list[Any]:
        await ask(Request(site.address))  # the first request widens the loop's executor
        names = DnsResolver(2)
        asked = [names.resolve(name, 80) for name in (*[dead] * 50, "localhost")]
        return await asyncio.gather(*asked, return_exceptions=True)

    with wire(answer()) as site:
        first, second, *_, other = held.run(look())
    assert "no answer for dead.invalid within 2 s" in str(first)
    assert isinstance(first, OSError)
    assert isinstance(second, OSError)
    assert other[0]["hostname"] == "localhost"


LIMIT = 10_000
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "": lambda body: body,
    "identity": lambda body: body,
}


@given(st.binary(max_size=LIMIT), st.sampled_from(sorted(PACK)))
def test_what_was_packed_comes_out_again(body: bytes, name: str) -> None:
    assert unpack(PACK[name](body), f"identity, {name}", LIMIT) == body


@given(st.binary(min_size=1, max_size=500), st.sampled_from(["gzip", "deflate"]), st.data())
def test_whatever_is_missing_at_the_end_is_noticed(body: bytes, name: str, data: st.DataObject) -> None:
    packed = PACK[name](body)
    kept = data.draw(st.integers(1, len(packed) - 1))
    with pytest.raises(Broken):
        unpack(packed[:kept], name, LIMIT)


@given(st.binary(min_size=1, max_size=500))
def test_no_body_raises_anything_else(body: bytes) -> None:
    for name in ("gzip", "deflate"):
        with suppress(Broken, TooLarge):
            assert len(unpack(body, name, LIMIT)) <= LIMIT


def test_members_of_a_gzip_follow_one_another_and_padding_is_left() -> None:
    assert unpack(gzip.compress(b"bon") + gzip.compress(b"jour") + b"\0\0", "gzip", LIMIT) == b"bonjour"


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(TooLarge, match="more than 10000 bytes"):
        unpack(gzip.compress(b"\0" * 50_000_000), "gzip", LIMIT)
    with pytest.raises(TooLarge):
        unpack(gzip.compress(b"x" * 6000) * 2, "gzip", LIMIT)


def test_no_more_than_ten_members_of_a_gzip_are_unpacked() -> None:
    member = gzip.compress(b"x")
    assert unpack(member * 10, "gzip", LIMIT) == b"x" * 10
    with pytest.raises(Broken, match="more than 10 members"):
        unpack(member * 11, "gzip", LIMIT)


@in_turn("encodings", ["UTF-8", "utf-8", "none", "8bit", "binary", "chunked", "UTF-8, identity"])
def test_an_encoding_that_names_no_compression_is_ignored_where_the_body_is_text(encodings: str) -> None:
    assert unpack(b"<p>Aucun</p>", encodings, LIMIT) == b"<p>Aucun</p>"
    with pytest.raises(NotAccepted):
        unpack(b"\0\1 packed", encodings, LIMIT)


def test_an_encoding_that_was_not_asked_for_is_named() -> None:
    for encodings in ("zstd", "gzip, zstd", "gzip, gzip"):
        with pytest.raises(NotAccepted, match=f"'{encodings}'"):
            unpack(b"x", encodings, LIMIT)
