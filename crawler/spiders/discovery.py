"""Discovery spider: walks the prefectures' own sites once a day, for unlisted booking pages and moved ones."""

import asyncio
import faulthandler
import json
import os
import sys
import warnings
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

import redis
from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider, IgnoreRequest
from scrapy.http import Response
from twisted.python.failure import Failure

from api.models.base import session
from configs.ground.clock import clock
from configs.ground.hosts import resolve_stand_in
from configs.settings import settings
from configs.world.prefecture import Prefecture, desks, prefecture
from crawler import settings as usual
from crawler.catalogue import WrongArgument, check_catalogue
from crawler.discovery import daily_schedule, results
from crawler.discovery.daily_schedule import DISCOVERY_SECONDS, allowed_sites, key_of
from crawler.discovery.identify import page_of
from crawler.discovery.links import Listed
from crawler.discovery.site_walk import (
    DISCOVERY_DELAY_SECONDS,
    Observations,
    ObservedPage,
    Onward,
    PageSeen,
    SiteWalk,
    bounded_pause,
    observe,
)
from crawler.fetching.browser_headers import honest
from crawler.fetching.decompression import unpack_response
from crawler.fetching.errors import KNOWN, to_fetch_error
from crawler.scheduling import due_queue
from crawler.scheduling.queues import HTTP_DEADLINE_SECONDS
from crawler.url_policy import ensure_allowed

if TYPE_CHECKING:
    from api.models.discovery import DiscoveryRun

_WHOLE = "crawler.middlewares.WholeRobotsTxt"
_OUTSIDE = "crawler.fetching.ssrf_guard.OutsideHandler"  # links and redirects may name any address
_READ = 20_000_000  # bytes of answers being read: a brake on memory
# Methods of the spider and keys of meta: a text in Redis may name no others, as a proxy.
_CALLED = {"callback": "page", "errback": "trouble"}
_META = {"prefecture_id", "address", "home", "steps"}


class RequestSerializer:
    """Requests as JSON in Redis, never as pickles, which run code on loading (SCHEDULER_SERIALIZER)."""

    @staticmethod
    def dumps(request: dict[str, Any]) -> str:
        """Return a request, as `Request.to_dict` gives it, as a text."""
        meta = {name: request["meta"][name] for name in _META}
        return json.dumps({"url": request["url"], "priority": request["priority"], "meta": meta})

    @staticmethod
    def loads(text: str | bytes) -> dict[str, Any]:
        """Return the argument of `request_from_dict`: a plain GET.

        Raises:
            ValueError: the text is no request that `dumps` wrote.
        """
        values = json.loads(text)
        is_request = isinstance(values, dict) and set(values) == {"url", "priority", "meta"}
        if not is_request or not isinstance(values["meta"], dict) or set(values["meta"]) != _META:
            raise ValueError(f"no request of ours: {text!r:.200}")
        return {**values, **_CALLED}


def polite_settings(sites: int) -> dict[str, Any]:
    """Return the settings of every walk: one request at a time per site with a pause, robots.txt, honest headers.

    A site has one page under way, which may wait for its robots.txt: with two places for each no site waits for
    another, though scrapy-redis's queue has one line for all.
    """
    return {
        "USER_AGENT": honest().name,
        # The name by which a site's robots.txt addresses us.
        "ROBOTSTXT_USER_AGENT": honest().name.partition("/")[0],
        "ROBOTSTXT_OBEY": True,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "CONCURRENT_REQUESTS": max(1, 2 * sites),
        "DOWNLOAD_DELAY": DISCOVERY_DELAY_SECONDS(),
        "DOWNLOAD_DELAY_JITTER": 0,
        "CLOSESPIDER_TIMEOUT": DISCOVERY_SECONDS(),
        "DOWNLOAD_TIMEOUT": HTTP_DEADLINE_SECONDS(),
        "SCRAPER_SLOT_MAX_ACTIVE_SIZE": _READ,
        "DOWNLOAD_HANDLERS": {**usual.DOWNLOAD_HANDLERS, "http": _OUTSIDE, "https": _OUTSIDE},
        "ITEM_PIPELINES": {},  # a page of discovery is no check
        "DOWNLOADER_MIDDLEWARES": {**usual.DOWNLOADER_MIDDLEWARES, _WHOLE: 900},
    }


