import asyncio
import faulthandler
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import pytest
import redis.asyncio
from scrapy.exceptions import CloseSpider

from configs.ground.clock import clock
from configs.world.desk import Desk
from crawler import dispatcher
from crawler.fetching.identity import Identities
from crawler.fetching.request_budget import BudgetExhausted, RequestBudget
from crawler.items import CheckBatch, CheckItem
from crawler.recording.batch_writer import Writer
from crawler.scheduling import due_queue
from crawler.scheduling.due_queue import CrawlQueue
from deploy.local.valkey import start_valkey
from tests.crawler.checks import Crawler, check, entry

if TYPE_CHECKING:
    from crawler.booking import BookingSpider

SYSTEM = "prefenligne"
PATIENCE = 60  # seconds until a test that waits for something has failed


class Spider:
    """Checks desks at once, except those that a test holds back."""

    system = SYSTEM
    queue = CrawlQueue(SYSTEM)
    job = ""  # by hand: it does not end the process of the tests

    def __init__(self) -> None:
        self.crawler = Crawler()
        self.identities = Identities(())
        self.writer = Writer(SYSTEM)
        self.handed: list[str] = []
        self.writer.put = lambda check: self.handed.append(check.desk_id)  # type: ignore[method-assign]
        self.asked: list[str] = []
        self.budgets: dict[str, RequestBudget] = {}
        self.turns: dict[str, int] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.fault: BaseException | None = None

    async def check(
        self,
        desk: Desk,
        token: int | None,
        *,
        turn: int,
        probe: bool,
        budget: RequestBudget,
        hand_over: Callable[[CheckItem], object],
    ) -> CheckItem:
        self.budgets[desk.slug] = budget
        self.turns[desk.slug] = turn
        self.asked.append(desk.slug)
        if desk.slug in self.held:
            await self.held[desk.slug].wait()
        if self.fault:
            raise self.fault
        made = check(desk.slug, token, started_at=clock(), booking_url=desk.url)
        hand_over(made)
        return made


@pytest.fixture
def spider() -> Spider:
    return Spider()


@pytest.fixture
def desks(
    redis_server: redis.Redis, desk_files: Callable[..., dict[str, Desk]], settings_env: Callable[..., None]
) -> dict[str, Desk]:
    settings_env(STOP_GRACE_SECONDS="0.05", RENEWED_SECONDS="0.02", FEEDER_SLEEP_SECONDS="0.2")
    return desk_files(a="127.77.0.91:8800", b="127.77.0.92:8800", c="127.77.0.93:8800", d="127.77.0.91:8800")


def put(desks: dict[str, Desk], *slugs: str, ahead: float = 0) -> None:
    when = clock() + timedelta(seconds=ahead)
    entries = [entry(desks[slug].id, desks[slug].host, 0, when) for slug in slugs]
    with due_queue.connect() as client:
        due_queue.send(client, due_queue.schedule(SYSTEM, entries, now=clock()))


async def serve(spider: Spider) -> AsyncGenerator[CheckItem, None]:
    """Yield the checks one by one."""
    async with aclosing(batches(spider)) as served:
        async for ended in served:
            for check in ended.checks:
                yield check


