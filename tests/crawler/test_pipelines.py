import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from crawler.recording.batch_writer import RecordPipeline, Writer
from crawler.scheduling.queues import CrawlQueue
from crawler.spiders.booking_systems import PrefenligneSpider


class Crawler:
    """As much of Scrapy's crawler as a pipeline knows."""

    spider = SimpleNamespace(queue=CrawlQueue("prefenligne"))
    spidercls = PrefenligneSpider


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
