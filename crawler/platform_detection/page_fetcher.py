"""Fetches the few pages of one command outside of a crawl: within host budgets, never from a private network."""

import asyncio
import re
import sys
from dataclasses import replace
from time import monotonic
from typing import Self

from scrapy import Spider
from scrapy.crawler import Crawler
from scrapy.settings import Settings

from configs.ground.hosts import host_of, resolve_stand_in
from configs.settings import settings
from configs.world.desk import is_stand_in
from configs.world.prefecture import host_rules, prefectures
from crawler.fetching.browser_headers import agent_for
from crawler.fetching.errors import to_fetch_error
from crawler.fetching.session import RequestBudget, Session
from crawler.fetching.ssrf_guard import OutsideHandler, refuse_private
from crawler.parsing.json_models import parse_json
from crawler.platform_detection.identify import page_of
from crawler.platforms import at_home, platforms
from crawler.platforms.citopia import CitopiaParameters, Halls, department_of, search_halls
from crawler.reading import Page, PageRequest, VisitContext
from crawler.scheduling.intervals import host_floor
from crawler.scheduling.queues import HTTP_DEADLINE_SECONDS
from crawler.url_policy import AddressRefused

_BUDGET = 6  # requests a minute to a host without a rule of its own
_MOST = 12  # requests of one command, redirects counted


class PageFetcher:
    """Makes at most twelve requests, redirects counted, with the pauses that a real host's budget requires.

    Standard error names each pause. `redirects`: they are followed, to any public address.
    """

    def __init__(self, *, redirects: bool = True) -> None:
        self._budget = RequestBudget(_MOST)
        self._redirects = redirects
        self._free: dict[str, float] = {}  # by host, when it may be asked again

    async def __aenter__(self) -> Self:
        """Create the download handler; nothing is connected yet."""
        chosen = Settings()
        chosen.setmodule("crawler.settings")
        self._largest = chosen.getint("DOWNLOAD_MAXSIZE")
        self._pages = OutsideHandler(Crawler(Spider, chosen))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._pages.close()

    async def open(self, url: str) -> Page:
        """Return the page of an address, after redirects to any public address.

        Raises:
            crawler.fetching.errors.FetchError: there is none; it says why.
            crawler.fetching.session.BudgetExhausted: no request is left.
        """
        blank = page_of(url, b"")
        page = await self.ask(blank.ask, blank.visit)
        return replace(page, visit=replace(page.visit, url=page.url))

    async def ask(self, ask: PageRequest, visit: VisitContext) -> Page:
        """Return the answer to one request, counted in the budget of its host; raises as `open` does."""
        try:
            refuse_private(ask.url)
        except AddressRefused as refusal:
            raise to_fetch_error(refusal, ask.url) from refusal
        host = host_of(ask.url)
        if (seconds := self._free.get(host, 0.0) - monotonic()) > 0:
            print(f"leaving {host} alone for {seconds:.0f} s", file=sys.stderr)  # noqa: T201 -- at a terminal
            await asyncio.sleep(seconds)
        session = Session(
            self._pages.download_request,
            deadline=HTTP_DEADLINE_SECONDS(),
            largest=self._largest,
            budget=self._budget,
            agent=agent_for(host),
            stays=lambda _here, _there: self._redirects,
        )
        try:
            return await session.fetch(ask, visit, takes_a_slot)
        finally:
            await session.close()
            self._set_pause(ask.url, host, session.requests)

    def _set_pause(self, url: str, host: str, requests: int) -> None:
        if not is_stand_in(host_of(resolve_stand_in(url, settings().sandbox_hosts))):
            rule = host_rules().get(host)
            self._free[host] = monotonic() + host_floor(requests, (rule and rule.budget) or _BUDGET)


def takes_a_slot(url: str, method: str) -> bool:
    """Tell whether the address's platform forbids this request, because it would take a slot."""
    return any(
        each.is_forbidden(url, method)
        for each in platforms().values()
        if at_home(each, url) or (each.ADDRESS and each.ADDRESS.match(url))
    )


_ALIAS = re.compile(r"/alias/(?P<alias>[^/?#]+)")


async def find_citopia_reasons(
    fetcher: PageFetcher, url: str, department: str | None
) -> list[tuple[str, dict[str, int]]]:
    """Return each reason of the town hall at an address, and a desk's parameters for it; none where it does not tell.

    Raises:
        crawler.fetching.errors.FetchError, crawler.fetching.session.BudgetExhausted: no answer.
    """
    alias = _ALIAS.search(url)
    department = department or department_of(alias["alias"] if alias else "")
    place = next((each for each in prefectures().values() if each.department == department), None)
    if not alias or not place:
        return []
    around = CitopiaParameters(reason="both", department_code=department)
    visit = replace(page_of(url, b"").visit, parameters=around, position=(place.latitude, place.longitude))
    found = parse_json(await fetcher.ask(search_halls(visit, sort="distance", per_page=100), visit), Halls)
    halls = [hall for hall in (found.results if found else ()) if hall and hall.alias == alias["alias"]]
    return [
        (each.name, {"structure": hall.id, "reason": each.id})
        for hall in halls
        for each in hall.reasons
        if each
    ]
