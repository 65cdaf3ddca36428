"""Requests of desks' own pages: the selection, the host's budget, the observations."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
import time_machine
from scrapy import Request
from scrapy.http import HtmlResponse, Response

from configs.desk import Desk
from crawler.discovery.desk_pages import HOLDER, Landings, to_ask
from crawler.discovery.moved_page_rules import CheckHistory, PreviousRun
from crawler.discovery.observations import LandingSeen
from crawler.planner import Planner
from crawler.scheduling import due_queue
from tests.crawler.incidents.incidents_world import HOUR, NOW

DAY = timedelta(days=1)


class Site:
    """What answers; `asked` are the addresses that were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Callable[[Request], Response]] = {}
        self.meta: list[dict[str, Any]] = []

    async def download(self, request: Request) -> Response:
        self.asked.append(request.url)
        self.meta.append(request.meta)
        answer = self.answers.get(request.url)
        return (
            answer(request)
            if answer
            else HtmlResponse(request.url, body=b"<title>Guichet</title><p>Bonjour</p>")
        )


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def world(
    plan: Planner, desk_files: Callable[..., dict[str, Desk]], settings_env: Callable[..., None]
) -> dict[str, Desk]:
    """Desks a and b on one host, c on another; the planner has looked, so that the queue knows them."""
    settings_env(DISCOVERY_LOOK_SECONDS="0.001")
    known = desk_files(a="127.77.0.91:8800", b="127.77.0.91:8800", c="127.77.0.92:8800")
    plan.run_once(NOW)
    return known


def look(site: Site, *desks: Desk, until: Any = NOW + HOUR) -> list[LandingSeen]:
    async def asking() -> list[LandingSeen]:
        client = due_queue.connect_async()
        try:
            found = Landings(client, site.download, 100_000)
            return [each async for each in found.ask_all(desks, until)]
        finally:
            await client.aclose()

    return asyncio.run(asking())


@pytest.mark.parametrize(
    ("life", "title", "asked"),
    [
        (CheckHistory(), None, True),
        (CheckHistory(NOW, NOW - HOUR), "Titre", False),
        (CheckHistory(NOW, NOW - HOUR), None, True),
        (CheckHistory(NOW, NOW - DAY - HOUR), "Titre", True),
        (CheckHistory(NOW, NOW - DAY - HOUR, stopped=True), None, False),
    ],
)
def test_only_what_the_checks_do_not_tell_is_asked(
    world: dict[str, Desk], life: CheckHistory, title: str | None, asked: bool
) -> None:
    desk = world["a"]
    chosen = to_ask([desk], {desk.id: life}, {desk.id: PreviousRun({}, title)}, NOW)
    assert bool(chosen) == asked


def test_what_is_not_watched_is_not_asked(desk_files: Callable[..., dict[str, Desk]]) -> None:
    assert to_ask(desk_files(grade="stale", a="127.77.0.91:8800").values(), {}, {}, NOW) == []


def test_a_page_is_asked_once_a_day_out_of_its_hosts_budget(
    world: dict[str, Desk], site: Site, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    desk = world["a"]
    assert look(site, desk) == [LandingSeen(desk.id, 200, desk.url, "Guichet")]
    left = float((redis_server.get(f"crawler:bucket:{desk.host}") or b"0").split()[0])
    assert left == 59
    assert site.meta[0]["dont_obey_robotstxt"], "a person decided on this host"
    frozen.shift(HOUR)
    assert look(site, desk, until=NOW + DAY) == []
    frozen.shift(DAY)
    assert len(look(site, desk, until=NOW + 3 * DAY)) == 1


def test_no_check_and_no_other_page_of_the_host_is_asked_meanwhile_and_for_a_while(
    world: dict[str, Desk], site: Site, client: redis.Redis
) -> None:
    def claims() -> set[str]:
        client.rpush(due_queue.pushed("prefenligne"), *(desk.id for desk in world.values()))
        found = due_queue.send(client, due_queue.claim("prefenligne", now=NOW, places=9, hold=30)).claims
        return {each.desk_id for each in found}

    def answer(request: Request) -> Response:
        assert claims() == {world["c"].id}
        return HtmlResponse(request.url, body=b"<p>x</p>")

    site.answers[world["a"].url] = answer
    assert len(look(site, world["a"])) == 1
    assert not claims() & {world["a"].id, world["b"].id}, (
        "the pause between two visits holds for this one too"
    )


@pytest.mark.parametrize("why", ["stopped", "rests", "visited"])
def test_a_host_that_is_not_free_is_waited_for_and_then_left(
    world: dict[str, Desk], site: Site, client: redis.Redis, frozen: time_machine.Traveller, why: str
) -> None:
    desk = world["c"]
    if why == "stopped":
        due_queue.send(client, due_queue.stop(desk.host))
    elif why == "rests":
        due_queue.send(client, due_queue.rest({desk.host: NOW + DAY}, now=NOW))
    else:
        client.set(f"crawler:host:{desk.host}", f"{(NOW + DAY).timestamp()} {desk.id} 7")

    async def later() -> list[LandingSeen]:
        task = asyncio.ensure_future(asyncio.to_thread(look, site, desk))
        while not task.done():
            await asyncio.sleep(0.01)
            frozen.shift(60)
        return await task

    assert asyncio.run(later()) == []
    assert site.asked == []


def test_a_time_that_is_up_asks_nothing(world: dict[str, Desk], site: Site) -> None:
    assert look(site, world["a"], until=NOW) == []


def test_redirects_cost_too_and_no_other_site_is_asked(world: dict[str, Desk], site: Site) -> None:
    desk = world["a"]
    home = f"http://{desk.host}/"
    site.answers[desk.url] = lambda request: Response(request.url, 302, {"Location": "/"})
    assert look(site, desk) == [LandingSeen(desk.id, 200, home, "Guichet")]
    away = world["c"]
    site.answers[away.url] = lambda request: Response(request.url, 302, {"Location": "http://127.77.9.9/"})
    (seen,) = look(site, away)
    assert (seen.status, "another site" in seen.detail) == (None, True)
    assert site.asked == [desk.url, home, away.url]


def test_a_wall_is_nobodys_page(world: dict[str, Desk], site: Site) -> None:
    site.answers[world["a"].url] = lambda request: HtmlResponse(
        request.url, body=b"<title>Just a moment...</title><form id=challenge-form></form>"
    )
    (seen,) = look(site, world["a"])
    assert (seen.status, seen.title) == (None, "")


def test_who_took_a_host_over_is_not_given_back(client: redis.Redis) -> None:
    host = "127.77.0.91:8800"
    client.set(f"crawler:host:{host}", f"{(NOW + HOUR).timestamp()} evry_91/a 3")
    due_queue.send(client, due_queue.release_host(host, HOLDER, now=NOW, until=NOW))
    assert str(client.get(f"crawler:host:{host}")).endswith("evry_91/a 3")
