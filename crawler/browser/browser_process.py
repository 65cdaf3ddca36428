"""The browser of a crawl: scrapy-playwright's download handler, with its driver and Chromium as child processes.

The driver ends with this process, ends the browser with itself, and removes its files. The container limits memory.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Route
from playwright.async_api import Request as PageRequest
from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy_playwright.handler import ScrapyPlaywrightDownloadHandler

from configs.programs.browser_binary import arguments, browser_path, missing_browser, sandboxed
from crawler.browser import browser_start_seconds
from crawler.browser.egress_proxy import ONLY_WAY
from crawler.fetching.download_handler import add_threads
from crawler.fetching.errors import BrowserFailed

if TYPE_CHECKING:
    from scrapy import Request

    from crawler.browser.request_policy import RequestPolicy

log = logging.getLogger(__name__)

_END_SECONDS = 3.0


class Browser(ScrapyPlaywrightDownloadHandler):  # type: ignore[misc]  # scrapy-playwright has no types
    """A running browser with its driver. `policies` are those of the open pages, by the names of their contexts."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.policies: dict[str, RequestPolicy] = {}
        self.version = ""
        self.config.target_closed_max_retries = 0  # a browser that dies ends its check
        self.config.launch_options = {
            "executable_path": str(browser_path()),
            "args": [*arguments(), *ONLY_WAY],
            "headless": True,
            "chromium_sandbox": sandboxed(),
            # We end the browser ourselves.
            **dict.fromkeys(("handle_sigint", "handle_sigterm", "handle_sighup"), False),
        }

    async def start(self) -> None:
        """Start the browser, or start it again if it died; raises what Playwright raises."""
        if not hasattr(self, "browser_provider"):
            await self._launch()
        await self._maybe_launch_browser()
        self.version = str(self.browser.version)

    async def _download_request_with_page(self, request: "Request", page: Page, spider: object) -> Response:  # noqa: ARG002
        """Open a request's address. The session reads the page after all actions; the base class would at once."""
        request.meta["playwright_page"] = page
        await page.goto(request.url, wait_until="commit", timeout=0)  # the check has a deadline of its own
        return Response(request.url)

    def _make_request_handler(self, **given: Any) -> Callable[[Route, PageRequest], Awaitable[None]]:
        """Return the handler of a page's requests, which go as the browser makes them, or not at all."""
        policy = self.policies[given["context_name"]]

        async def handle(route: Route, request: PageRequest) -> None:
            with suppress(PlaywrightError):  # the page is gone
                await (route.abort() if await policy.aborts(request) else route.continue_())

        return handle


class Browsers:
    """The browser of a crawl. One that does not respond is ended, and the next check has another."""

    def __init__(self, crawler: Crawler) -> None:
        add_threads(crawler.settings.getint("REACTOR_THREADPOOL_MAXSIZE"))
        self._crawler = crawler
        self._starting = asyncio.Lock()
        self._current: Browser | None = None

    async def take(self) -> Browser:
        """Return the browser, started, or started again if it died.

        Raises:
            crawler.fetching.errors.BrowserFailed: there is none, or it does not start.
        """
        if missing := missing_browser():
            raise BrowserFailed(missing)
        async with self._starting:
            browser = self._current = self._current or Browser(self._crawler)
            try:
                async with asyncio.timeout(browser_start_seconds()):
                    await browser.start()
            except Exception as error:  # noqa: BLE001 -- Playwright has no error class for a dead driver
                await self.end(browser)
                said = str(error).strip().splitlines()[:1] or [type(error).__name__]
                raise BrowserFailed(
                    f"{browser_path()} does not start (see make browser): {said[0][:200]}"
                ) from None
            return browser

    async def end(self, browser: Browser) -> None:
        """End a browser; where it does not respond its driver is ended, which kills it."""
        if browser is self._current:
            self._current = None
        parts: tuple[Any, ...] = browser, getattr(browser, "browser_provider", browser)
        for part in parts:
            try:
                async with asyncio.timeout(_END_SECONDS):
                    await part.close()
            except Exception as error:  # noqa: BLE001 -- it is killed after any error
                log.debug("a browser is killed: %r", error)
            else:
                return

    async def close(self) -> None:
        """End the browser of a crawl that ends."""
        if self._current:
            await self.end(self._current)


@cache
def browsers_of(crawler: Crawler) -> Browsers:
    """Return the browser of a crawl, which ends with it; it is not started yet."""
    made = Browsers(crawler)
    crawler.signals.connect(made.close, signals.engine_stopped)
    return made
