"""A real spider in a real Scrapy engine on a real reactor, held open in a thread: tests ask it for checks.

A reactor runs once in a process, so one is shared by all tests of a worker.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import date
from importlib import import_module
from typing import Any, TypeVar

import pytest
from scrapy.crawler import AsyncCrawlerRunner, Crawler
from scrapy.settings import Settings
from scrapy.utils.misc import load_object
from scrapy.utils.reactor import install_reactor

from configs.world.desk import Desk
from crawler.booking import BookingSpider
from crawler.items import CheckItem

T = TypeVar("T")
_PATIENCE = 120.0  # seconds


class HeldSpider(BookingSpider):
    """Does nothing by itself until it is let go; its checks reach no table."""

    name = "held"
    system = "prefenligne"
    custom_settings = {"ITEM_PIPELINES": {}}  # noqa: RUF012 -- Scrapy's own name and type
    opened: "Future[Held]"
    nothing: tuple[CheckItem, ...] = ()

    async def start(self) -> AsyncIterator[CheckItem]:
        held = Held(self, asyncio.get_running_loop())
        self.opened.set_result(held)
        await held.let_go.wait()
        for item in self.nothing:  # makes this the generator that Scrapy wants
            yield item


class Held:
    """The spider, spoken to from the tests' thread."""

    def __init__(self, spider: HeldSpider, loop: asyncio.AbstractEventLoop) -> None:
        self.spider = spider
        self.loop = loop
        self.let_go = asyncio.Event()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(_PATIENCE)

    def check(self, desk: Desk, token: int = 7, **how: Any) -> CheckItem:
        return self.run(self.spider.check(desk, token, **{"turn": token} | how))


@pytest.fixture(scope="session")
def _held() -> Iterator[Held]:
    with holding() as held:
        yield held


@pytest.fixture
def held(_held: Held, settings_env: Callable[..., None]) -> Held:
    """Give the spider, with a deadline that a busy machine does not miss."""
    settings_env(HTTP_DEADLINE_SECONDS="20")
    return _held


def make_desk(url: str = "http://127.0.0.1:8800/booking/create/23014", **fields: Any) -> Desk:
    """Return a desk of nowhere in particular."""
    given: dict[str, Any] = {
        "prefecture_id": "evry-courcouronnes_91",
        "slug": "naturalisation",
        "label": "Naturalisation",
        "procedures": ["NATURALISATION"],
        "platform": "ezbooking",
        "grade": "confirmed",
        "source": "test",
        "date": date(2026, 11, 20),
        "position": (48.633, 2.441),
    }
    return Desk(**given | fields, url=url)


def scrapy_settings(**over: Any) -> Settings:
    settings = Settings()
    settings.setmodule("crawler.settings", priority="project")
    settings.setdict(over, priority="cmdline")
    return settings


@contextmanager
def holding() -> Iterator[Held]:
    opened: Future[Held] = Future()
    HeldSpider.opened = opened
    thread = threading.Thread(target=_react, args=(opened,), name="reactor")
    thread.start()
    held = opened.result(_PATIENCE)
    yield held
    held.loop.call_soon_threadsafe(held.let_go.set)
    thread.join(_PATIENCE)


def _react(opened: "Future[Held]") -> None:
    # The memory is that of all tests of this process.
    settings = scrapy_settings(LOG_INSTALL_ROOT_HANDLER=False, MEMUSAGE_ENABLED=False)
    # Set before: Scrapy would make a loop of another kind first and leave it open.
    loop = load_object(settings["ASYNCIO_EVENT_LOOP"] or asyncio.new_event_loop)()
    asyncio.set_event_loop(loop)
    install_reactor(settings["TWISTED_REACTOR"], settings["ASYNCIO_EVENT_LOOP"])
    reactor: Any = import_module("twisted.internet.reactor")  # only there once installed

    async def crawl() -> None:
        try:
            await runner.crawl(crawler)
        except Exception as error:  # noqa: BLE001 -- told to the thread that waits
            opened.set_exception(error)
        finally:
            reactor.stop()

    runner = AsyncCrawlerRunner(settings)
    crawler = Crawler(HeldSpider, settings)
    reactor.callWhenRunning(lambda: asyncio.ensure_future(crawl()))
    reactor.run(installSignalHandlers=False)
    loop.close()
