"""The browser page of one check, with its own context and its own egress proxy."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from importlib.resources import files
from itertools import count

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page as PlaywrightPage
from scrapy import Request
from scrapy.http import Headers, HtmlResponse, Response

from crawler.block_pages import find_captcha, find_wall
from crawler.browser.actions import ActionResult, perform
from crawler.browser.browser_process import Browser
from crawler.browser.context_options import ContextOptions
from crawler.browser.egress_proxy import EgressProxy
from crawler.browser.errors import classify_error
from crawler.browser.request_policy import RequestPolicy
from crawler.fetching.decompression import headers_of
from crawler.reading import Page, PageRequest, VisitContext

_CLOSE_SECONDS = 3.0
_NUMBERS = count(1)
_SNAPSHOT = files("crawler.browser").joinpath("snapshot.js").read_text("utf-8")


class CheckPage:
    """The page of one check. The first request opens it, and all requests use it.

    `done` is the result of the last request's actions.
    """

    def __init__(
        self, browser: Browser, guise: ContextOptions, traffic: RequestPolicy, wire: EgressProxy
    ) -> None:
        self.browser = browser
        self.traffic = traffic
        self._guise = guise
        self.wire = wire
        self._name = f"check-{next(_NUMBERS)}"
        self._page: PlaywrightPage | None = None
        self.done = ActionResult()
        self._asked = False
        browser.tabs[self._name] = traffic
        browser.opened += 1

    async def begin(self) -> None:
        """Start the egress proxy."""
        self._options = self._guise.options(await self.wire.open(), self.browser.agent)

    async def download(self, request: Request) -> Response:
        """Open a request's address in the page, do its actions (`meta`: ask, pause), and return the page.

        Raises:
            FetchError, BudgetExhausted: it may not be requested, or redirects to a forbidden address.
            KNOWN: any other failure (crawler/fetching/errors.py).
        """
        ask, pause = request.meta["ask"], request.meta["pause"]
        self.wire.troubles.clear()
        request.meta.update(
            playwright=True,
            playwright_context=self._name,
            playwright_context_kwargs=dict(self._options),
            playwright_include_page=True,
            playwright_page=self._page,
            playwright_page_init_callback=self._watch_page,
        )
        self._asked = True
        try:
            await self.browser.download_request(request)
            self.done = await self._perform_acts(ask, pause)
            return await self._response()
        except PlaywrightError as error:
            raise classify_error(error, request.url, self.traffic, self.wire.troubles) from error
        finally:
            self._page = request.meta.get("playwright_page")

    async def close(self) -> bool:
        """Close the page and its context; return False if the browser does not respond."""
        wrapper = self.browser.context_wrappers.get(self._name)
        try:
            self.traffic.end()
            self.wire.close()
            async with asyncio.timeout(_CLOSE_SECONDS):
                if wrapper:
                    await wrapper.context.close()
                elif self._asked:  # it was never opened: the browser hangs, or its page cannot be closed
                    return False
        except (PlaywrightError, TimeoutError):
            return False
        finally:
            self.browser.context_wrappers.pop(self._name, None)
            self.browser.tabs.pop(self._name, None)
        return True

    async def _watch_page(self, page: PlaywrightPage, _request: Request) -> None:
        if page is not self._page:
            await self._guise.put_on(page.context)
            await self.traffic.watch(page)
            self._page = page

    async def _perform_acts(self, ask: PageRequest, pause: Callable[[], Awaitable[None]]) -> ActionResult:
        """Do a request's actions, unless the page is a block page (crawler/block_pages.py) or an error."""
        await self.traffic.document()
        await self.traffic.rest()
        if not self._page or await self._stands_for_all(ask):
            return ActionResult()
        return await perform(self._page, ask, self.traffic, pause)

    async def _stands_for_all(self, ask: PageRequest) -> bool:
        """Tell whether the page is an error or a block page, on which no action is done."""
        response = await self._response()
        visit, headers = VisitContext(ask.url, date.min), headers_of(response)
        shown = Page(response.url, response.status, response.body, visit, ask, headers)
        return shown.is_error or (find_wall(shown) or find_captcha(shown)) is not None

    async def _response(self) -> Response:
        """Return the page as it is rendered now; the raw body if it is no HTML."""
        if self.traffic.refusal:
            raise self.traffic.refusal
        await self.traffic.document()
        answer, page = self.traffic.answer, self._page
        if self.traffic.broken or not answer or not page:
            raise PlaywrightError(self.traffic.broken or "net::ERR_EMPTY_RESPONSE")
        headers = {
            name: value for name, value in (await answer.all_headers()).items() if name != "content-encoding"
        }
        if "html" not in headers.get("content-type", "html"):
            body = await answer.body()
            return Response(page.url, status=answer.status, headers=_headers(headers), body=body)
        shown: str = await page.evaluate(_SNAPSHOT)
        headers["content-type"] = "text/html; charset=utf-8"
        return HtmlResponse(
            page.url, status=answer.status, headers=_headers(headers), body=shown.encode("utf-8", "replace")
        )


def _headers(values: dict[str, str]) -> Headers:
    """Return headers as Scrapy's; repeated headers are joined by commas."""
    joined = {name: value.replace("\n", ", ") for name, value in values.items()}
    return Headers({name: value.encode("latin-1", "replace") for name, value in joined.items()})
