"""Discovery spider: walks the prefectures' own sites once a day, for unlisted booking pages and moved ones."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider, IgnoreRequest
from scrapy.http import Response
from twisted.python.failure import Failure

from configs.clock import clock
from configs.hosts import resolve_stand_in
from configs.prefecture import Prefecture, desks, prefecture
from configs.settings import settings
from crawler.catalogue import check_catalogue
from crawler.cli.arguments import WrongArgument
from crawler.discovery import crawl_settings
from crawler.discovery.desk_pages import DISCOVERY_LOOK_SECONDS
from crawler.discovery.observations import LocalObservations, ObservationStore, ObservedPage, PageSeen
from crawler.discovery.page import Onward, step
from crawler.discovery.politeness import SitePoliteness, allowed_sites, site_of
from crawler.discovery.site_links import Listed
from crawler.fetching.decompression import unpack_response
from crawler.fetching.errors import KNOWN, to_fetch_error
from crawler.platform_detection.identify import page_of
from crawler.url_policy import ensure_allowed

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from crawler.discovery.shared_run import SharedRun

# How many links away from a site's home page a walk goes
_DISCOVERY_DEPTH = 4


class Tick:
    """An item that says nothing: after it the engine looks at its queue again, which it does each 5 s by itself."""


class DiscoverySpider(Spider):
    """One process of a walk of all sites; with a prefecture, a walk of its site that needs no server."""

    name = "discovery"

    def __init__(self, name: str | None = None, **arguments: Any) -> None:
        """Take the arguments as text; raises what `select_targets` raises."""
        super().__init__(name)
        chosen = self.select_targets(arguments)
        self.once = bool(chosen)
        self.places = {place.id: place for place in chosen or allowed_sites()}
        self.job = str(arguments.get("_job", ""))  # scrapyd's id
        self.facts: ObservationStore = LocalObservations()
        self.team: SharedRun | None = None
        self._parent = settings().scrapyd_pid or os.getppid()
        self.manners = SitePoliteness()
        self._listed: dict[str, Listed] = {}

    @classmethod
    def select_targets(cls, arguments: Mapping[str, Any]) -> list[Prefecture]:
        """Return the prefecture to walk at the terminal, none where all are walked. Nothing is asked yet.

        Raises:
            configs.strict_yaml.ConfigFileError: desk files are wrong.
            crawler.cli.arguments.WrongArgument, configs.prefecture.UnknownPrefecture: a name does not exist.
            crawler.url_policy.AddressRefused: no site may be asked here.
        """
        check_catalogue()
        if unknown := sorted(each for each in arguments if each != "prefecture" and not each.startswith("_")):
            raise WrongArgument(f"no argument {unknown[0]!r}; discovery takes prefecture=")
        if "prefecture" not in arguments:
            allowed_sites()
            return []
        place = prefecture(str(arguments["prefecture"]).strip())
        ensure_allowed(resolve_stand_in(place.site, settings().sandbox_hosts), settings())
        return [place]

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        """Build it, and join or begin a walk where it is one of several processes."""
        spider = super().from_crawler(crawler, *args, **kwargs)
        values = crawl_settings.polite_settings()
        if spider.once:
            values |= crawl_settings.terminal_settings()
        else:
            from crawler.discovery.shared_run import SharedRun  # noqa: PLC0415 -- a walk at the terminal needs no server's library

            spider.team = SharedRun.join(spider, clock(), only_due=bool(spider.job))
            if spider.team is None:
                spider.places = {}  # a keeper asked for what another process had just ended
            else:
                spider.facts = spider.team.facts
                values |= crawl_settings.shared_settings(spider.team.run.key)
        crawler.settings.setdict(values, priority="cmdline")
        crawler.signals.connect(spider.robots, signals.robots_parsed)
        return spider

    async def start(self) -> AsyncIterator[Request | Tick]:
        """Yield the first page of each site and those that linked a desk before; then look after the walk."""
        for request in self._seeds():
            yield request
        if self.team:
            while not self._over(self.team):
                await asyncio.sleep(DISCOVERY_LOOK_SECONDS())
                yield Tick()
            await self._end(self.team)
            raise CloseSpider("finished")

    def page(self, response: Response) -> None:
        """Keep what a page shows and ask for those that it leads to; only then is it done."""
        request = cast("Request", response.request)  # Scrapy's engine puts it there
        meta = request.meta
        place, url = self.places[meta["prefecture_id"]], meta["address"]
        try:
            body, headers = unpack_response(response, self.settings.getint("DOWNLOAD_MAXSIZE"))
        except KNOWN as error:
            self._doubt(request, str(error))
            return
        came = step(page_of(url, body, response.status, headers), place, meta["home"], self._listed_at(place))
        self.facts.add(came.seen)
        left = self._note(request, refused=came.refused, doubtful=came.seen.seen is ObservedPage.DOUBT)
        if not left and meta["steps"] < _DISCOVERY_DEPTH:
            for onward in came.onward:
                self.crawler.engine.crawl(self._request(place, onward, meta["steps"] + 1))
        self._mark_done(request)

    def trouble(self, failure: Failure) -> None:
        """Note a page that did not come: it proves nothing."""
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy puts it there
        error = failure.value
        if isinstance(error, IgnoreRequest):
            why = "robots.txt forbids it"
        else:
            why = to_fetch_error(error, request.url).reason if isinstance(error, KNOWN) else repr(error)
        self._doubt(request, why, allowed=not isinstance(error, IgnoreRequest))

    def closed(self, reason: str) -> None:
        """Tell the person at the terminal."""
        if self.once:
            from crawler.discovery.report import print_report  # noqa: PLC0415 -- only there

            print_report(list(self.places.values()), self.facts.all(), reason)

    def robots(self, robotparser: Any, request: Request) -> None:
        """Make the pauses that a site's robots.txt asks for."""
        if asked := robotparser.rp.crawl_delay(self.settings["ROBOTSTXT_USER_AGENT"]):
            pause = self.manners.slow_down(site_of(request), float(asked))
            if slot := self.crawler.engine.downloader.slots.get(urlsplit(request.url).hostname or ""):
                slot.delay = pause

    def _over(self, team: "SharedRun") -> bool:
        """Whether the walk is over.

        Raises:
            CloseSpider: this process cannot go on; while the walk is open, the keeper starts another.
        """
        if os.getppid() != self._parent:
            raise CloseSpider("its parent process died")
        try:
            return team.over(clock())
        except Exception as error:  # whatever it is, a process that does not look after the walk must end
            raise CloseSpider(f"{type(error).__name__}: {error}") from error

    async def _end(self, team: "SharedRun") -> None:
        """End the walk; where that fails (a server is away, the disk is full), it stays open for the next process."""
        try:
            await team.end(self.crawler.engine.download_async, self.settings.getint("DOWNLOAD_MAXSIZE"))
        except Exception as error:  # as above
            log.exception("the walk could not be ended")
            raise CloseSpider(type(error).__name__) from error

    def _seeds(self) -> Iterator[Request]:
        remembered = self.team.load_linking_pages() if self.team else {}
        for place in self.places.values():
            yield self._request(place, Onward(place.site, 200, place.site), 0)
            for url in sorted(remembered.get(place.id, ())):
                yield self._request(place, Onward(url, 150, place.site), 0)

    def _request(self, place: Prefecture, onward: Onward, steps: int) -> Request:
        """Return a page's request, to its stand-in where the site has one."""
        meta = {"prefecture_id": place.id, "address": onward.url, "home": onward.home, "steps": steps}
        url = resolve_stand_in(onward.url, settings().sandbox_hosts)
        return Request(url, self.page, errback=self.trouble, meta=meta, priority=onward.promise - 10 * steps)

    def _listed_at(self, place: Prefecture) -> Listed:
        if place.id not in self._listed:
            self._listed[place.id] = Listed.of(place.desks, desks().values())
        return self._listed[place.id]

    def _doubt(self, request: Request, why: str, *, allowed: bool = True) -> None:
        self.facts.add(
            PageSeen(request.meta["prefecture_id"], request.meta["address"], ObservedPage.DOUBT, why)
        )
        if allowed:
            self._note(request, doubtful=True)
        self._mark_done(request)

    def _note(self, request: Request, *, refused: bool = False, doubtful: bool = False) -> bool:
        """Take note of how a site answers; tell whether it is left alone from now on."""
        left = self.manners.note(site_of(request), refused=refused, doubtful=doubtful)
        if left and self.team:
            self.team.queue.leave(request)
        elif left:
            raise CloseSpider("the site refuses us, or does not answer")
        return left

    def _mark_done(self, request: Request) -> None:
        if self.team:
            self.team.queue.finish_request(request, self.manners.pauses.get(site_of(request), 0))
