"""Browser sessions for a command, outside of a crawl."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.settings import Settings
from scrapy.statscollectors import DummyStatsCollector
from scrapy.utils.reactor import is_reactor_installed
from twisted.internet import asyncioreactor

from crawler.browser.context_options import ContextOptions
from crawler.browser.pool import Browsers, browsers_of
from crawler.browser.session import BrowserSession
from crawler.fetching.request_budget import RequestBudget

if TYPE_CHECKING:
    from crawler.browser.check_page import CheckPage


@asynccontextmanager
async def browsers_outside() -> AsyncIterator[Browsers]:
    """Provide browsers, which start with the first page and are all ended at exit.

    scrapy-playwright needs the settings, statistics and reactor of a crawl; they are created, but not started.
    """
    if not is_reactor_installed():
        install: Any = asyncioreactor.install
        install(asyncio.get_running_loop())
    chosen = Settings()
    chosen.setmodule("crawler.settings")
    crawler = Crawler(Spider, chosen)
    crawler.stats = DummyStatsCollector(crawler)
    browsers = browsers_of(crawler)
    try:
        yield browsers
    finally:
        await browsers.close()


def session_outside(
    browsers: Browsers,
    budget: RequestBudget,
    guise: ContextOptions,
    largest: int,
    posted: list[bytes] | None = None,
) -> BrowserSession:
    """Return a session with its own page, which the caller must close.

    `largest` is in bytes of HTML; `posted` collects the bodies that the page's scripts post, if it is a list.
    """

    async def by_tab(request: Request) -> Response:
        """Open a request in its tab, as the download handler does in a crawl."""
        tab: CheckPage = request.meta["tab"]
        tab.traffic.posted = posted
        return await tab.download(request)

    return BrowserSession(by_tab, largest, budget, browsers=browsers, guise=guise)
