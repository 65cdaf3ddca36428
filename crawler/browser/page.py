"""The session of one check through a browser, the counterpart of crawler/fetching/session.py: its page and context."""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from aiohttp import ClientPayloadError
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page as PlaywrightPage
from playwright_stealth import Stealth
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import NotSupported
from scrapy.http import Headers, HtmlResponse, Response

from configs.ground.addresses import host_of, resolve_stand_in
from configs.settings import settings
from configs.world.desk import Desk
from configs.world.host_rule import HostRule
from configs.world.prefecture import host_rules
from crawler.block_pages import find_captcha, find_wall
from crawler.browser import browser_deadline_seconds, browser_wait_seconds
from crawler.browser.actions import ActionResult, perform
from crawler.browser.browser_process import Browser, browsers_of
from crawler.browser.egress_proxy import EgressProxy
from crawler.browser.request_policy import RequestPolicy
from crawler.fetching.download_handler import headers_of
from crawler.fetching.errors import KNOWN, BrowserFailed, FetchError, NoHTTP, TooLarge, to_fetch_error
from crawler.fetching.identity import HttpAgent, Identities, honest, pool
from crawler.fetching.request_budget import RequestBudget
from crawler.fetching.request_builder import RequestStep, first_step
from crawler.fetching.session import Session, human_delay
from crawler.reading import Outcome, Page, PageRequest, VisitContext

_VIEWPORT = {"width": 1920, "height": 1080}
_LANGUAGES = ("fr-FR", "fr")
_MAJOR = re.compile(r"""(?<=Chrome/)\d+|(?<=v=")\d{3}(?=")""")  # Chromium's version, also in its client hints
_CLOSE_SECONDS = 3.0
_DISGUISE = Stealth(  # hides from a page that its browser is automated
    navigator_languages_override=_LANGUAGES,
    navigator_platform_override="Linux x86_64",
    navigator_hardware_concurrency=False,  # the real number is fine
    navigator_user_agent=False,  # the context sets it, with its headers
    sec_ch_ua=False,
)
_SNAPSHOT = files("crawler.browser").joinpath("snapshot.js").read_text("utf-8")
_CODE = re.compile(r"net::(ERR_[A-Z0-9_]+)")
_NO_CONTENT = (204, 205)
_DOWNLOAD = "Download is starting"
_OURS = "ERR_BLOCKED_BY_CLIENT"
# https://source.chromium.org/chromium/chromium/src/+/main:net/base/net_error_list.h
_KINDS: tuple[tuple[str, type[Exception]], ...] = (
    ("ERR_CERT_|ERR_SSL_", ssl.SSLError),
    (
        "ERR_(EMPTY_RESPONSE|CONNECTION_(CLOSED|RESET|ABORTED)|CONTENT_|INCOMPLETE_CHUNKED)",
        ClientPayloadError,
    ),
    ("ERR_(INVALID_HTTP_RESPONSE|RESPONSE_HEADERS_|INVALID_CHUNKED)", NoHTTP),
    ("ERR_(CONNECTION|SOCKS|PROXY|ADDRESS|NETWORK|INTERNET|TIMED_OUT|NAME)", OSError),
    ("ERR_(ABORTED|UNKNOWN_URL_SCHEME|INVALID_URL|DISALLOWED)", NotSupported),
)