def batches(spider: Spider) -> AsyncGenerator[CheckBatch, None]:
    return dispatcher.serve(cast("BookingSpider", spider))


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Let a test run on a loop of its own, for PATIENCE seconds at most."""

    @wraps(test)
    def run(**fixtures: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(PATIENCE):
                await test(**fixtures)

        asyncio.run(bounded())

    return run


@contextmanager
def closed(reason: str) -> Iterator[None]:
    with pytest.raises(CloseSpider) as raised:
        yield
    assert reason in raised.value.reason


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 -- what is waited for has no event of its own
        await asyncio.sleep(0.005)


def score_of(desk: Desk) -> datetime:
    with due_queue.connect() as client:
        return datetime.fromtimestamp(client.zscore(f"crawler:due:{SYSTEM}", desk.id) or 0, UTC)


@in_loop
async def test_desks_that_are_due_are_checked_and_yielded_as_they_end(
    spider: Spider, desks: dict[str, Desk]
) -> None:
    put(desks, "a", "b")
    spider.held["a"] = asyncio.Event()
    async with aclosing(serve(spider)) as checks:
        first = await anext(checks)
        spider.held["a"].set()
        second = await anext(checks)
    assert [first.desk_id, second.desk_id] == ["evry_91/b", "evry_91/a"]
    assert first.token
    assert spider.turns == {"a": 1, "b": 1}, "the first claim of each"


@in_loop
async def test_a_desk_that_a_spider_does_not_know_holds_up_no_other_of_its_host(
    spider: Spider, desks: dict[str, Desk], caplog: pytest.LogCaptureFixture
) -> None:
    with due_queue.connect() as client:
        new = entry("evry_91/new", desks["a"].host, 0, clock() - timedelta(seconds=5))
        due_queue.send(client, due_queue.schedule(SYSTEM, [new], now=clock()))
    put(desks, "a")
    async with aclosing(serve(spider)) as checks, asyncio.timeout(10):
        assert (await anext(checks)).desk_id == "evry_91/a"
    assert "prefenligne: unknown desks: restart the spiders: evry_91/new" in caplog.text


@in_loop
async def test_a_desk_is_asked_when_it_falls_due_and_not_at_the_next_look(
    spider: Spider, desks: dict[str, Desk], settings_env: Callable[..., None]
) -> None:
    settings_env(FEEDER_SLEEP_SECONDS="60")
    put(desks, "a", ahead=0.2)
    due_at = score_of(desks["a"])
    async with aclosing(serve(spider)) as checks:
        check = await anext(checks)
    assert check.started_at >= due_at


@in_loop
async def test_no_more_desks_are_claimed_than_there_are_places(
    spider: Spider, desks: dict[str, Desk], settings_env: Callable[..., None]
) -> None:
    settings_env(SPIDER_PLACES="2")
    put(desks, "a", "b", "c")
    spider.held = {slug: asyncio.Event() for slug in "abc"}
    async with aclosing(serve(spider)) as checks:
        waiting = asyncio.ensure_future(anext(checks))
        await until(lambda: len(spider.asked) == 2)
        await asyncio.sleep(0)
        assert len(spider.asked) == 2
        spider.held[spider.asked[0]].set()
        await waiting
        await until(lambda: len(spider.asked) == 3)
        for event in spider.held.values():
            event.set()


@in_loop
async def test_a_desk_of_a_busy_host_is_asked_as_soon_as_the_visit_there_is_written(
    spider: Spider, desks: dict[str, Desk], settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_env(FEEDER_SLEEP_SECONDS="60")
    put(desks, "a", "d")
    async with aclosing(serve(spider)) as checks:
        check = await anext(checks)
        visit = due_queue.VisitEnd(
            check.desk_id, check.token or 0, clock() + timedelta(60), desks["a"].host, clock()
        )
        await asyncio.to_thread(spider.writer._finish, [visit])
        second = await anext(checks)
    assert {check.desk_id, second.desk_id} == {"evry_91/a", "evry_91/d"}
    assert spider.writer._redis
    spider.writer._redis.close()


@pytest.mark.rule("3.6")
@in_loop
async def test_nothing_is_claimed_while_the_writer_is_behind(
    spider: Spider, desks: dict[str, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []

    def behind(_: object) -> bool:
        looks.append(len(looks) < 3)
        return looks[-1]

    monkeypatch.setattr(type(spider.writer), "behind", property(behind))
    put(desks, "a")
    async with aclosing(serve(spider)) as checks:
        await anext(checks)
    assert looks[:4] == [True, True, True, False]


@in_loop
async def test_at_the_end_checks_that_run_are_given_their_time_and_the_rest_is_given_back(
    spider: Spider, desks: dict[str, Desk], settings_env: Callable[..., None]
) -> None:
    put(desks, "a", "b", "c")
    spider.held = {slug: asyncio.Event() for slug in "bc"}
    checks = serve(spider)
    await anext(checks)
    await until(lambda: len(spider.asked) == 3)
    waiting = asyncio.ensure_future(anext(checks))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.01, spider.held["b"].set)
    waiting.cancel()  # as the engine does when it stops
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert spider.handed == ["evry_91/b"]
    assert score_of(desks["c"]) <= clock()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@in_loop
async def test_a_claim_on_its_way_when_the_crawl_stops_is_given_back(
    spider: Spider, desks: dict[str, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    through, asked, answer = due_queue.asend, asyncio.Event(), asyncio.Event()

    async def slow(client: Any, call: due_queue.Call[Any]) -> Any:
        result = await through(client, call)
        asked.set()
        await answer.wait()
        return result

    put(desks, "a")
    monkeypatch.setattr(due_queue, "asend", slow)
    waiting = asyncio.ensure_future(anext(serve(spider)))
    await asked.wait()
    monkeypatch.setattr(due_queue, "asend", through)
    waiting.cancel()
    asyncio.get_running_loop().call_later(0.01, answer.set)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert spider.asked == []
    assert score_of(desks["a"]) <= clock()


@in_loop
async def test_a_spider_whose_parent_died_closes(
    spider: Spider, desks: dict[str, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = asyncio.ensure_future(anext(serve(spider)))
    await until(speaks)
    monkeypatch.setattr(os, "getppid", lambda: 1)
    with closed("parent"):
        await waiting


def speaks() -> bool:
    with due_queue.connect() as client:
        return any(client.scan_iter("crawler:process:*"))


@in_loop
async def test_a_spider_of_scrapyd_has_an_event_loop_that_moves_or_ends(
    spider: Spider, desks: dict[str, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    armed: list[tuple[float, dict[str, bool]]] = []
    monkeypatch.setattr(
        faulthandler, "dump_traceback_later", lambda seconds, **how: armed.append((seconds, how))
    )
    spider.job = "job-1"
    waiting = asyncio.ensure_future(anext(serve(spider)))
    await until(lambda: len(armed) > 2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert armed[-1] == (45.0, {"exit": True})


@in_loop
async def test_what_was_read_is_handed_over_though_redis_hangs_at_the_end(
    spider: Spider, desks: dict[str, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "_LAST_CLAIM", 0.2)

    async def hangs(*_: object) -> None:
        await asyncio.Event().wait()

    put(desks, "a", "b", "c")
    spider.held = {slug: asyncio.Event() for slug in "bc"}
    checks = serve(spider)
    await anext(checks)
    await until(lambda: len(spider.asked) == 3)
    for module, name in (
        (due_queue, "asend"),
        (redis.asyncio.client.Pipeline, "execute"),
        (redis.asyncio.Redis, "delete"),
    ):
        monkeypatch.setattr(module, name, hangs)
    waiting = asyncio.ensure_future(anext(checks))
    await asyncio.sleep(0)
    spider.held["b"].set()
    spider.crawler.engine.running = False
    began = monotonic()
    waiting.cancel()
    await until(lambda: spider.handed)
    assert spider.handed == ["evry_91/b"]
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert monotonic() - began < 50


@in_loop
async def test_a_fault_in_a_check_costs_that_check_only(
    spider: Spider, desks: dict[str, Desk], caplog: pytest.LogCaptureFixture
) -> None:
    put(desks, "a")
    spider.fault = RuntimeError("a fault of ours")
    async with aclosing(serve(spider)) as checks:
        waiting = asyncio.ensure_future(anext(checks))
        await until(lambda: "a fault of ours" in caplog.text)
        spider.fault = None
        put(desks, "b")
        assert (await waiting).desk_id == "evry_91/b"


@pytest.mark.rule("3.9")
@in_loop
async def test_a_visit_of_a_host_that_is_stopped_asks_nothing_more_within_a_second(
    spider: Spider, desks: dict[str, Desk]
) -> None:
    put(desks, "a", "b")
    spider.held = {slug: asyncio.Event() for slug in "ab"}
    async with aclosing(serve(spider)) as checks:
        waiting = asyncio.ensure_future(anext(checks))
        await until(lambda: len(spider.asked) == 2)
        with due_queue.connect() as client:
            due_queue.replace_stopped(client, [desks["a"].host])
        began = monotonic()
        await until(lambda: spider.budgets["a"].stopped)
        assert monotonic() - began < PATIENCE
        with pytest.raises(BudgetExhausted):  # not even what is paid for
            await spider.budgets["a"].take()
        await spider.budgets["b"].take()
        for held in spider.held.values():
            held.set()
        await waiting


@pytest.mark.rule("3.9")
@in_loop
async def test_redis_away_means_no_request_more_until_it_is_back(
    spider: Spider,
    desks: dict[str, Desk],
    tmp_path: Path,
    settings_env: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    valkey = start_valkey(tmp_path / "valkey", durable=False)
    settings_env(REDIS_URL=valkey.url(0))

    async def away() -> None:
        """Let a visit begin, Redis go, and another desk fall due: the visit gets what its claim paid for."""
        await until(lambda: spider.asked)
        valkey.stop()
        await spider.budgets["a"].take()
        for _ in range(2):
            with pytest.raises(BudgetExhausted):
                await spider.budgets["a"].take()
        spider.held["a"].set()
        await asyncio.sleep(1)
        assert spider.asked == ["a"]

    try:
        put(desks, "a")
        put(desks, "b", ahead=0.5)
        spider.held["a"] = asyncio.Event()
        async with aclosing(serve(spider)) as checks:
            waiting = asyncio.ensure_future(anext(checks))
            await away()
            await waiting
            valkey.process = start_valkey(tmp_path / "valkey", port=valkey.port, durable=False).process
            put(desks, "c")  # it came back empty
            assert (await anext(checks)).desk_id == desks["c"].id
            for _ in range(2):  # the second is beyond what the claim paid for
                await spider.budgets["c"].take()
    finally:
        valkey.stop()
    assert caplog.text.count("Redis is away") == 1
