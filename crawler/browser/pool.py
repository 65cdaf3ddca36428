"""The browsers of one process: started when a check needs one, replaced when used up, ended when idle."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any
from weakref import WeakKeyDictionary

from scrapy import signals
from scrapy.crawler import Crawler

from crawler.browser.browser_process import Browser
from crawler.browser.check_page import CheckPage
from crawler.browser.context_options import ContextOptions
from crawler.browser.egress_proxy import EgressProxy
from crawler.browser.limits import BROWSER_IDLE_SECONDS, BROWSER_PLACES
from crawler.browser.request_policy import RequestPolicy
from crawler.fetching.request_budget import RequestBudget
from crawler.fetching.ssrf_guard import PublicNames

log = logging.getLogger(__name__)

_POOLS: "WeakKeyDictionary[Crawler, Browsers]" = WeakKeyDictionary()


class Browsers:
    """Up to BROWSER_PLACES checks at once in one browser. A used-up browser ends with its last check."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        settings_ = crawler.settings
        self._names = PublicNames(
            settings_.getfloat("DNS_TIMEOUT"), settings_.getint("REACTOR_THREADPOOL_MAXSIZE")
        )
        self._places = asyncio.Semaphore(BROWSER_PLACES())
        self._starting = asyncio.Lock()
        self._current: Browser | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: asyncio.TimerHandle | None = None

    async def tab(self, guise: ContextOptions, budget: RequestBudget) -> CheckPage:
        """Wait for a place and return a new page for a check; `leave` releases it.

        Raises:
            crawler.fetching.errors.BrowserFailed: no browser starts.
            OSError: no port is left for its egress proxy.
        """
        await self._places.acquire()
        try:
            tab = CheckPage(await self._fit(), guise, RequestPolicy(budget), EgressProxy(self._names))
        except BaseException:
            self._places.release()
            raise
        try:
            await tab.begin()
        except BaseException:
            await self.leave(tab)
            raise
        return tab

    async def leave(self, tab: CheckPage) -> None:
        """Close a check's page; if that fails, its browser is replaced. The check's result is unaffected."""
        browser = tab.browser
        try:
            if not await tab.close():
                browser.lost = True
            self._beside(browser.weigh())
        except Exception:  # any failure is solved by a new browser
            log.exception("a browser is replaced: a page of it did not end well")
            browser.lost = True
        finally:
            self._places.release()
            if browser.used_up and not (browser.tabs and not browser.lost):
                self._end(browser)
            self._wait_idle()

    async def close(self) -> None:
        """End all browsers."""
        if self._idle:
            self._idle.cancel()
        if self._current:
            self._end(self._current)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._names.close()

    async def _fit(self) -> Browser:
        """Return a browser with room for one more check."""
        if self._idle:
            self._idle.cancel()
        async with self._starting:
            if self._current and self._current.used_up and not self._current.tabs:
                self._end(self._current)
            if not self._current or self._current.used_up:
                browser = Browser(self._crawler)
                await browser.start()
                self._current = browser
            return self._current

    def _wait_idle(self) -> None:
        """End the browser after BROWSER_IDLE_SECONDS without a check."""
        if self._current and not self._current.tabs:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(BROWSER_IDLE_SECONDS(), self._end_idle)

    def _end_idle(self) -> None:
        if self._current and not self._current.tabs:
            self._end(self._current)

    def _end(self, browser: Browser) -> None:
        if browser is self._current:
            self._current = None
        self._beside(browser.end())

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task in the background."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def browsers_of(crawler: Crawler) -> Browsers:
    """Return the browsers of a crawl, which end with it; none is started yet."""
    if crawler not in _POOLS:
        _POOLS[crawler] = Browsers(crawler)
        crawler.signals.connect(_POOLS[crawler].close, signals.engine_stopped)
    return _POOLS[crawler]
