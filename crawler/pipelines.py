"""Scrapy's item pipeline: hands the checks of a crawl to its batch writer while the crawl goes on."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Self

from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured

from crawler.items import CheckBatch
from crawler.recording.batch_writer import Writer
from crawler.scheduling.due_queue import stop_grace_seconds

_ITEM_SECONDS = 0.2  # after which an item has left the pipelines


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
        """Make the spider's writer, before it starts: its dispatcher looks how far that is behind."""
        spider: Any = self._crawler.spider
        self._writer = spider.writer = Writer(str(spider.queue))

    def process_item(self, item: Any) -> Any:
        """Take checks, pass all else on."""
        if isinstance(item, CheckBatch):
            for check in item.checks:
                self._writer.put(check)
        scraping = self._scraping()
        if scraping and scraping.closing:
            asyncio.get_running_loop().call_later(_ITEM_SECONDS, self._look_again_for_items)
        return item

    def _look_again_for_items(self) -> None:
        """Let Scrapy close the spider once no item is in a pipeline.

        It looks for one as it closes the spider, by its age or memory, and after each response. Our items come from
        `start()` without a response: with one in a pipeline at that moment the spider would go on for ever.
        https://github.com/scrapy/scrapy/blob/2.19/scrapy/core/scraper.py (`_check_if_closing`)
        """
        scraping = self._scraping()
        if scraping and scraping.closing and scraping.is_idle() and not scraping.closing.called:
            scraping.closing.callback(self._crawler.spider)

    def _scraping(self) -> Any:
        """Return what Scrapy keeps of responses and items under way; None once the spider is closed."""
        return self._crawler.engine.scraper.slot

    async def close_spider(self) -> None:
        """Write what is left, off the event loop, once the dispatcher has handed over all of it."""
        if end := self._writer.on_close:
            with suppress(TimeoutError):
                await asyncio.wait_for(end(), 2 * stop_grace_seconds())
        # On a thread of its own: names without an answer may hold all of the loop's.
        await asyncio.get_running_loop().run_in_executor(
            ThreadPoolExecutor(1), self._writer.close, stop_grace_seconds()
        )
