"""The walk's queue: whose turn it is, what becomes of what was popped, and where it ends."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
import time_machine
from scrapy import Request, Spider

from crawler.discovery.queue import DISCOVERY_PAGES, TRIES, RequestSerializer, SiteQueue, hold_seconds
from crawler.scheduling import due_queue

A, B = "http://127.77.5.1:8800", "http://127.77.5.2:8800"


class Walker(Spider):
    """What the queue's requests call back."""

    name = "walker"

    def page(self, response: Any) -> None:
        """Nothing."""

    def trouble(self, failure: Any) -> None:
        """Nothing."""


@pytest.fixture
def queue(redis_server: redis.Redis, settings_env: Callable[..., None]) -> Iterator[SiteQueue]:
    settings_env(DISCOVERY_DELAY_SECONDS="10", DISCOVERY_PAGES="4")
    with due_queue.connect() as client:
        yield SiteQueue(client, Walker(), "crawler:discovery:1:requests", RequestSerializer)


@pytest.fixture(autouse=True)
def clock(frozen: time_machine.Traveller) -> time_machine.Traveller:
    return frozen


def ask(url: str, priority: int = 0) -> Request:
    return Request(url, Walker().page, meta={"steps": 1, "address": "é"}, priority=priority)


def push(queue: SiteQueue, *requests: Request) -> None:
    for each in requests:
        queue.push(each.replace(callback=queue.spider.page, errback=queue.spider.trouble))


def taken(queue: SiteQueue) -> Request:
    found = queue.pop()
    assert found is not None
    return found


def test_what_comes_out_is_what_went_in(queue: SiteQueue) -> None:
    push(queue, ask(f"{A}/é?x=1", 7))
    found = taken(queue)
    assert (found.url, found.priority, found.callback) == (f"{A}/%C3%A9?x=1", 7, queue.spider.page)
    assert (found.meta["steps"], found.meta["address"]) == (1, "é")


def test_the_best_of_a_site_comes_first(queue: SiteQueue) -> None:
    push(queue, ask(f"{A}/low", 1), ask(f"{A}/high", 9))
    assert taken(queue).url == f"{A}/high"


def test_a_site_is_asked_by_one_at_a_time_and_then_rests(
    queue: SiteQueue, clock: time_machine.Traveller
) -> None:
    push(queue, ask(f"{A}/1", 2), ask(f"{A}/2", 1), ask(f"{B}/1"))
    first, other = taken(queue), taken(queue)
    assert {first.url, other.url} == {f"{A}/1", f"{B}/1"}
    assert queue.pop() is None
    queue.finish_request(first)
    clock.shift(9.9)
    assert queue.pop() is None
    clock.shift(0.1)
    assert taken(queue).url == f"{A}/2"


def test_a_new_link_does_not_hurry_a_site_that_rests(queue: SiteQueue, clock: time_machine.Traveller) -> None:
    push(queue, ask(f"{A}/1"), ask(f"{A}/2"))
    first = taken(queue)
    push(queue, ask(f"{A}/3", 5))
    assert queue.pop() is None
    queue.finish_request(first)
    push(queue, ask(f"{A}/4", 9))
    assert queue.pop() is None
    clock.shift(10)
    assert taken(queue).url == f"{A}/4"


def test_what_a_process_died_of_or_with_is_given_to_the_next_and_then_dropped(
    queue: SiteQueue, clock: time_machine.Traveller
) -> None:
    push(queue, ask(f"{A}/1", 1), ask(f"{A}/2"))
    for _ in range(TRIES):
        assert taken(queue).url == f"{A}/1"
        assert queue.pop() is None
        clock.shift(timedelta(seconds=hold_seconds()))
    assert taken(queue).url == f"{A}/2"


def test_who_comes_back_late_ends_nothing_of_anothers(
    queue: SiteQueue, clock: time_machine.Traveller
) -> None:
    push(queue, ask(f"{A}/1", 1), ask(f"{A}/2"))
    late = taken(queue)
    clock.shift(timedelta(seconds=hold_seconds()))
    queue.finish_request(taken(queue))
    clock.shift(10)
    again = taken(queue)
    assert again.url == f"{A}/2"
    queue.finish_request(late)
    assert queue.pop() is None
    assert len(queue) == 1


