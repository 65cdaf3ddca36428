"""The request policy, driven by fake browser events: a real browser cannot produce every order of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Request

from crawler.browser.page import classify_error
from crawler.browser.request_policy import RequestPolicy
from crawler.fetching.request_budget import BudgetExhausted, RequestBudget
from tests.in_turn import in_turn

URL = "http://rdv.example.fr/"


@dataclass(frozen=True)
class Asked:
    """A request that opens a page."""

    url: str
    frame: object
    method: str = "GET"
    resource_type: str = "document"
    failure: str = "net::ERR_ABORTED"
    post_data_buffer: bytes | None = None

    def is_navigation_request(self) -> bool:
        return True


class Fake:
    """A page, its context and its debugger in one. `said` is what became of each redirect."""

    def __init__(self) -> None:
        self.listeners: dict[str, Callable[..., Any]] = {}
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.context = self
        self.main_frame = object()

    def on(self, name: str, listener: Callable[..., Any]) -> None:
        self.listeners[name] = listener

    async def route(self, *_: object) -> None:
        """Take a route."""

    async def add_init_script(self, *_: object) -> None:
        """Take a script."""

    async def new_cdp_session(self, _page: object) -> "Fake":
        return self

    async def send(self, method: str, given: dict[str, Any] | None = None) -> None:
        if given and "requestId" in given:
            self.said.put_nowait(f"{method} {given.get('errorReason', '')}".strip())

    async def redirected(self, frame: str, target: str, kind: str = "Document", status: int = 302) -> str:
        """Tell of a redirect; return what is answered to it."""
        event = {
            "requestId": "1",
            "frameId": frame,
            "resourceType": kind,
            "responseStatusCode": status,
            "responseHeaders": [{"name": "Location", "value": target}],
            "request": {"url": f"{URL}moved", "method": "POST"},
        }
        await self.listeners["Fetch.requestPaused"](event)
        return await self.said.get()

    def opens(self, url: str) -> Request:
        """Return a request that would open the page at an address."""
        return cast("Request", Asked(url, self.main_frame))


def watched(use: Callable[[RequestPolicy, Fake], Any], budget: RequestBudget | None = None) -> RequestPolicy:
    traffic = RequestPolicy(budget or RequestBudget(9))

    async def used() -> None:
        page = Fake()
        await traffic.watch(cast("Page", page))
        traffic.expect(URL, lambda url, _: url.endswith("/take"))
        await use(traffic, page)

    asyncio.run(used())
    return traffic


@in_turn("frame", ["that-of-the-page", "one-that-took-its-place"])
def test_a_redirect_of_a_frame_without_a_parent_is_the_pages(frame: str) -> None:
    async def use(traffic: RequestPolicy, page: Fake) -> None:
        assert not await traffic.aborts(page.opens(f"{URL}moved"))
        assert await page.redirected(frame, "/take") == "Fetch.failRequest BlockedByClient"

    traffic = watched(use)
    assert "would take a slot: not asked" in str(traffic.refusal)
    assert (traffic.requests, classify_error(blocked(), URL, traffic, {})) == (1, traffic.refusal)


def test_each_redirect_is_paid_and_there_is_an_end_of_them() -> None:
    async def use(traffic: RequestPolicy, page: Fake) -> None:
        assert not await traffic.aborts(page.opens(URL))
        while await page.redirected("main", "/next") == "Fetch.continueRequest":
            continue

    traffic = watched(use, RequestBudget(99))
    assert "redirected more than" in str(traffic.refusal)
    assert traffic.requests == 1 + 5


def test_a_refusal_stands_whatever_the_page_tries_next_until_another_is_expected() -> None:
    async def use(traffic: RequestPolicy, page: Fake) -> None:
        assert await traffic.aborts(page.opens("http://elsewhere.example/"))
        assert await traffic.aborts(page.opens(URL)), "nothing of this page is wanted any more"
        assert await page.redirected("main", "/next") == "Fetch.failRequest BlockedByClient"
        assert "another site: http://elsewhere" in str(traffic.refusal)
        traffic.expect(URL, lambda *_: False)
        assert not await traffic.aborts(page.opens(URL))

    assert watched(use).refusal is None


def test_what_an_operator_stopped_asks_nothing_and_says_so() -> None:
    stopped = RequestBudget(9)
    stopped.stopped = True

    async def use(traffic: RequestPolicy, page: Fake) -> None:
        assert await traffic.aborts(page.opens(URL))

    assert isinstance(watched(use, stopped).refusal, BudgetExhausted)


def blocked() -> PlaywrightError:
    return PlaywrightError(f"Page.goto: net::ERR_BLOCKED_BY_CLIENT at {URL}")
