"""The check of a desk, shared by all booking systems: each check ends in exactly one outcome."""

import asyncio
import faulthandler
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from scrapy import Spider
from scrapy.crawler import Crawler

from configs.ground.addresses import resolve_stand_in
from configs.ground.clock import clock
from configs.settings import Constant, settings
from configs.world.desk import Desk, Fetch, Grade
from crawler.address_signs import AddressSigns
from crawler.bounds import LONGEST_ERROR, LONGEST_REASON, clean_text
from crawler.catalogue import check_catalogue, choose_desks, fetch_of
from crawler.fetching.download_handler import send_request
from crawler.fetching.errors import FetchError
from crawler.fetching.identity import Identities
from crawler.fetching.request_budget import BudgetExhausted, RequestBudget
from crawler.fetching.session import Session, human_delay
from crawler.items import (
    CaptureBuffer,
    CheckBatch,
    CheckItem,
    PageCapture,
    print_report,
    process_name,
    slot_items,
)
from crawler.platforms import Platform, platform
from crawler.reading import OLDEST, Outcome, Page, Reading, VisitContext
from crawler.reading_cache import ReadingCache
from crawler.robots_txt import read_robots
from crawler.scheduling.candidates import is_candidate
from crawler.scheduling.due_queue import CrawlQueue, http_deadline_seconds, visit_requests
from crawler.scheduling.intervals import (
    budget_of,
    cost_of,
    host_floor,
    is_real,
    most_requests,
    own_interval,
    visit_limit,
)
from crawler.url_policy import ensure_allowed
from crawler.visit_state import VisitResult, VisitState, visit_of

if TYPE_CHECKING:
    from crawler.recording.batch_writer import Writer

# Age at which a spider process ends, for another to be started
spider_age_seconds = Constant("SPIDER_AGE_SECONDS", 6 * 3600.0)
# How long a spider of scrapyd may take to begin: on a busy machine its imports alone take a minute
first_word_seconds = Constant("FIRST_WORD_SECONDS", 180.0)

log = logging.getLogger(__name__)

_OLDEST_INTERVALS = 5  # as for open slots, which lapse after as many


