"""Fetches the few pages of one command outside of a crawl: within host budgets, never from a private network."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from time import monotonic
from typing import Self

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.settings import Settings

from configs.desk import is_stand_in
from configs.hosts import host_of, resolve_stand_in
from configs.prefecture import host_rules
from configs.settings import settings
from crawler.fetching.browser_headers import agent_for
from crawler.fetching.errors import to_fetch_error
from crawler.fetching.request_budget import RequestBudget
from crawler.fetching.session import Session
from crawler.fetching.ssrf_guard import OutsideHandler, OutsideSocketHandler, refuse_private
from crawler.platform_base import Platform
from crawler.platform_detection.identify import PARIS, page_of
from crawler.platforms import at_home, platforms
from crawler.reading import Page, PageRequest, VisitContext
from crawler.scheduling.intervals import host_floor
from crawler.scheduling.queues import HTTP_DEADLINE_SECONDS
from crawler.url_policy import AddressRefused, same_site

_BUDGET = 6  # requests a minute to a host without a rule of its own


class PageFetcher:
    """Makes at most `requests` requests, redirects counted, with the pauses that a real host's budget requires.

    `waits` is called before each pause, with its seconds and the host. With `browser`, pages are opened in a browser
    and follow redirects within their site; requests to a platform's API still go by HTTP.
    """

    def __init__(self, requests: int, waits: Callable[[float, str], None], *, browser: bool = False) -> None:
        self._browser = browser
        self._ends = AsyncExitStack()
        self._budget = RequestBudget(requests)
        self._waits = waits
        self._free: dict[str, float] = {}
        self._opened = ""
        self._bodies: list[bytes] = []

    @property
    def posted(self) -> list[Page]:
        """The bodies posted by scripts of the last opened page, as pages."""
        return [page_of(self._opened, body) for body in self._bodies]

    @property
    def hears(self) -> bool:
        """Whether pages are opened in a browser, where their scripts run."""
        return self._browser

    async def __aenter__(self) -> Self:
        """Create the download handlers; nothing is connected yet."""
        chosen = Settings()
        chosen.setmodule("crawler.settings")
        crawler = Crawler(Spider, chosen)
        self._settings = crawler.settings
        self._pages, self._sockets = OutsideHandler(crawler), OutsideSocketHandler(crawler)
        for handler in (self._pages, self._sockets):
            self._ends.push_async_callback(handler.close)
        if self._browser:
            from crawler.browser.standalone import browsers_outside  # noqa: PLC0415 -- loaded only for browser pages

            self._browsers = await self._ends.enter_async_context(browsers_outside())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._ends.aclose()

    async def open(self, url: str) -> Page:
        """Return the page of an address, after redirects to any public address.

        Raises:
            crawler.fetching.errors.FetchError: there is none; it says why.
            crawler.fetching.request_budget.BudgetExhausted: no request is left.
        """
        try:
            refuse_private(url)
        except AddressRefused as refusal:
            raise to_fetch_error(refusal, url) from refusal
        self._opened, self._bodies = url, []
        blank = page_of(url, b"")
        session = await self.session(url, across=True)
        try:
            page = await session.fetch(blank.ask, blank.visit, takes_a_slot)
        finally:
            await self.end_session(url, session)
        return replace(page, visit=replace(page.visit, url=page.url))

    async def ask(self, ask: PageRequest, visit: VisitContext) -> Page:
        """Return the answer to one request about a desk, counted in the budget of the desk's host.

        Raises:
            crawler.fetching.errors.FetchError: there is none; it says why.
            crawler.fetching.request_budget.BudgetExhausted: no request is left.
        """
        session = await self.session(visit.url)
        try:
            return await session.fetch(ask, visit, takes_a_slot)
        finally:
            await self.end_session(visit.url, session)

    async def session(self, url: str, *, across: bool = False) -> Session:
        """Wait until the address's host may be asked, and return a session with it; close it by `end_session`.

        Redirects to other sites are followed only with `across`.
        """
        host = host_of(url)
        if (seconds := self._free.get(host, 0.0) - monotonic()) > 0:
            self._waits(seconds, host)
            await asyncio.sleep(seconds)
        largest = self._settings.getint("DOWNLOAD_MAXSIZE")
        if across and self._browser:
            from crawler.browser.context_options import ContextOptions  # noqa: PLC0415 -- as above
            from crawler.browser.standalone import session_outside  # noqa: PLC0415 -- as above

            options = ContextOptions(str(PARIS))
            return session_outside(self._browsers, self._budget, options, largest, self._bodies)
        return Session(
            self._download,
            deadline=HTTP_DEADLINE_SECONDS(),
            largest=largest,
            budget=self._budget,
            agent=agent_for(host),
            stays=_anywhere if across else same_site,
        )

    async def end_session(self, url: str, session: Session) -> None:
        """Close a session, and set the pause of its host by the number of requests."""
        await session.close()
        host = host_of(url)
        if not is_stand_in(host_of(resolve_stand_in(url, settings().sandbox_hosts))):
            rule = host_rules().get(host)
            self._free[host] = monotonic() + host_floor(session.requests, (rule and rule.budget) or _BUDGET)

    async def _download(self, request: Request) -> Response:
        handler = self._sockets if request.url.startswith("ws") else self._pages
        return await handler.download_request(request)


def takes_a_slot(url: str, method: str) -> bool:
    """Tell whether the address's platform forbids this request, because it would take a slot."""
    return any(each.is_forbidden(url, method) for each in platforms().values() if _is_its(each, url))


def _is_its(reader: Platform, url: str) -> bool:
    return at_home(reader, url) or bool(reader.ADDRESS and reader.ADDRESS.match(url))


def _anywhere(_here: str, _there: str) -> bool:
    return True
