"""Item pipeline: hands finished checks to the batch writer while the crawl goes on."""

import asyncio
from contextlib import suppress
from typing import Any, Self

from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured

from crawler.items import CheckBatch
from crawler.recording.batch_writer import writer_of
from crawler.scheduling.queues import STOP_GRACE_SECONDS


class RecordPipeline:
    """Hands each check to the crawl's writer and waits for nothing."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build it as Scrapy asks for it.

        Raises:
            NotConfigured: nothing is checked: a person looks at a page (`scrapy fetch`, `scrapy shell`).
        """
        if not hasattr(crawler.spidercls, "system"):
            raise NotConfigured
        return cls(crawler)

    def open_spider(self) -> None:
        """Make the writer, so that it is there before the first check ends."""
        spider: Any = self._crawler.spider
        self._writer = writer_of(self._crawler, str(spider.queue))

    def process_item(self, item: Any) -> Any:
        """Take checks, pass all else on."""
        if isinstance(item, CheckBatch):
            for check, read_at in item.checks:
                self._writer.put(check, read_at)
        return item

    async def close_spider(self) -> None:
        """Write what is left, off the event loop, once the dispatcher has handed over all of it."""
        if told := self._writer.on_close:
            told()
        if self._writer.fed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._writer.fed.wait(), 2 * STOP_GRACE_SECONDS())
        await asyncio.to_thread(self._writer.close, STOP_GRACE_SECONDS())
