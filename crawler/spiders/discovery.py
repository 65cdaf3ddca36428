"""Discovery spider: walks the prefectures' own sites once a day, for unlisted booking pages and moved ones."""

import faulthandler
import os
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

import redis
import sqlalchemy as sa
from pydantic import ValidationError
from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider, IgnoreRequest
from scrapy.http import Response
from twisted.python.failure import Failure

from api.models.base import session
from configs.ground.addresses import host_of, resolve_stand_in
from configs.ground.clock import clock
from configs.settings import settings
from configs.world.booking_hosts import explain_unasked
from configs.world.prefecture import desks
from crawler.catalogue import WrongArgument, check_catalogue
from crawler.discovery import daily_schedule, results
from crawler.discovery.booking_links import Listed
from crawler.discovery.crawl_settings import walk_settings
from crawler.discovery.daily_schedule import allowed_sites, discovery_seconds
from crawler.discovery.identify import page_of
from crawler.discovery.links import resolve_on_site
from crawler.discovery.observations import SEEN, ObservedPage, Onward, PageSeen, observe
from crawler.discovery.site_walk import SiteWalk, bounded_pause
from crawler.fetching.download_handler import unpack_response
from crawler.fetching.errors import KNOWN, to_fetch_error
from crawler.incidents import backoff
from crawler.scheduling import due_queue

if TYPE_CHECKING:
    from api.models.discovery import DiscoveryRun

_END_SECONDS = 600.0  # that a walk whose time is up may take to read its pages again and to end
_KEPT_SECONDS = 2 * 86400  # what a walk saw that nothing resumes
_WALKED = ("finished", "closespider_timeout")  # reasons of Scrapy for which a walk is over
_HOME, _LINKED_BEFORE = 200, 150  # priorities of the first pages


