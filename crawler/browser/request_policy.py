"""Request policy of one check's page: each request and each redirect is allowed or refused before it is sent.

| request | rule |
| --- | --- |
| opens a page: the platform's requests, forms and links of their actions, redirects | paid before, as by HTTP |
| by the page's scripts, to its own host | counted, and taken from the host's bucket as far as it holds |
| scripts and styles | not counted |
| images, fonts, media | not loaded |

Requests of scripts are never refused, because half a page proves nothing; the host rests longer instead.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any
from urllib.parse import urljoin

from playwright.async_api import CDPSession, Page, Request, Response, Route
from playwright.async_api import Error as PlaywrightError

from configs.ground.addresses import host_of, same_site
from crawler.browser import browser_wait_seconds
from crawler.fetching.errors import FetchError
from crawler.fetching.request_budget import BudgetExhausted, RequestBudget
from crawler.fetching.session import REDIRECTS, refuse_reservation
from crawler.reading import MOVED, Outcome

_NEVER = frozenset({"image", "media", "font", "texttrack", "manifest", "ping", "cspviolationreport", "other"})
_COUNTED = frozenset({"document", "xhr", "fetch", "websocket", "eventsource"})
_AWAITED = frozenset({"document", "script", "stylesheet", "xhr", "fetch"})
_MOVED_AS_IT_IS = (307, 308)  # the method is kept: https://fetch.spec.whatwg.org/#http-redirect-fetch
_QUIET = 0.5  # seconds without a pending request, after which a page is at rest; scripts debounce a choice by 0.3 s
_GLANCE = 0.02  # seconds between two looks
# Only the debugging protocol reports redirects: https://chromedevtools.github.io/devtools-protocol/tot/Fetch/
_REDIRECTS = {"patterns": [{"urlPattern": "*", "requestStage": "Response"}]}

# No route sees what a new tab asks first, nor what a link with `download` asks: Playwright lets it pass, and the
# debugging protocol tells of the first of several only. Not every such click can be prevented: then its link leads
# nowhere meanwhile. A script's click outside of the document, or in a closed shadow, passes no listener of the window.
_NO_NEW_TAB_OR_DOWNLOAD = """{
const links = "a[href], area[href]";
const disarm = (link) => {
  const href = link.getAttribute("href");
  link.removeAttribute("href");
  return () => link.setAttribute("href", href);
};
addEventListener("click", (click) => {
  const link = click.composedPath().find((each) => each.matches?.(links));
  const elsewhere = click.ctrlKey || click.shiftKey || click.metaKey || click.button || link?.hasAttribute("download");
  if (!elsewhere) return;
  click.preventDefault();
  if (link && !click.defaultPrevented) setTimeout(disarm(link));
}, true);
const guard = {
  apply(method, node, given) {
    const link = node?.closest?.(links);
    const unseen = link?.hasAttribute("download") && link.getRootNode() !== link.ownerDocument;
    const restore = unseen ? disarm(link) : () => {};
    try { return Reflect.apply(method, node, given); } finally { restore(); }
  },
};
HTMLElement.prototype.click = new Proxy(HTMLElement.prototype.click, guard);
EventTarget.prototype.dispatchEvent = new Proxy(EventTarget.prototype.dispatchEvent, guard);
}"""


class RequestPolicy:
    """The requests of one check's page. `refusal`: why we refused its document, if we did."""

    def __init__(self, budget: RequestBudget) -> None:
        self.requests = 0
        self.refusal: FetchError | BudgetExhausted | None = None
        self.answer: Response | None = None
        self.broken = ""  # why the answer broke off
        self._budget = budget
        self._url = ""
        self._forbidden: Callable[[str, str], bool] = lambda _url, _method: True
        self._page: Page | None = None
        self._session: CDPSession | None = None
        self._framed: set[str] = set()
        self._hops = 0
        self._open = False
        self._whole = asyncio.Event()
        self._under_way: set[Request] = set()
        self._moved_at = 0.0

    async def watch(self, page: Page) -> None:
        """Attach to a page, which may make no request before.

        Raises:
            playwright.async_api.Error: the page is gone.
        """
        self._page = page
        page.on("request", self._on_request)
        page.on("requestfinished", self._on_request_finished)
        page.on("requestfailed", self._on_request_failed)
        page.on("response", self._on_response)
        page.context.on("page", _close)
        self._session = await page.context.new_cdp_session(page)
        self._session.on("Page.frameAttached", lambda event: self._framed.add(event["frameId"]))
        self._session.on("Fetch.requestPaused", self._on_request_paused)
        await asyncio.gather(
            self._session.send("Page.enable"),
            self._session.send("Fetch.enable", _REDIRECTS),
            # For requests outside of the page: by windows that it opens, or between two of our requests.
            page.context.route("**", _abort),
            page.context.add_init_script(_NO_NEW_TAB_OR_DOWNLOAD),
        )
        self._open = True

    def expect(self, url: str, forbidden: Callable[[str, str], bool]) -> None:
        """Allow the page to open an address, and to stay on its site."""
        self._url, self._forbidden = url, forbidden
        self.refusal, self.answer, self.broken = None, None, ""

    def end(self) -> None:
        """Abort all further requests."""
        self._open = False

    async def aborts(self, request: Request) -> bool:
        """Tell whether a request of the page must be aborted (scrapy-playwright's PLAYWRIGHT_ABORT_REQUEST)."""
        if not self._open or request.resource_type in _NEVER:
            return True
        if main := self._opens(request):
            self._hops = 0
        elif self._budget.stopped:
            return True
        return not await self._passes(request.method, request.url, request.resource_type, main=main)

    async def document(self) -> None:
        """Wait until the page's document is complete, or broke off."""
        if self.answer:
            await self._whole.wait()

    async def rest(self) -> None:
        """Wait until no request of the page has been pending for a while from now, at most BROWSER_WAIT_SECONDS."""
        self._moved_at = monotonic()
        until = self._moved_at + browser_wait_seconds()
        while (now := monotonic()) < until:
            if not self._under_way and now >= self._moved_at + _QUIET:
                return
            await asyncio.sleep(_GLANCE)

    async def _passes(self, method: str, url: str, kind: str, *, main: bool) -> bool:
        """Pay for a request, or refuse it; `main`: it opens the page itself, so a refusal is the page's result.

        A refusal holds until `expect` is called again, whatever the page requests next.
        """
        if main:
            self.refusal = self.refusal or self._find_refusal(method, url) or await self._pay()
            return self.refusal is None
        if self._forbidden(url, method):
            return False
        if kind in _COUNTED and host_of(url) == host_of(self._url):
            self.requests += 1
            with suppress(BudgetExhausted):
                await self._budget.take()
        return True

    def _find_refusal(self, method: str, url: str) -> FetchError | None:
        if not same_site(self._url, url):
            return FetchError(Outcome.UNREADABLE, f"redirected to another site: {url[:200]}")
        if self._forbidden(url, method):
            return refuse_reservation(method, url)
        if self._hops > REDIRECTS:
            return FetchError(
                Outcome.UNREADABLE, f"redirected more than {REDIRECTS} times, at last to {url[:200]}"
            )
        return None

    async def _pay(self) -> BudgetExhausted | None:
        self._hops += 1
        try:
            await self._budget.take()
        except BudgetExhausted as spent:
            return spent
        self.requests += 1
        return None

    def _opens(self, request: Request) -> bool:
        return bool(self._page and request.is_navigation_request() and request.frame == self._page.main_frame)

    def _on_request(self, request: Request) -> None:
        if request.resource_type in _AWAITED:
            self._under_way.add(request)
            self._moved_at = monotonic()

    def _on_request_finished(self, request: Request) -> None:
        self._under_way.discard(request)
        self._moved_at = monotonic()
        if self.answer and request == self.answer.request:
            self._whole.set()

    def _on_request_failed(self, request: Request) -> None:
        if self.answer and request == self.answer.request:
            self.broken = request.failure or "it broke off"
        self._on_request_finished(request)

    def _on_response(self, response: Response) -> None:
        moved = response.status in MOVED and "location" in response.headers
        if not moved and self._opens(response.request):
            self._whole.clear()
            self.answer, self.broken = response, ""

    async def _on_request_paused(self, event: dict[str, Any]) -> None:
        """Continue an answer, or a redirect to an allowed address."""
        assert self._session  # noqa: S101 -- set before it can pause
        with suppress(PlaywrightError):  # the page is gone
            if await self._may_follow(event):
                await self._session.send("Fetch.continueRequest", {"requestId": event["requestId"]})
            else:
                refused = {"requestId": event["requestId"], "errorReason": "BlockedByClient"}
                await self._session.send("Fetch.failRequest", refused)

    async def _may_follow(self, event: dict[str, Any]) -> bool:
        if event.get("responseStatusCode", 200) not in MOVED:
            return True
        headers = {each["name"].lower(): each["value"] for each in event.get("responseHeaders", ())}
        if not (location := headers.get("location")):
            return True
        kind = event["resourceType"].lower()
        main = kind == "document" and event["frameId"] not in self._framed
        method = event["request"]["method"] if event["responseStatusCode"] in _MOVED_AS_IT_IS else "GET"
        target = urljoin(event["request"]["url"], location).partition("#")[0]
        return self._open and await self._passes(method, target, kind, main=main)


async def _abort(route: Route) -> None:
    with suppress(PlaywrightError):  # its window is gone
        await route.abort("blockedbyclient")


async def _close(page: Page) -> None:
    """Close a window that the page opened: a check has one page."""
    with suppress(PlaywrightError):
        await page.close()
