"""HTTP conversation of one check with a site: deadline, cookies, redirects, retries, count of requests."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urljoin

from scrapy import Request
from scrapy.http import Response
from scrapy.http.cookies import CookieJar
from w3lib.url import safe_url_string

from configs.ground.addresses import host_of, resolve_stand_in, same_site
from configs.settings import settings
from configs.world.desk import find_step_gap
from crawler.fetching.download_handler import unpack_response
from crawler.fetching.errors import KNOWN, FetchError, ProxyFailed, may_retry, to_fetch_error
from crawler.fetching.identity import Identities, Identity, honest
from crawler.fetching.request_budget import RequestBudget
from crawler.fetching.request_builder import RequestStep, first_step, follow_redirect
from crawler.reading import MOVED, Outcome, Page, PageRequest, VisitContext

REDIRECTS = 5
RETRIES = 3
_RETRY_PAUSE = 0.2  # seconds, doubled each time: a connection lost by chance is there again at once
Download = Callable[[Request], Awaitable[Response]]


@dataclass
class Clock:
    """One deadline over all requests of a check: runs from the first one on, stands still while we pause.

    All figures are in seconds; `now` tells them.
    """

    deadline: float
    now: Callable[[], float] = monotonic
    _began: float | None = None

    @property
    def elapsed(self) -> float:
        """Return the seconds that the site has used."""
        return self.now() - self._began if self._began is not None else 0.0

    @property
    def left(self) -> float:
        """Return the seconds left; 0 or less when the time is up."""
        return self.deadline - self.elapsed

    def start(self) -> None:
        """Start it, once."""
        if self._began is None:
            self._began = self.now()

    async def pause(self, seconds: float) -> None:
        """Wait without using up the site's time."""
        before = self.now()
        await asyncio.sleep(seconds)
        if self._began is not None:
            self._began += self.now() - before