class BookingSpider(Spider):
    """Base class of the booking systems' spiders; `system` is the SYSTEM of their platforms.

    With arguments (prefecture, procedure, desk) it checks those desks once, without database and Redis. Without
    arguments it serves the due queue until it is stopped: of HTTP desks, or with `fetch=browser` of browser desks.
    """

    system: str
    writer: "Writer"  # of one that serves its queue; the pipeline makes it

    def __init__(self, name: str | None = None, **arguments: Any) -> None:
        """Take the arguments as text; raises what `select_targets` raises."""
        super().__init__(name)
        self.queue = CrawlQueue(self.system, fetch_of(arguments))
        self.desks = self.select_targets(arguments)
        self.once = bool(self.desks)
        self.job = str(arguments.get("_job", ""))  # scrapyd's id
        self.checked: list[tuple[Desk, CheckItem]] = []
        self.identities = Identities(settings().proxy_list)
        self.readings = ReadingCache()

    @classmethod
    def select_targets(cls, arguments: Mapping[str, Any]) -> list[Desk]:
        """Return the desks to check once, none to serve the queue. Nothing is requested yet.

        Raises:
            configs.ground.strict_yaml.ConfigFileError: desk files are wrong.
            crawler.catalogue.WrongArgument, configs.world.prefecture.UnknownPrefecture: a name does not exist.
            crawler.url_policy.AddressRefused: a desk's address may not be asked here.
        """
        check_catalogue()
        fetch_of(arguments)
        desks = choose_desks(cls.system, arguments)
        for desk in desks:
            ensure_allowed(resolve_stand_in(desk.url, settings().sandbox_hosts), settings())
        return desks

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        """Build the spider. A check at the terminal writes no table rows; a feed contains slots only.

        One that serves its queue ends by its age or its memory, at SPIDER_AGE_SECONDS to a fifth more, so that no two
        systems restart at once.
        """
        spider = super().from_crawler(crawler, *args, **kwargs)
        if spider.once:
            crawler.settings.set("ITEM_PIPELINES", {}, priority="cmdline")
        else:
            if spider.job:  # the dispatcher goes on with it
                faulthandler.dump_traceback_later(first_word_seconds(), exit=True)
            age = spider_age_seconds() * secrets.SystemRandom().uniform(1, 1.2)
            crawler.settings.set("CLOSESPIDER_TIMEOUT", age, priority="cmdline")
            crawler.settings.set("MEMUSAGE_LIMIT_MB", settings().spider_memory_mb, priority="cmdline")
            logging.getLogger("scrapy.extensions.memusage").setLevel(logging.WARNING)  # else a line a minute
        feeds = crawler.settings.getdict("FEEDS").items()
        only_slots = {uri: {"item_classes": [dict], **options} for uri, options in feeds}
        crawler.settings.set("FEEDS", only_slots, priority="cmdline")
        return spider

    async def start(self) -> AsyncIterator[CheckItem | CheckBatch | dict[str, object]]:
        """Yield checks when they have ended and, once-mode, their slots for the feeds."""
        if not self.once:
            from crawler.dispatcher import serve  # noqa: PLC0415 -- a check at the terminal loads no Redis library

            async with aclosing(serve(self)) as batches:
                async for ended in batches:
                    yield ended
            return
        async with aclosing(each_once(self.desks, self.check)) as checks:
            async for desk, check in checks:
                self.checked.append((desk, check))
                yield check
                for slot in slot_items(desk, check):
                    yield slot

    def closed(self, reason: str) -> None:  # noqa: ARG002 -- Scrapy passes it
        """Print the report at the terminal."""
        if self.once:
            print_report(self.system, self.checked, self.settings)

    async def check(
        self,
        desk: Desk,
        token: int | None,
        *,
        turn: int = 0,
        probe: bool = False,
        budget: RequestBudget | None = None,
        hand_over: Callable[[CheckItem], object] = lambda _check: None,
    ) -> CheckItem:
        """Visit one desk and return how that ended.

        `turn` is the number of the visit; `probe`: only the steps that prove absence are made. `budget` is the request
        budget (None: what the host's budget allows one visit). `hand_over` is called with the check as soon as it has
        ended, before its browser page is closed. Only CancelledError is raised: any other failure is the outcome.
        """
        session = self._session(desk, budget or RequestBudget(visit_limit(desk)), desk.fetch)
        try:
            check = await self._visit_desk(desk, token, turn, session, probe=probe)
            hand_over(check)
        finally:
            await session.close()
        return check

    async def _visit_desk(
        self, desk: Desk, token: int | None, turn: int, session: Session, *, probe: bool
    ) -> CheckItem:
        """Visit one desk and return the finished check; raises CancelledError only."""
        started_at, state = clock(), None
        buffer, signs = CaptureBuffer(), AddressSigns() if desk.grade is Grade.STALE else None
        try:
            oldest = max(OLDEST, _OLDEST_INTERVALS * timedelta(seconds=own_interval(desk)))
            seen = replace(visit_of(desk, turn=turn), oldest=oldest, requests=most_requests(desk))
            first = platform(desk.platform).first_request(seen)
            limit = cost_of(desk) if probe else visit_requests()
            state = VisitState(first, limit=limit, now=clock().astimezone(desk.zone))
            classify = self.readings.classify
            error = await visit(desk, seen, state, session, buffer, classify=classify, signs=signs)
            result = state.result()
        except Exception as fault:  # any failure ends in one outcome
            log.exception("the check of %s failed by a fault of ours", desk.id)
            error = f"{type(fault).__name__}: {fault}"
            result = VisitResult(
                outcome=Outcome.UNREADABLE, reason=clean_text(f"a fault of ours: {error}", LONGEST_REASON)
            )
            if state and (seen_before := state.result()).slots:
                result = seen_before
        return CheckItem(
            **vars(result),
            desk_id=desk.id,
            token=token,
            started_at=started_at,
            seen_at=clock(),
            milliseconds=round(session.clock.elapsed * 1000),
            requests=session.requests,
            error=error and clean_text(error, LONGEST_ERROR),
            booking_url=desk.url,
            process=process_name(),
            probe=probe,
            title=signs.title if signs else None,
            gone=bool(signs and signs.gone),
            captures=buffer.select(result.outcome),
        )

    async def read_robots(self, desk: Desk, token: int, budget: RequestBudget) -> CheckItem:
        """Read the robots.txt of a desk's host, by HTTP."""
        return await read_robots(desk, token, self._session(desk, budget, Fetch.HTTP))

    def _session(self, desk: Desk, budget: RequestBudget, fetch: Fetch) -> Session:
        largest = self.settings.getint("DOWNLOAD_MAXSIZE")
        if fetch is Fetch.BROWSER:
            from crawler.browser.page import BrowserSession  # noqa: PLC0415 -- loaded only for browser desks

            return BrowserSession(desk, self.crawler, budget, self.identities)
        # A name that somebody gave may lead into a private network; one of a desk file may, in a drill.
        return Session(
            partial(send_request, self.crawler, way="outside" if is_candidate(desk.id) else None),
            deadline=http_deadline_seconds(),
            largest=largest,
            budget=budget,
            identities=self.identities,
            host=desk.host,
            named=desk.proxy,
        )


async def visit(
    desk: Desk,
    seen: VisitContext,
    state: VisitState,
    session: Session,
    buffer: CaptureBuffer,
    *,
    classify: Callable[[Platform, Page], Reading],
    signs: AddressSigns | None = None,
) -> str | None:
    """Request page after page until the visit is finished, or its time or its requests are used up.

    `buffer` keeps the pages for proofs; `classify` reads a page; `signs` are those of a stale address. Return the first
    network error, if there was one.
    """
    chosen, error = platform(desk.platform), None
    while session.clock.left > 0 and (ask := state.next()):
        capture = None
        if session.requests and (delay := human_delay()):
            await session.clock.pause(delay)
        try:
            page = await session.fetch(ask, seen, chosen.is_forbidden)
        except BudgetExhausted:
            state.skip(ask)
            break
        except FetchError as failure:
            error = error or failure.error
            state.add_reading(ask, failure.reading)
        else:
            reading = classify(chosen, page)
            capture = PageCapture.of(desk.platform, page, reading)
            state.add_reading(ask, reading)
            if signs:
                signs.add(page)
        buffer.add(capture, troubled=state.troubled)
    return error


Check = Callable[[Desk, int | None], Awaitable[CheckItem]]


async def each_once(desks: list[Desk], check: Check) -> AsyncGenerator[tuple[Desk, CheckItem], None]:
    """Yield each desk with its check, one after the other; `check` must not raise."""
    for number, desk in enumerate(desks, 1):
        ended = await check(desk, None)
        yield desk, ended
        if is_real(desk) and desk.host in [each.host for each in desks[number:]]:
            # No queue counts the host's budget here.
            await asyncio.sleep(host_floor(ended.requests, budget_of(desk)))
