"""One running browser: scrapy-playwright's download handler, with its driver and Chromium as child processes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Route
from playwright.async_api import Request as PageRequest
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy_playwright.handler import ScrapyPlaywrightDownloadHandler

from configs.ground.browser_binary import arguments, browser_path, missing_browser, sandboxed
from crawler.browser.egress_proxy import ONLY_WAY
from crawler.browser.limits import BROWSER_CHECKS, BROWSER_MEMORY_MB, BROWSER_START_SECONDS
from crawler.browser.process_tree import proportional, tree
from crawler.browser.temp_dir import TempDir, tidy
from crawler.fetching.errors import BrowserFailed

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Headers

    from crawler.browser.request_policy import RequestPolicy

log = logging.getLogger(__name__)

_END_SECONDS = 3.0
_WEIGHED_EACH = 10.0  # seconds
# Headers that the browser sets itself: those of the crawl would reveal another program.
_ITS_OWN = frozenset(
    b"user-agent accept accept-language accept-encoding upgrade-insecure-requests referer origin cookie host".split()
)


class Browser(ScrapyPlaywrightDownloadHandler):  # type: ignore[misc]  # scrapy-playwright has no types
    """A running browser with its driver. It is used up after BROWSER_CHECKS checks or beyond BROWSER_MEMORY_MB.

    `tabs` are the open ones; `lost`: it ended by itself, or no longer responds.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.tabs: dict[str, RequestPolicy] = {}
        self.opened = 0
        self.lost = False
        self.agent = ""
        self._fat = False
        self._weigh_at = 0.0
        self._driver: int | None = None
        self._folder: TempDir | None = None
        self.config.target_closed_max_retries = (
            0  # a lost browser ends its check; the next check gets a new browser
        )
        self.config.restart_disconnected_browser = False
        self.config.launch_options = {
            "executable_path": str(browser_path()),
            "args": [*arguments(), *ONLY_WAY],
            "headless": True,
            "chromium_sandbox": sandboxed(),
            **dict.fromkeys(
                ("handle_sigint", "handle_sigterm", "handle_sighup"), False
            ),  # we end the browser ourselves
        }

    @property
    def used_up(self) -> bool:
        """Whether it takes no further check."""
        return self.lost or self._fat or self.opened >= BROWSER_CHECKS()

    async def start(self) -> None:
        """Start the browser.

        Raises:
            BrowserFailed: there is none, or it does not start.
        """
        if missing := missing_browser():
            raise BrowserFailed(missing)
        try:
            async with asyncio.timeout(BROWSER_START_SECONDS()):
                await self._start()
        except Exception as error:  # noqa: BLE001 -- Playwright has no error class for a dead driver
            said = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise BrowserFailed(
                f"{browser_path()} does not start (see make browser): {said[0][:200]}"
            ) from None
        finally:
            if not self.agent:  # the start failed, or its check was cancelled meanwhile
                await self.end()

    async def _start(self) -> None:
        await asyncio.to_thread(tidy)
        self._folder = await asyncio.to_thread(TempDir)
        with self._folder.lent():
            await self._launch()
        self._driver = next(iter(await asyncio.to_thread(self._folder.processes)), None)
        await self._maybe_launch_browser()
        self.browser.on("disconnected", self._mark_lost)
        self.agent = await self._own_agent()

    async def weigh(self) -> None:
        """Measure the memory of all its processes, at most each _WEIGHED_EACH seconds, because it takes 20 ms."""
        if (driver := self._driver) and monotonic() >= self._weigh_at:
            self._weigh_at = monotonic() + _WEIGHED_EACH
            held = await asyncio.to_thread(lambda: proportional(tree(driver)))
            self._fat = held > BROWSER_MEMORY_MB()

    async def end(self) -> None:
        """End it, by force if necessary; none of its processes and files remains."""
        self.lost = True
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self.close()
        except Exception as error:  # noqa: BLE001 -- it is killed after any error
            log.debug("a browser is killed: %r", error)
        finally:
            if self._folder:
                await asyncio.to_thread(self._folder.leave)

    def _mark_lost(self, *_: object) -> None:
        self.lost = True

    async def _own_agent(self) -> str:
        page = await self.browser.new_page()
        try:
            return str(await page.evaluate("navigator.userAgent"))
        finally:
            await page.close()

    async def _download_request_with_page(self, request: "Request", page: Page, spider: object) -> Response:  # noqa: ARG002
        """Open a request's address. CheckPage reads the page after all actions; the base class would at once."""
        request.meta["playwright_page"] = page
        await page.goto(request.url, wait_until="commit", timeout=0)  # the check has a deadline of its own
        return Response(request.url)

    def _make_request_handler(self, **given: Any) -> Callable[[Route, PageRequest], Awaitable[None]]:
        """Return the handler of a page's requests; the base class's would resend all headers in lower case."""
        done: asyncio.Event = given["initial_request_done"]

        async def handle(route: Route, request: PageRequest) -> None:
            with suppress(PlaywrightError):  # the page is gone
                if await self._aborts(request):
                    await route.abort()
                    return
                first = request.is_navigation_request() and not done.is_set()
                done.set()
                changes = _changes(request, given["method"], given["headers"], given["body"]) if first else {}
                await route.continue_(**changes)

        return handle

    async def _aborts(self, request: PageRequest) -> bool:
        """Ask the check of a page about its request; a request without a check is aborted."""
        try:
            context = request.frame.page.context
        except PlaywrightError:
            return True
        for name, wrapper in self.context_wrappers.items():
            if wrapper.context is context and name in self.tabs:
                return await self.tabs[name].aborts(request)
        return True


def _changes(request: PageRequest, method: str, headers: "Headers", body: bytes | None) -> dict[str, Any]:
    """Return the parts of a request that differ from opening its address: method, form, own headers."""
    names = {name: b", ".join(values) for name, values in headers.items() if name.lower() not in _ITS_OWN}
    own = {name.decode("latin-1"): value.decode("latin-1") for name, value in names.items()}
    changes: dict[str, Any] = {"headers": {**request.headers, **own}} if own else {}
    if method != request.method:
        changes["method"] = method
    return changes | ({"post_data": body} if body else {})
