import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from scrapy.core.scraper import Slot
from twisted.internet.defer import Deferred

from crawler.pipelines import RecordPipeline
from crawler.recording.batch_writer import Writer
from crawler.scheduling.due_queue import CrawlQueue
from crawler.spiders.booking_systems import PrefenligneSpider


class Crawler:
    """As much of Scrapy's crawler as a pipeline knows."""

    spider = SimpleNamespace(queue=CrawlQueue("prefenligne"))
    spidercls = PrefenligneSpider

    def __init__(self) -> None:
        self.engine = SimpleNamespace(scraper=SimpleNamespace(slot=Slot()))


@pytest.fixture
def crawler() -> Any:
    return Crawler()


def opened(crawler: Any) -> tuple[RecordPipeline, Writer]:
    pipeline = RecordPipeline.from_crawler(crawler)
    pipeline.open_spider()
    return pipeline, crawler.spider.writer


def test_the_writer_ends_after_the_feeder_has_handed_over_everything(
    crawler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, writer = opened(crawler)
    order: list[str] = []
    monkeypatch.setattr(writer, "close", lambda _: order.append("closed"))

    async def test() -> None:
        async def feed() -> None:
            await asyncio.sleep(0)
            order.append("fed")

        writer.on_close = feed
        await pipeline.close_spider()

    asyncio.run(test())
    assert order == ["fed", "closed"]


@pytest.mark.rule("3.6")
def test_the_event_loop_goes_on_while_the_last_checks_are_written(
    crawler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, writer = opened(crawler)
    turned = threading.Event()
    waited: list[bool] = []
    monkeypatch.setattr(writer, "close", lambda _: waited.append(turned.wait(60)))

    async def test() -> None:
        closing = asyncio.create_task(pipeline.close_spider())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.01, turned.set)
        await closing

    asyncio.run(test())
    assert waited == [True]


@pytest.mark.rule("3.6")
def test_the_last_checks_are_written_while_names_that_nobody_answers_for_hold_the_loops_threads(
    crawler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, writer = opened(crawler)
    answered, closed = threading.Event(), threading.Event()
    monkeypatch.setattr(writer, "close", lambda _: closed.set())

    async def test() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        loop.run_in_executor(None, answered.wait, 60)
        try:
            await asyncio.wait_for(pipeline.close_spider(), 10)
        finally:
            answered.set()

    asyncio.run(test())
    assert closed.is_set()


def test_scrapy_closes_the_spider_though_an_item_was_in_a_pipeline_as_it_began_to(crawler: Any) -> None:
    pipeline, slot = opened(crawler)[0], crawler.engine.scraper.slot

    async def test() -> None:
        slot.closing, slot.itemproc_size = Deferred(), 1
        pipeline.process_item(None)
        await asyncio.sleep(0.3)
        assert not slot.closing.called
        pipeline.process_item(None)
        slot.itemproc_size = 0
        async with asyncio.timeout(60):
            await slot.closing.asFuture(asyncio.get_running_loop())

    asyncio.run(test())