class BrowserSession(Session):
    """Opens each request in the check's page, which keeps its cookies, does its actions and reads the page.

    `budget` pays for requests by crawler/browser/request_policy.py. Nothing is started before the first request.
    """

    def __init__(
        self,
        desk: Desk,
        crawler: Crawler,
        budget: RequestBudget,
        identities: Identities | None = None,
    ) -> None:
        largest = crawler.settings.getint("DOWNLOAD_MAXSIZE")
        super().__init__(
            _by_page_only,
            browser_deadline_seconds(),
            largest,
            budget,
            identities=identities or Identities(()),
            host=desk.host,
            named=desk.proxy,
        )
        self._desk = desk
        self._browsers = browsers_of(crawler)
        self._egress = EgressProxy(crawler.settings.getfloat("DNS_TIMEOUT"))
        self._traffic = RequestPolicy(budget)
        self._name = f"check-{id(self)}"
        self._address = ""  # of the egress proxy
        self._browser: Browser | None = None
        self._tab: PlaywrightPage | None = None
        self._asked = False
        self._ask: PageRequest | None = None
        self._done = ActionResult()

    async def fetch(
        self, ask: PageRequest, visit: VisitContext, forbidden: Callable[[str, str], bool]
    ) -> Page:
        """Open a request, do its actions and return the page; redirects are followed as by HTTP.

        Raises:
            FetchError: there is no page; it has the outcome and the reason.
            BudgetExhausted: no request is left.
        """
        step = first_step(ask, None, visit.url)
        await self._take_browser()
        self._ask = ask
        self._traffic.expect(_as_opened(step.url), forbidden)
        try:
            response = await self._answer(step)
        finally:
            self.requests = self._traffic.requests
        page = self._page(_as_named(response.url, step.url), response, ask, visit)
        return replace(
            page, skipped_actions=self._done.skipped_actions, failed_action=self._done.failed_action
        )

    async def close(self) -> None:
        """Close the page and its context; a browser that does not respond is replaced."""
        self._traffic.end()
        self._egress.close()
        if not (browser := self._browser):
            return
        self._browser = None
        browser.policies.pop(self._name)
        wrapper = browser.context_wrappers.pop(self._name, None)
        responds = not self._asked  # else a context that is not there went with its browser
        try:
            if wrapper:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await wrapper.context.close()
                responds = True
        except (PlaywrightError, TimeoutError):
            responds = False
        finally:
            if not responds:
                await self._browsers.end(browser)

    async def _take_browser(self) -> None:
        if not self._browser:
            try:
                self._address = self._address or await self._egress.open()
                self._browser = await self._browsers.take()
            except KNOWN as error:
                raise to_fetch_error(error, "no page was opened") from error
            self._browser.policies[self._name] = self._traffic

    async def _send(self, step: RequestStep) -> Response:
        self.clock.start()
        if (left := self.clock.left) <= 0:
            raise TimeoutError(f"the {self.clock.deadline:g} s of this check are over")
        if proxy := (await self.identify()).proxy:
            self._egress.via = proxy.url
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(left) as limit:

            async def pause() -> None:
                await self.clock.pause(human_delay())
                limit.reschedule(loop.time() + self.clock.left)

            return await self._open(step, pause)

    async def _open(self, step: RequestStep, pause: Callable[[], Awaitable[None]]) -> Response:
        """Open an address in the page, do the request's actions, and return the page.

        Raises:
            FetchError, BudgetExhausted: it may not be requested, or redirects to a forbidden address.
            KNOWN: any other failure (crawler/fetching/errors.py).
        """
        assert self._browser and self._ask  # noqa: S101, PT018 -- set by fetch
        self._egress.troubles.clear()
        agent = (await self.identify()).agent
        options = _context_options(self._desk, agent, self._address, self._browser.version)
        meta = {
            "playwright": True,
            "playwright_context": self._name,
            "playwright_context_kwargs": options,
            "playwright_include_page": True,
            "playwright_page": self._tab,
            "playwright_page_init_callback": self._watch_page,
        }
        url, self._asked = _as_opened(step.url), True
        request = Request(url, meta=meta)
        try:
            await self._browser.download_request(request)
            self._done = await self._perform_acts(self._ask, pause)
            return await self._response()
        except PlaywrightError as error:
            raise classify_error(error, url, self._traffic, self._egress.troubles) from error
        finally:
            self._tab = request.meta.get("playwright_page")

    async def _watch_page(self, page: PlaywrightPage, _request: Request) -> None:
        if page is not self._tab:
            if _is_hidden(self._desk, (await self.identify()).agent):
                await _DISGUISE.apply_stealth_async(page.context)
            page.set_default_timeout(browser_wait_seconds() * 1000)
            await self._traffic.watch(page)
            self._tab = page

    async def _perform_acts(self, ask: PageRequest, pause: Callable[[], Awaitable[None]]) -> ActionResult:
        """Do a request's actions, unless the page is a block page (crawler/block_pages.py) or an error."""
        await self._traffic.document()
        await self._traffic.rest()
        response = await self._response()
        visit, headers = VisitContext(ask.url, date.min), headers_of(response)
        shown = Page(response.url, response.status, response.body, visit, ask, headers)
        if not self._tab or shown.is_error or find_wall(shown) or find_captcha(shown):
            return ActionResult()
        return await perform(self._tab, ask, self._traffic, pause)

    async def _response(self) -> Response:
        """Return the page as it is rendered now; the raw body if it is no HTML."""
        if self._traffic.refusal:
            raise self._traffic.refusal
        await self._traffic.document()
        answer, page = self._traffic.answer, self._tab
        if self._traffic.broken or not answer or not page:
            raise PlaywrightError(self._traffic.broken or "net::ERR_EMPTY_RESPONSE")
        headers = {name: value.replace("\n", ", ") for name, value in (await answer.all_headers()).items()}
        headers.pop("content-encoding", None)
        # In the browser: a text on its way takes several times its size of this process's memory.
        shown: str | int = await page.evaluate(_SNAPSHOT, self._largest)
        if isinstance(shown, int):
            raise TooLarge(f"{shown} characters show, {self._largest} are read at most")
        kind, body = Response, b""
        if "html" in headers.get("content-type", "html"):
            kind, body = HtmlResponse, shown.encode("utf-8", "replace")
            headers["content-type"] = "text/html; charset=utf-8"
        else:
            body = await answer.body()
        named = Headers({name: value.encode("latin-1", "replace") for name, value in headers.items()})
        return kind(page.url, status=answer.status, headers=named, body=body)


