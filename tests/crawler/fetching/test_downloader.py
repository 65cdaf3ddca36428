"""DirectDownloader: nothing stays behind a request, and a cancelled one ends its download."""

import asyncio
import socket

import pytest
from scrapy import Request
from scrapy.exceptions import DownloadFailedError

from tests.crawler.held import Held
from tests.crawler.wire import answer, silent, wire
from tests.waiting import PATIENCE, until


def test_nothing_stays_behind_after_an_answer_or_a_failure(held: Held) -> None:
    engine = held.spider.crawler.engine
    with wire(answer(b"")) as site:
        held.run(engine.download_async(Request(site.address)))
    with wire(lambda connection, _: connection.close()) as site, pytest.raises(DownloadFailedError):
        held.run(engine.download_async(Request(site.address)))
    assert (engine.downloader.active, engine.downloader.slots) == (set(), {})


@pytest.mark.rule("3.7")
def test_a_check_that_is_cancelled_closes_its_connection(held: Held) -> None:
    engine, left = held.spider.crawler.engine, []

    def wait(connection: socket.socket, request: bytes) -> None:
        silent(connection, request)
        left.append(request)

    async def ask_and_leave() -> None:
        request = Request(site.address, meta={"download_timeout": 2 * PATIENCE})
        asking = asyncio.create_task(engine.download_async(request))
        await asyncio.to_thread(until, lambda: site.requests)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert asking.cancelled()

    with wire(wait) as site:
        held.run(ask_and_leave())
        until(lambda: left)
    assert engine.downloader.active == set()
