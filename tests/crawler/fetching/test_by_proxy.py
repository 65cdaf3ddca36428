"""Checks by real proxies on loopback: plain, through tunnels, by sockets; and whose fault it is when one fails."""

import asyncio
import json
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import aiohttp.connector
import pytest
from scrapy import Request

from configs.ground.clock import clock
from configs.settings.proxies import Proxy, parse_proxies
from configs.world.desk import Outcome
from crawler.fetching.identity import Identities, honest, pool
from crawler.items import CheckItem
from crawler.scheduling import due_queue
from tests.crawler.held import Held, make_desk
from tests.crawler.socket_wire import Talk
from tests.crawler.wire import Wire, answer, relay, self_signed, serving, wire

HELLO = answer(b"<p>hello</p>")
Use = Callable[..., Identities]


@pytest.fixture
def use(held: Held, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Let checks go by these proxies, the first one first."""

    def these(*proxies: Proxy) -> Identities:
        made = Identities(proxies)
        monkeypatch.setattr(held.spider, "identities", made)
        monkeypatch.setattr("crawler.fetching.identity.random.choice", lambda proxies: proxies[0])
        return made

    return these


def check(held: Held, address: str) -> CheckItem:
    return held.check(make_desk(f"{address}/booking/create/1"))


def hosts(served: Wire) -> list[str]:
    return [line.rpartition(" ")[0] for line in served.lines]


def steps(connection: socket.socket, request: bytes) -> None:
    path = request.split(b" ", 2)[1]
    where = {
        b"/booking/create/1/0": "/booking/create/1/1",
        b"/booking/create/1/1": "/booking/create/1/2",
    }.get(path)
    say = answer(b"", "302 Found", Location=where) if where else HELLO
    say(connection, request)


def test_all_requests_of_a_check_go_by_one_proxy_with_its_password(held: Held, use: Use) -> None:
    with wire(steps) as site, relay("ann:sesame") as (one, first), relay() as (two, second):
        use(one, two)
        asked = [f"GET {site.address}/booking/create/1/{step}" for step in range(3)]
        assert check(held, site.address).requests == 3
        assert (hosts(first), hosts(second)) == (asked, [])
        assert len(site.requests) == 3


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Give what a server on 127.0.0.1 needs so that checks trust it."""
    pem = self_signed(tmp_path)
    monkeypatch.setattr(
        aiohttp.connector, "_SSL_CONTEXT_VERIFIED", ssl.create_default_context(cafile=str(pem))
    )
    return serving(pem)


def test_a_secure_site_is_asked_through_a_tunnel(held: Held, use: Use, trusted: ssl.SSLContext) -> None:
    with wire(HELLO, tls=trusted) as site, relay("ann:sesame") as (proxy, served):
        use(proxy)
        assert "understood by no rule" in check(held, site.address).reason
        assert hosts(served) == [f"CONNECT {site.address.removeprefix('https://')}"]
        assert site.lines == ["GET /booking/create/1/0 HTTP/1.1"]
        assert b"proxy-authorization" not in site.requests[0].lower()


def test_a_socket_goes_through_a_tunnel_too(held: Held, trusted: ssl.SSLContext) -> None:
    with wire(Talk(["[]", "end_of_search"]), tls=trusted) as site, relay("ann:sesame") as (proxy, served):
        meta = {"download_timeout": 2, "until": "end_of_search", "proxy": proxy.url}
        url = site.address.replace("https", "wss")
        request = Request(url, body=json.dumps({}), meta=meta, dont_filter=True)
        page = held.run(held.spider.crawler.engine.download_async(request))
        assert (page.status, page.body) == (101, b"[]\nend_of_search")
        assert hosts(served) == [f"CONNECT {site.address.removeprefix('https://')}"]


@pytest.mark.rule("3.9")
@pytest.mark.parametrize("status", ["403 Forbidden", "429 Too Many Requests"])
def test_a_block_is_no_reason_to_go_another_way(held: Held, use: Use, status: str) -> None:
    with wire(answer(b"no", status)) as site, relay() as (one, first), relay() as (two, spare):
        use(one, two)
        ended = check(held, site.address)
        assert ended.outcome in (Outcome.BLOCKED, Outcome.RATE_LIMITED)
        assert (ended.requests, len(first.lines), spare.lines) == (1, 1, [])


@pytest.mark.rule("3.11")
def test_outside_production_no_proxy_leads_off_this_machine(held: Held, use: Use) -> None:
    use(*parse_proxies("http://ann:sesame@10.1.2.3:3128"))
    ended = check(held, "http://127.0.0.1:9")
    assert ended.outcome is Outcome.UNREACHABLE
    assert "the proxy 10.1.2.3 is not on this machine" in ended.reason
    assert "sesame" not in f"{ended.reason} {ended.error}"


@pytest.mark.usefixtures("redis_server")
def test_a_check_ends_with_its_proxy_which_rests_for_the_next_ones(held: Held, use: Use) -> None:
    dead, *_ = parse_proxies("http://ann:sesame@127.0.0.1:9")
    with wire(HELLO) as site, relay() as (spare, served):
        proxies = use(dead, spare)
        proxies.client = due_queue.connect_async()
        ended = check(held, site.address)
        assert (ended.outcome, ended.requests, served.lines) == (Outcome.UNREACHABLE, 1, [])
        assert "the proxy 127.0.0.1:9#1 could not be reached" in ended.reason
        assert "understood by no rule" in check(held, site.address).reason
        assert len(served.lines) == 1
        held.run(proxies.client.aclose())


ALL = parse_proxies("http://ann:sesame@a:1,http://b:1,http://c:1")
NAMES = {proxy.name for proxy in ALL}
SITE = "www.example.fr:443"


async def taken(
    identities: Identities, host: str = SITE, named: str | None = None, times: int = 40
) -> list[str]:
    chosen = [await identities.choose(host, named) for _ in range(times)]
    return [each.proxy.name for each in chosen if each.proxy]


def test_a_check_has_any_proxy_but_the_one_that_its_host_saw_last() -> None:
    names = asyncio.run(taken(Identities(ALL)))
    assert set(names) == NAMES
    assert [one for one, next_ in pairwise(names) if one == next_] == []
    assert asyncio.run(taken(Identities(ALL[:1]), times=2)) == ["a:1#1"] * 2


def test_a_prefecture_names_its_proxy_and_one_that_is_not_listed_is_no_leave_to_go_without(
    held: Held, use: Use
) -> None:
    proxies = parse_proxies("http://u1:p@gate:1,http://u2:p@gate:1,http://b:1")
    assert set(asyncio.run(taken(Identities(proxies), named="gate:1"))) == {"gate:1#1", "gate:1#2"}
    assert set(asyncio.run(taken(Identities(proxies), named="gate:1#2"))) == {"gate:1#2"}
    use(*proxies)
    with wire(HELLO) as site:
        desk = make_desk(f"{site.address}/booking/create/1").model_copy(update={"proxy": "gone:1"})
        ended = held.check(desk)
        assert (ended.outcome, ended.requests, site.lines) == (Outcome.UNREACHABLE, 0, [])
    assert "the proxy gone:1 is not in PROXY_LIST: add it" in ended.reason


def test_a_host_that_is_told_who_we_are_is_asked_by_no_proxy(
    tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    hosts = tmp_path / "hosts.yaml"
    hosts.write_text(f"{SITE}:\n  agent: honest\n", encoding="utf-8")
    settings_env(HOSTS_FILE=hosts)
    assert asyncio.run(taken(Identities(ALL), named="a:1")) == []


@pytest.mark.rule("3.9")
@pytest.mark.usefixtures("redis_server")
def test_after_a_block_a_host_is_asked_under_our_own_name_by_the_way_that_it_refused() -> None:
    async def use() -> None:
        one, other = Identities(ALL), Identities(ALL)
        one.client = other.client = due_queue.connect_async()
        (last,) = await taken(one, times=1)
        other_host = await other.choose("www.other.fr:443")
        now = clock()
        await due_queue.asend(one.client, due_queue.rest({SITE: now + timedelta(minutes=5)}, now=now))
        await one.rest(last)
        for each in (one, other, one):
            assert await each.choose(SITE, "b:1") == (honest(), next(p for p in ALL if p.name == last))
        assert (await other.choose("www.other.fr:443")).agent in pool()
        assert other_host.agent in pool()
        ttl = await one.client.ttl(f"crawler:refused:{SITE}")
        assert timedelta(days=1) < timedelta(seconds=ttl) <= timedelta(days=1, minutes=5)
        await one.client.expire(way := f"crawler:proxy:last:{SITE}", 60)
        await other.choose(SITE)
        assert await one.client.ttl(way) > 86400, "it is known for as long as the host refuses us"
        await one.client.aclose()

    asyncio.run(use())


@pytest.mark.usefixtures("redis_server")
def test_no_process_takes_its_own_last_proxy_again_whatever_others_take() -> None:
    async def use() -> None:
        spiders, client = [Identities(ALL[:2]), Identities(ALL[:2])], due_queue.connect_async()
        for each in spiders:
            each.client = client
        turns = [[name for each in spiders for name in await taken(each, times=1)] for _ in range(20)]
        for names in zip(*turns, strict=True):
            assert [one for one, next_ in pairwise(names) if one == next_] == []
        await client.aclose()

    asyncio.run(use())


@pytest.mark.usefixtures("redis_server")
def test_one_that_failed_rests_for_every_process_and_any_is_tried_where_all_rest() -> None:
    async def use() -> None:
        one, other = Identities(ALL), Identities(ALL)
        one.client = other.client = due_queue.connect_async()
        rests, now = [], "crawler:proxy:rest:a:1#1"
        for _ in range(3):
            for each in (one, other):  # several checks that fail at once count as one
                await each.rest("a:1#1")
            rests.append(round(await one.client.ttl(now), -1))
            assert set(await taken(other)) == {"b:1#2", "c:1#3"}
            await one.client.delete(now)
        assert rests == [60, 120, 240], "one that fails for hours takes few checks"
        await one.rest("a:1#1")
        for name in NAMES:
            await one.rest(name)
        assert set(await taken(other)) == NAMES
        await one.client.aclose()

    asyncio.run(use())
