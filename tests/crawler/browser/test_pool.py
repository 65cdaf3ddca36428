"""The pool, with fake browsers: after any failure each place is released and each browser ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from scrapy import Spider
from scrapy.crawler import Crawler

from crawler.browser import pool
from crawler.browser.check_page import CheckPage
from crawler.browser.context_options import ContextOptions
from crawler.browser.egress_proxy import EgressProxy
from crawler.browser.pool import Browsers
from crawler.fetching.request_budget import RequestBudget

GUISE = ContextOptions("Europe/Paris")


class Fake:
    """What the pool knows of a browser."""

    made: list["Fake"]

    def __init__(self, crawler: Crawler) -> None:
        self.tabs: dict[str, Any] = {}
        self.context_wrappers: dict[str, Any] = {}
        self.opened, self.agent = 0, "Agent"
        self.lost = self.ended = False
        self.made.append(self)

    @property
    def used_up(self) -> bool:
        return self.lost or self.opened > 1

    async def start(self) -> None:
        """Start it."""

    async def weigh(self) -> None:
        """Look what it holds."""

    async def end(self) -> None:
        self.ended = True


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]) -> list[Fake]:
    settings_env(BROWSER_PLACES="1", BROWSER_PATH="/bin/true")
    monkeypatch.setattr(pool, "Browser", Fake)
    Fake.made = []
    return Fake.made


def in_pool(use: Callable[[Browsers], Awaitable[None]]) -> None:
    async def used() -> None:
        browsers = Browsers(Crawler(Spider))
        try:
            await asyncio.wait_for(use(browsers), 10)
        finally:
            await browsers.close()

    asyncio.run(used())


def opening(comes_to: Callable[[], Awaitable[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    async def opened(_wire: EgressProxy) -> str:
        return await comes_to()

    monkeypatch.setattr(EgressProxy, "open", opened)


async def no_port() -> str:
    raise OSError("no port is left")


def test_a_page_that_cannot_begin_is_given_back(made: list[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(browsers: Browsers) -> None:
        with monkeypatch.context() as patch:
            opening(no_port, patch)
            for _ in range(2):
                with pytest.raises(OSError, match="no port"):
                    await browsers.tab(GUISE, RequestBudget(1))
        await asyncio.sleep(0)
        assert ([each.ended for each in made], made[0].tabs) == ([True], {}), "used up, and nobody holds it"
        await browsers.leave(await browsers.tab(GUISE, RequestBudget(1)))

    in_pool(use)
    assert [each.ended for each in made] == [True, True]


def test_a_check_that_is_stopped_while_its_page_begins_leaves_nothing(
    made: list[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[EgressProxy] = []

    def close(wire: EgressProxy) -> None:
        closed.append(wire)

    async def use(browsers: Browsers) -> None:
        begun = asyncio.Event()

        async def for_ever() -> str:
            begun.set()
            return await asyncio.Future[str]()

        with monkeypatch.context() as patch:
            opening(for_ever, patch)
            patch.setattr(EgressProxy, "close", close)
            task = asyncio.ensure_future(browsers.tab(GUISE, RequestBudget(1)))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (made[0].tabs, len(closed)) == ({}, 1)
        await browsers.leave(await browsers.tab(GUISE, RequestBudget(1)))

    in_pool(use)


def test_a_page_that_does_not_end_well_costs_its_browser_and_no_check(
    made: list[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> bool:
        raise FileNotFoundError(2, "No such file or directory", "/proc/1/task")

    async def use(browsers: Browsers) -> None:
        tab = await browsers.tab(GUISE, RequestBudget(1))
        with monkeypatch.context() as patch:
            patch.setattr(CheckPage, "close", fails)
            await browsers.leave(tab)
        tab.wire.close()
        await browsers.leave(await browsers.tab(GUISE, RequestBudget(1)))

    in_pool(use)
    assert [each.ended for each in made] == [True, True]
