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


@pytest.mark.rule("3.9")
def test_a_connection_that_is_lost_is_asked_again_by_nobody_who_does_not_count(held: Held) -> None:
    with wire(lambda connection, _: connection.close()) as site:
        with pytest.raises(DownloadFailedError):
            ask(held, site.address)
        assert len(site.requests) == 1