async def _by_page_only(request: Request) -> Response:
    raise NotSupported(f"a browser's page asks for {request.url}")


def _is_hidden(desk: Desk, agent: HttpAgent) -> bool:
    """Whether a desk's checks hide that the browser is automated: never where we say who we are."""
    return (desk.stealth or host_rules().get(desk.host, HostRule()).stealth) and agent != honest()


def _context_options(desk: Desk, agent: HttpAgent, proxy: str, version: str) -> dict[str, Any]:
    """Return the options of a check's context: French locale, the desk's time zone, stealth only where configured.

    `version`: the browser's. One that hides is Chrome of that version on Linux: its own words name its headless build.
    https://playwright.dev/python/docs/api/class-browser#browser-new-context
    """
    options: dict[str, Any] = {
        "viewport": _VIEWPORT,
        "screen": _VIEWPORT,
        "locale": _LANGUAGES[0],
        "timezone_id": desk.time_zone,
        "proxy": {"server": proxy},
        "service_workers": "block",  # their requests bypass routes
        "accept_downloads": False,
    }
    if agent == honest():
        options["user_agent"] = agent.name
    elif _is_hidden(desk, agent):
        major, like = version.partition(".")[0], next(agent for agent in pool() if "Linux" in agent.name)
        options["user_agent"] = _MAJOR.sub(major, like.name)
        options["extra_http_headers"] = {"sec-ch-ua": _MAJOR.sub(major, like.words["brands"])}
    return options


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


def classify_error(
    error: PlaywrightError, url: str, traffic: RequestPolicy, troubles: Mapping[str, Exception]
) -> Exception:
    """Return the error of the browser for an address, by the classes of crawler/fetching/errors.py."""
    if trouble := traffic.refusal or troubles.get(host_of(url)):
        return trouble
    if traffic.answer and traffic.answer.status in _NO_CONTENT:
        return NotSupported(f"HTTP {traffic.answer.status}, which is no page")
    if _DOWNLOAD in error.message:
        return NotSupported("a file to download, which is no page")
    found = _CODE.search(error.message)
    if found and found[1] == _OURS:
        return FetchError(Outcome.UNREADABLE, f"led where nothing is asked ({url})")
    known = (kind for codes, kind in _KINDS if found and re.match(codes, found[1]))
    return next(known, BrowserFailed)(error.message.partition("\n")[0][:200])