def redis_settings(key: str) -> dict[str, Any]:
    """Return the settings of a walk of all sites: scrapy-redis as it is, with the walk's own keys.

    Both keys are emptied at the start and at the end of a process: a walk is resumed from its observations.
    """
    return {
        "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
        "SCHEDULER_QUEUE_CLASS": "scrapy_redis.queue.PriorityQueue",
        "SCHEDULER_QUEUE_KEY": f"{key}:requests",
        "SCHEDULER_DUPEFILTER_KEY": f"{key}:seen",
        "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
        "SCHEDULER_SERIALIZER": RequestSerializer,
        "SCHEDULER_PERSIST": False,
        "SCHEDULER_FLUSH_ON_START": True,
        "SCHEDULER_IDLE_BEFORE_CLOSE": 0,  # more would block the event loop
        "REDIS_URL": settings().require("redis_url"),
        "REDIS_PARAMS": {
            "decode_responses": True, "socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 15,
        },
    }  # fmt: skip


_END_SECONDS = 600.0  # that a walk whose time is up may take to read its pages again and to end
_LOOK_SECONDS = 1.0  # between two looks whether all sites are walked
_WALKED = ("finished", "closespider_timeout")  # reasons of Scrapy for which a walk is over
_HOME, _LINKED_BEFORE = 200, 150  # priorities of the first pages