class Session:
    """What belongs to one check and ends with it; nothing in it is ever shared with another.

    `download` ends within a request's `download_timeout` (seconds), by its own watch. `deadline` is in seconds,
    `largest` in bytes, unpacked; `budget` pays for each request, redirects and second
    tries too; `identities` choose who we say we are in all of them at this `host`, and by which proxy they go (None: we
    are ourselves, by none); `named`: the proxy of the prefecture; `stays` says which redirects (from, to) are followed.
    """

    def __init__(
        self,
        download: Download,
        deadline: float,
        largest: int,
        budget: RequestBudget,
        *,
        identities: Identities | None = None,
        host: str = "",
        named: str | None = None,
        stays: Callable[[str, str], bool] = same_site,
    ) -> None:
        self.clock = Clock(deadline)
        self.requests = 0
        self._stays = stays
        self._download = download
        self._budget = budget
        self._identities, self._host, self._named = identities, host, named
        self._identity: Identity | None = None
        self._largest = largest
        self._cookies = CookieJar()
        self._retries = RETRIES
        self._shown: str | None = None  # the page that a person would be looking at

    async def close(self) -> None:
        """End the conversation; nothing of it stays open."""

    async def fetch(
        self, ask: PageRequest, visit: VisitContext, forbidden: Callable[[str, str], bool]
    ) -> Page:
        """Ask and return the page, redirects followed, but never to what the platform says takes a slot.

        Raises:
            FetchError: there is none; it says the outcome and the reason.
            BudgetExhausted: the visit may not ask for it; nothing is known of it.
        """
        step = first_step(ask, self._shown, visit.url)
        for _ in range(REDIRECTS + 1):
            if forbidden(step.url, step.method):
                raise refuse_reservation(step.method, step.url)
            response = await self._answer(step)
            target = _target(step.url, response, self._stays)
            if target is None:
                self._shown = step.url if step.kind == "page" else self._shown
                return self._page(step.url, response, ask, visit)
            step = follow_redirect(step, response.status, target)
        raise FetchError(Outcome.UNREADABLE, f"redirected more than {REDIRECTS} times, at last to {step.url}")

    async def _answer(self, step: RequestStep) -> Response:
        """Send the step, again after troubles of the network; an answer of any status is an answer."""
        pause = _RETRY_PAUSE
        while True:
            try:
                return await self._send(step)
            except ProxyFailed as error:
                said = f"{await self._rest_proxy(error)} ({step.method} {step.url})"
                raise FetchError(Outcome.UNREACHABLE, said, error) from error
            except KNOWN as error:
                if not (may_retry(error) and self._retries and pause < self.clock.left):
                    raise to_fetch_error(error, f"{step.method} {step.url}") from error
                self._retries -= 1
                await asyncio.sleep(pause)
                pause *= 2

    async def identify(self) -> Identity:
        """Return who the whole check says it is, chosen as it is first asked for; raises as `Identities.choose`."""
        if not self._identity:
            chosen = self._identities and await self._identities.choose(self._host, self._named)
            self._identity = chosen or Identity(honest())
        return self._identity

    async def _rest_proxy(self, failure: ProxyFailed) -> str:
        """Let the check's proxy rest for all checks; return how it failed, with its name."""
        proxy = self._identity and self._identity.proxy
        if not (self._identities and proxy):
            return f"the proxy {failure}"
        await self._identities.rest(proxy.name)
        return f"the proxy {proxy.name} {failure}"

    async def _send(self, step: RequestStep) -> Response:
        await self._budget.take()
        self.clock.start()
        if (left := self.clock.left) <= 0:
            raise TimeoutError(f"the {self.clock.deadline:g} s of this check are over")
        identity = await self.identify()
        request = step.request(identity.agent, left)
        if len(self._cookies):
            self._cookies.add_cookie_header(request)
        if identity.proxy:
            request.meta["proxy"] = identity.proxy.url
        self.requests += 1
        response = await self._download(_routed(request))
        if "Set-Cookie" in response.headers:
            self._cookies.extract_cookies(response, request)
        return response

    def _page(self, url: str, response: Response, ask: PageRequest, visit: VisitContext) -> Page:
        try:
            body, headers = unpack_response(response, self._largest)
        except KNOWN as error:
            raise to_fetch_error(error, url) from error
        return Page(url, response.status, body, visit, ask, headers)


def human_delay() -> float:
    """Return a person's delay between two pages, in seconds: `find_step_gap` at most, a third of it at least."""
    longest = find_step_gap()
    return random.uniform(longest / 3, longest)  # noqa: S311 -- no secret


def refuse_reservation(method: str, url: str) -> FetchError:
    """Return the error for a request that would take a slot, which is never made."""
    return FetchError(Outcome.UNREADABLE, f"led to {method} {url}, which would take a slot: not asked")


def _routed(request: Request) -> Request:
    """Return the request as it leaves: to the stand-in where its host has one, under the host's own name."""
    url = resolve_stand_in(request.url, settings().sandbox_hosts)
    if url == request.url:
        return request
    routed = request.replace(url=url)
    routed.headers["Host"] = host_of(request.url).removesuffix(":443").removesuffix(":80")
    return routed


def _target(url: str, response: Response, same: Callable[[str, str], bool]) -> str | None:
    """Return where the answer redirects to, None where it does not.

    One that leads to another site proves nothing of the desk. The site did answer, so it is `unreadable`, not
    `unreachable`: the second in a row tells the operator, who sees where the desk went.

    Raises:
        FetchError: to another site, or to no address at all.
    """
    location = response.headers.get("Location") if response.status in MOVED else None
    if not location:
        return None
    try:
        target = urljoin(url, safe_url_string(location)).partition("#")[0]
        stays = same(url, target)
    except ValueError as error:
        raise FetchError(
            Outcome.UNREADABLE, f"redirected to {location[:200]!r}, which is no address", error
        ) from error
    if not stays:
        raise FetchError(Outcome.UNREADABLE, f"redirected to another site: {target[:200]}")
    return target
