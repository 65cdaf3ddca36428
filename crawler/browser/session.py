"""Session of one check through a browser, the counterpart of crawler/fetching/session.py."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response

from configs.ground.hosts import resolve_stand_in
from configs.settings import settings
from configs.world.desk import Desk
from crawler.browser.check_page import CheckPage
from crawler.browser.context_options import ContextOptions
from crawler.browser.limits import BROWSER_DEADLINE_SECONDS
from crawler.browser.pool import Browsers, browsers_of
from crawler.fetching.decompression import TooLarge
from crawler.fetching.errors import KNOWN, FetchError, to_fetch_error
from crawler.fetching.proxies import ProxySession
from crawler.fetching.request_budget import RequestBudget
from crawler.fetching.request_builder import RequestStep, first_step
from crawler.fetching.session import Download, Session, human_delay
from crawler.reading import Outcome, Page, PageRequest, VisitContext


class BrowserSession(Session):
    """Opens each request in the check's page, which keeps its cookies, does its actions and reads the page.

    `largest` is in bytes of HTML; `budget` pays for requests by crawler/browser/request_policy.py.
    """

    def __init__(
        self,
        download: Download,
        largest: int,
        budget: RequestBudget,
        *,
        browsers: Browsers,
        guise: ContextOptions,
        way: ProxySession | None = None,
    ) -> None:
        super().__init__(download, BROWSER_DEADLINE_SECONDS(), largest, budget, way=way)
        self._browsers, self._guise = browsers, guise
        self._tab: CheckPage | None = None
        self._ask: PageRequest | None = None

    async def fetch(
        self, ask: PageRequest, visit: VisitContext, forbidden: Callable[[str, str], bool]
    ) -> Page:
        """Open a request, do its actions and return the page; redirects are followed as by HTTP.

        Raises:
            FetchError: there is no page; it has the outcome and the reason.
            BudgetExhausted: no request is left.
        """
        step = first_step(ask, None, visit.url)
        if step.kind == "socket":
            raise FetchError(Outcome.UNREADABLE, f"no browser opens {step.url}: its desk needs `fetch: http`")
        tab = await self._open_tab()
        self._ask = ask
        tab.traffic.expect(_as_opened(step.url), forbidden)
        try:
            response = await self._answer(step)
        finally:
            self.requests = tab.traffic.requests
        page = self._page(_as_named(response.url, step.url), response, ask, visit)
        return replace(page, skipped_actions=tab.done.skipped_actions, failed_action=tab.done.failed_action)

    async def close(self) -> None:
        """Release the page."""
        if self._tab:
            tab, self._tab = self._tab, None
            await self._browsers.leave(tab)

    async def _open_tab(self) -> CheckPage:
        if not self._tab:
            try:
                self._tab = await self._browsers.tab(self._guise, self._budget)
            except KNOWN as error:
                raise to_fetch_error(error, "no page was opened") from error
        return self._tab

    async def _send(self, step: RequestStep) -> Response:
        assert self._tab and self._ask  # noqa: S101, PT018 -- set by fetch
        self.clock.start()
        if (left := self.clock.left) <= 0:
            raise TimeoutError(f"the {self.clock.deadline:g} s of this check are over")
        if self._way:
            self._tab.wire.via = (await self._way.proxy()).url
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(left) as limit:

            async def pause() -> None:
                await self.clock.pause(human_delay())
                limit.reschedule(loop.time() + self.clock.left)

            meta = {"tab": self._tab, "ask": self._ask, "pause": pause}
            url, headers = _as_opened(step.url), step.headers
            response = await self._download(
                Request(url, method=step.method, headers=headers, body=step.body, meta=meta, dont_filter=True)
            )
        if self._way:
            self._way.answered = True
        if len(response.body) > self._largest:
            raise TooLarge(f"{len(response.body)} bytes show, {self._largest} are read at most")
        return response


def session_of(
    desk: Desk,
    crawler: Crawler,
    download: Download,
    budget: RequestBudget,
    way: ProxySession | None = None,
) -> BrowserSession:
    """Return the session of a check of a desk with `fetch: browser`; nothing is started yet."""
    largest = crawler.settings.getint("DOWNLOAD_MAXSIZE")
    return BrowserSession(
        download, largest, budget, browsers=browsers_of(crawler), guise=ContextOptions.of(desk), way=way
    )


def _as_opened(url: str) -> str:
    """Return an address for the browser: stand-ins have no TLS, and keep the names of their hosts."""
    if resolve_stand_in(url, settings().sandbox_hosts) == url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme="http", netloc=parts.hostname or ""))


def _as_named(url: str, asked: str) -> str:
    """Return a page's address as outside of the sandbox."""
    if resolve_stand_in(url, settings().sandbox_hosts) == url:
        return url
    return urlunsplit(urlsplit(url)._replace(scheme=urlsplit(asked).scheme))