class DiscoverySpider(Spider):
    """A walk of all sites; with a prefecture, a walk of its site that needs no server."""

    name = "discovery"

    def __init__(self, name: str | None = None, **arguments: Any) -> None:
        """Take the arguments as text; raises what `select_targets` raises."""
        super().__init__(name)
        chosen = self.select_targets(arguments)
        self.once = bool(chosen)
        self.sites = {place.id: SiteWalk(place) for place in chosen or allowed_sites()}
        self.job = str(arguments.get("_job", ""))  # scrapyd's id
        self.run: DiscoveryRun | None = None
        self.seen = Observations()
        self._parent = settings().scrapyd_pid or os.getppid()
        self._listed: dict[str, Listed] = {}

    @classmethod
    def select_targets(cls, arguments: Mapping[str, Any]) -> list[Prefecture]:
        """Return the prefecture to walk at the terminal, none where all are walked. Nothing is asked yet.

        Raises:
            configs.ground.strict_yaml.ConfigFileError: desk files are wrong.
            crawler.catalogue.WrongArgument, configs.world.prefecture.UnknownPrefecture: a name does not exist.
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
        """Build it; where it walks all sites, begin a walk or take over the open one."""
        spider = super().from_crawler(crawler, *args, **kwargs)
        crawler.settings.setdict(polite_settings(len(spider.sites)), priority="cmdline")
        if not spider.once:
            spider.begin()
        if spider.run:
            # A walk whose time is up must be ended.
            left = max(1.0, DISCOVERY_SECONDS() - (clock() - spider.run.started_at).total_seconds())
            limits = redis_settings(key_of(spider.run)) | {"CLOSESPIDER_TIMEOUT": left}
            crawler.settings.setdict(limits, priority="cmdline")
            if spider.job:  # one that hangs says where
                faulthandler.dump_traceback_later(left + _END_SECONDS, exit=True)
        crawler.signals.connect(spider.robots, signals.robots_parsed)
        crawler.signals.connect(spider.dropped, signals.request_dropped)
        return spider

    async def start(self) -> AsyncIterator[Request]:
        """Yield the first page of each site; then look after the walk until all are walked."""
        self._load_seeds()
        for site in self.sites.values():
            if page := site.take():
                yield self._request(site, page)
        while any(site.under_way for site in self.sites.values()):
            await asyncio.sleep(_LOOK_SECONDS)
            if os.getppid() != self._parent:
                raise CloseSpider("its parent process died")

    def page(self, response: Response) -> None:
        """Keep what a page shows, and ask for the next of its site."""
        request = cast("Request", response.request)  # Scrapy's engine puts it there
        try:
            came = self._read_page(request.meta, response)
        except Exception:
            # The page proves nothing and its site goes on; Scrapy reports the error.
            self._record(_doubt(request, "its reading failed"))
            raise
        self._record(came)

    def trouble(self, failure: Failure) -> None:
        """Note a page that did not come: it proves nothing."""
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy puts it there
        error = failure.value
        if isinstance(error, IgnoreRequest):
            self._record(_doubt(request, "robots.txt forbids it, or did not come", asked=False))
        elif isinstance(error, KNOWN):
            self._record(_doubt(request, to_fetch_error(error, request.url).reason))
        else:
            self._record(_doubt(request, repr(error)))

    def closed(self, reason: str) -> None:
        """Write the result if the walk is over. A walk that was interrupted stays open for the next process."""
        cut = [name for name, site in self.sites.items() if site.is_cut]
        if self.once:
            places = [site.place for site in self.sites.values()]
            print(results.describe(places, self.seen.pages, cut, clock()), file=sys.stdout)  # noqa: T201 -- it is run at a terminal
        elif self.run and reason in _WALKED:
            file = results.finish(self.run, self.seen.pages, cut, clock())
            self.seen.drop()
            self.logger.info("%d pages seen, the report is %s", len(self.seen.pages), file)

    def robots(self, robotparser: Any, request: Request) -> None:
        """Make the pauses that a site's robots.txt asks for."""
        asked = robotparser.rp.crawl_delay(self.settings["ROBOTSTXT_USER_AGENT"])
        slot = self.crawler.engine.downloader.slots.get(urlsplit(request.url).hostname or "")
        if asked and slot:
            slot.delay = bounded_pause(float(asked))

    def dropped(self, request: Request) -> None:
        """Go on with a site whose page was asked already, as another prefecture's."""
        site = self.sites[request.meta["prefecture_id"]]
        site.skip(request.meta["address"])
        self._ask_next(site)

    def begin(self) -> None:
        """Begin a walk, or take over the open one; none if the keeper asked for what has just been ended."""
        # scrapy-redis 0.9.1 uses deprecated parts of Scrapy
        warnings.filterwarnings("ignore", module=r"scrapy_redis\.")
        with session() as rows:
            if self.job and not daily_schedule.due(rows, clock()):
                self.sites = {}
                return
            self.run = daily_schedule.begin(rows, clock())
        self.seen = Observations(client=due_queue.connect(), key=key_of(self.run))

    def _load_seeds(self) -> None:
        """Let the first pages of each site wait: its home page, and those that linked a desk before."""
        linked: Mapping[str, set[str]] = {}
        if self.run:
            with session() as rows:
                linked = results.linking_pages(rows)
        for site in self.sites.values():
            home = site.place.site
            site.add([Onward(home, _HOME, home)])
            own = {url for desk in site.place.desks for url in linked.get(desk.id, ())}
            site.add(Onward(url, _LINKED_BEFORE, home) for url in sorted(own))
        for each in self.seen.resume():
            if walked := self.sites.get(each.prefecture_id):
                walked.record(each)

    def _read_page(self, meta: dict[str, Any], response: Response) -> PageSeen:
        place = self.sites[meta["prefecture_id"]].place
        try:
            body, headers = unpack_response(response, self.settings.getint("DOWNLOAD_MAXSIZE"))
        except KNOWN as error:
            return PageSeen(place.id, meta["address"], ObservedPage.DOUBT, str(error))
        page = page_of(meta["address"], body, response.status, headers)
        came = observe(page, place, meta["home"], self._listed_at(place))
        return replace(came, onward=tuple(replace(each, steps=meta["steps"] + 1) for each in came.onward))

    def _listed_at(self, place: Prefecture) -> Listed:
        if place.id not in self._listed:
            self._listed[place.id] = Listed.of(place.desks, desks().values())
        return self._listed[place.id]

    def _record(self, came: PageSeen) -> None:
        """Keep a page's result, then ask for the site's next page.

        Raises:
            CloseSpider: Redis is away; the walk stays open for the next process.
        """
        site = self.sites[came.prefecture_id]
        try:
            self.seen.add(site.record(came))
            self._ask_next(site)
        except redis.RedisError as error:
            raise CloseSpider(f"Redis is away: {error}") from error

    def _ask_next(self, site: SiteWalk) -> None:
        if page := site.take():
            self.crawler.engine.crawl(self._request(site, page))

    def _request(self, site: SiteWalk, page: Onward) -> Request:
        """Return a page's request, to its stand-in where the site has one."""
        meta = {"prefecture_id": site.place.id, "address": page.url, "home": page.home, "steps": page.steps}
        url = resolve_stand_in(page.url, settings().sandbox_hosts)
        return Request(
            url, self.page, errback=self.trouble, meta=meta, priority=page.promise - 10 * page.steps
        )


def _doubt(request: Request, why: str, *, asked: bool = True) -> PageSeen:
    meta = request.meta
    return PageSeen(meta["prefecture_id"], meta["address"], ObservedPage.DOUBT, why, asked=asked)
