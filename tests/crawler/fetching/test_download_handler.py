"""The download handler beyond what test_fetch_wire.py and test_outcomes.py ask of a whole check."""

from typing import Any

import pytest
from scrapy import Request
from scrapy.exceptions import DownloadFailedError
from scrapy.http import HtmlResponse, Response

from tests.crawler.held import Held
from tests.crawler.wire import answer, wire


def ask(held: Held, url: str, **how: Any) -> Response:
    return held.run(held.spider.crawler.engine.download_async(Request(url, dont_filter=True, **how)))


def test_an_answer_is_what_scrapy_knows_it_as(held: Held) -> None:
    with wire(answer(b"<p>h\xe9</p>", Content_Type="text/html; charset=latin-1", Set_Cookie="a=1")) as site:
        page = ask(held, f"{site.address}/x?y=%2F")
        assert site.lines == ["GET /x?y=%2F HTTP/1.1"]
    assert isinstance(page, HtmlResponse)
    assert (page.status, page.url, page.css("p::text").get()) == (200, f"{site.address}/x?y=%2F", "hé")
    assert page.headers[b"set-cookie"] == b"a=1"


def test_every_header_is_kept_and_none_is_added(held: Held) -> None:
    with wire(answer(b"", Set_Cookie="a=1\r\nSet-Cookie: b=2")) as site:
        page = ask(held, site.address, headers={"Accept": None, "X-One": "1"})
        head = site.requests[0].decode().split("\r\n")[1:]
    assert page.headers.getlist("Set-Cookie") == [b"a=1", b"b=2"]
    sent = {line.partition(":")[0].lower() for line in head if line}
    assert sent == {
        "host",
        "x-one",
        "accept-language",
        "accept-encoding",
        "user-agent",
    }


def test_headers_that_are_not_utf_8_are_kept_as_they_are(held: Held) -> None:
    said = (
        b"HTTP/1.1 302 Found\r\nServer: Pr\xe9fecture\r\nLocation: /cr\xe9neau\r\nContent-Length: 0\r\n\r\n"
    )
    with wire(lambda connection, _: connection.sendall(said)) as site:
        page = ask(held, site.address)
    assert (page.headers["Server"], page.headers["Location"]) == (b"Pr\xe9fecture", b"/cr\xe9neau")


@pytest.mark.rule("3.9")
def test_a_connection_that_is_lost_is_asked_again_by_nobody_who_does_not_count(held: Held) -> None:
    with wire(lambda connection, _: connection.close()) as site:
        with pytest.raises(DownloadFailedError):
            ask(held, site.address)
        assert len(site.requests) == 1


@pytest.mark.parametrize("missing", ["Accept", "Accept-Encoding", "User-Agent", "Content-Type"])
def test_nothing_is_added_for_a_header_that_a_request_leaves_out(held: Held, missing: str) -> None:
    """Without `skip_auto_headers` aiohttp adds its own."""
    given = dict.fromkeys(("Accept", "Accept-Encoding", "User-Agent", "Content-Type"), "1")
    with wire(answer(b"")) as site:
        ask(held, site.address, method="POST", body=b"x", headers=given | {missing: None})
        head = site.requests[0].decode().lower()
    assert f"\r\n{missing.lower()}:" not in head
    assert all(f"\r\n{name.lower()}: 1" in head for name in given if name != missing)