def test_a_site_gives_so_many_pages_and_is_cut_then(queue: SiteQueue, clock: time_machine.Traveller) -> None:
    push(queue, *(ask(f"{A}/{'x' * number}", -number) for number in range(1, 9)), ask(f"{B}/1"))
    asked = []
    for _ in range(20):
        while found := queue.pop():
            asked.append(found.url)
            queue.finish_request(found)
        clock.shift(10)
    assert len([url for url in asked if url.startswith(A)]) == DISCOVERY_PAGES()
    assert (queue.cut(), len(queue), queue.count_asked()) == (frozenset({"127.77.5.1:8800"}), 0, 5)


def test_what_a_machine_numbers_is_bounded_without_ending_the_site(
    queue: SiteQueue, settings_env: Callable[..., None], clock: time_machine.Traveller
) -> None:
    settings_env(DISCOVERY_PAGES="1000", DISCOVERY_DELAY_SECONDS="1")
    push(queue, *(ask(f"{A}/page-{number}") for number in range(200)), ask(f"{A}/Demarches"))
    asked = []
    for _ in range(200):
        while found := queue.pop():
            asked.append(found.url)
            queue.finish_request(found)
        clock.shift(1)
    assert len(asked) == 31
    assert f"{A}/Demarches" in asked
    assert not queue.cut()


def test_a_page_of_ten_thousand_links_fills_no_memory(queue: SiteQueue, redis_server: redis.Redis) -> None:
    push(queue, *(ask(f"{A}/{letters(number)}") for number in range(300)))
    assert redis_server.zcard("crawler:discovery:1:requests:at:127.77.5.1:8800") == 20 * DISCOVERY_PAGES()
    assert queue.cut()


def letters(number: int) -> str:
    return "".join(chr(97 + int(digit)) for digit in str(number))


def test_a_walk_leaves_nothing_and_forgets_itself_where_nobody_ends_it(
    queue: SiteQueue, redis_server: redis.Redis
) -> None:
    push(queue, ask(f"{A}/1"), ask(f"{B}/1"), ask(f"{A}/2"))
    taken(queue)
    assert all(redis_server.ttl(name) > 0 for name in redis_server.keys("crawler:discovery:*"))
    queue.clear()
    assert redis_server.keys("crawler:discovery:*") == []


def test_a_site_that_refuses_is_left_and_counts_as_cut(
    queue: SiteQueue, clock: time_machine.Traveller
) -> None:
    push(queue, ask(f"{A}/1"), ask(f"{A}/2"), ask(f"{B}/1"))
    first, other = sorted([taken(queue), taken(queue)], key=lambda each: each.url)
    queue.leave(first)
    queue.finish_request(first)
    queue.finish_request(other)
    clock.shift(100)
    assert (queue.pop(), len(queue), queue.cut()) == (None, 0, frozenset({"127.77.5.1:8800"}))


def test_a_longer_pause_is_kept(queue: SiteQueue, clock: time_machine.Traveller) -> None:
    push(queue, ask(f"{A}/1"), ask(f"{A}/2"))
    queue.finish_request(taken(queue), pause=30)
    clock.shift(29.9)
    assert queue.pop() is None
    clock.shift(0.1)
    assert taken(queue).url.startswith(A)


OURS = {
    "url": f"{A}/", "callback": "page", "errback": "trouble", "meta": {"steps": 1}, "priority": 0, "dont_filter": False,
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"cls": "os.system"}',
        "\x80\x04",
        json.dumps(OURS | {"callback": "closed"}),
        json.dumps(OURS | {"errback": "parse"}),
        json.dumps(OURS | {"meta": {"proxy": "http://elsewhere:3128"}}),
        json.dumps(OURS | {"meta": []}),
        json.dumps(OURS | {"method": "POST"}),
    ],
)
def test_nothing_but_our_requests_is_read(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- its words are json's or ours
        RequestSerializer.loads(text)