class DiscoverySpider(Spider):
    """A walk of all sites. Its pages are kept in a list in Redis, for the process that resumes it."""

    name = "discovery"
    run: "DiscoveryRun"
    key: str  # prefix of the walk's keys in Redis

    def __init__(self, name: str | None = None, **arguments: Any) -> None:
        """Take scrapyd's job; raises what `allowed_sites` raises."""
        super().__init__(name)
        self.is_job = "_job" in arguments
        self.sites = {place.id: SiteWalk(place) for place in allowed_sites()}
        self._redis = due_queue.connect()
        self._parent = settings().scrapyd_pid or os.getppid()
        self._listed = Listed.of(desks().values())

    @classmethod
    def select_targets(cls, arguments: Mapping[str, Any]) -> list[Any]:
        """Return no desks: it always walks all sites. Nothing is asked yet.

        Raises:
            configs.ground.strict_yaml.ConfigFileError: desk files are wrong.
            crawler.catalogue.WrongArgument: it takes none.
            crawler.url_policy.AddressRefused: no site may be asked here.
        """
        check_catalogue()
        if unknown := sorted(each for each in arguments if not each.startswith("_")):
            raise WrongArgument(f"no argument {unknown[0]!r}; discovery takes none: it walks all sites")
        allowed_sites()
        return []

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        """Build it; begin a walk or take over the open one."""
        spider = super().from_crawler(crawler, *args, **kwargs)
        # scrapy-redis 0.9.1 uses deprecated parts of Scrapy
        warnings.filterwarnings("ignore", module=r"scrapy_redis\.")
        with session() as rows:
            spider.run = daily_schedule.begin(rows, clock())
        spider.key = f"crawler:discovery:{spider.run.id}"
        # A walk whose time is up must be ended.
        left = max(1.0, discovery_seconds() - (clock() - spider.run.started_at).total_seconds())
        crawler.settings.setdict(walk_settings(spider.key, left), priority="cmdline")
        if spider.is_job:  # one that hangs says where
            faulthandler.dump_traceback_later(left + _END_SECONDS, exit=True)
        crawler.signals.connect(spider.robots, signals.robots_parsed)
        return spider

    async def start(self) -> AsyncIterator[Request]:
        """Yield the next page of each site: after its home page, those that linked a desk before are asked."""
        with session() as rows:
            linked = results.load_linking_pages(rows)
        for site in self.sites.values():
            home = resolve_on_site(site.place.site, site.place.site) or site.place.site
            before = {url for desk in site.place.desks for url in linked.get(desk.id, ())}
            site.add([Onward(home, _HOME), *(Onward(url, _LINKED_BEFORE) for url in sorted(before))])
        self._resume()
        for site in self.sites.values():
            for request in self._ask_next(site):
                yield request

    def page(self, response: Response) -> Iterator[Request]:
        """Keep what a page shows, and ask for the next of its site."""
        request = cast("Request", response.request)  # Scrapy's engine puts it there
        try:
            seen = self._read_page(request.meta, response)
        except Exception:
            self.logger.exception("%s is not read", request.url)
            seen = _doubt(request, "its reading failed")
        yield from self._record(seen)

    def trouble(self, failure: Failure) -> Iterator[Request]:
        """Note a page that did not come: it proves nothing. Ask for the next of its site."""
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy puts it there
        error = failure.value
        if isinstance(error, IgnoreRequest):
            seen = _doubt(request, "robots.txt forbids it, or did not come", asked=False)
        elif isinstance(error, KNOWN):
            seen = _doubt(request, to_fetch_error(error, request.url).reason)
        else:
            seen = _doubt(request, repr(error))
        yield from self._record(seen)

    def closed(self, reason: str) -> None:
        """Write the result if the walk is over. A walk that was interrupted stays open for the next process."""
        if reason in _WALKED:
            results.finish(self.run, self.sites, clock())
            self._redis.delete(*(f"{self.key}:{name}" for name in ("facts", "requests", "seen")))

    def robots(self, robotparser: Any, request: Request) -> None:
        """Make the pauses that a site's robots.txt asks for."""
        asked = robotparser.rp.crawl_delay(self.settings["ROBOTSTXT_USER_AGENT"])
        slot = self.crawler.engine.downloader.slots.get(urlsplit(request.url).hostname or "")
        if asked and slot:
            slot.delay = bounded_pause(float(asked))

    def _resume(self) -> None:
        """Take over what an earlier process of this walk saw; a page that another release wrote is asked again."""
        found: list[str] = self._redis.lrange(f"{self.key}:facts", 0, -1)  # type: ignore[assignment]  # async and sync in one
        for each in found:
            with suppress(ValidationError, KeyError):
                page = SEEN.validate_json(each)
                self.sites[page.prefecture_id].record(page)

    def _read_page(self, meta: Mapping[str, Any], response: Response) -> PageSeen:
        try:
            body, headers = unpack_response(response, self.settings.getint("DOWNLOAD_MAXSIZE"))
        except KNOWN as error:
            return PageSeen(meta["prefecture_id"], meta["address"], ObservedPage.DOUBT, str(error))
        page = page_of(meta["address"], body, response.status, headers)
        return observe(page, meta["prefecture_id"], meta["steps"], self._listed)

    def _record(self, seen: PageSeen) -> Iterator[Request]:
        """Keep a page's result, then ask for the site's next page.

        Raises:
            CloseSpider: Redis, the database or scrapyd is away; the walk stays open for the next process.
        """
        if os.getppid() != self._parent:
            raise CloseSpider("its parent process died")
        site = self.sites[seen.prefecture_id]
        try:
            if seen.refusal in backoff.RESTING:
                self._rest_host(backoff.Refusal(host_of(seen.url), seen.refusal, clock(), seen.retry_after))
            self._redis.rpush(f"{self.key}:facts", SEEN.dump_json(site.record(seen)))
            self._redis.expire(f"{self.key}:facts", _KEPT_SECONDS)
        except (redis.RedisError, sa.exc.DBAPIError) as error:
            raise CloseSpider(f"Redis or the database is away: {error}") from error
        yield from self._ask_next(site)

    def _rest_host(self, refusal: backoff.Refusal) -> None:
        """Let a host rest that refused us under our own name: checks and probes come under no other one."""
        with session() as rows:
            rests = backoff.rest_hosts(rows, [refusal], refusal.at)
        due_queue.send(self._redis, due_queue.rest(rests, now=refusal.at))

    def _ask_next(self, site: SiteWalk) -> Iterator[Request]:
        """Yield the request of the site's best page, if one waits: to its stand-in where the site has one.

        A site that is stopped, refused or at rest is left for the day.
        """
        if (page := site.take()) and (host := host_of(page.url)):
            site.left = bool(explain_unasked(host)) or due_queue.is_left_alone(self._redis, host)
        if page and not site.left:
            meta = {"prefecture_id": site.place.id, "address": page.url, "steps": page.steps}
            url = resolve_stand_in(page.url, settings().sandbox_hosts)
            yield Request(url, self.page, errback=self.trouble, meta=meta, priority=page.promise)


def _doubt(request: Request, why: str, *, asked: bool = True) -> PageSeen:
    meta = request.meta
    return PageSeen(meta["prefecture_id"], meta["address"], ObservedPage.DOUBT, why, asked=asked)
