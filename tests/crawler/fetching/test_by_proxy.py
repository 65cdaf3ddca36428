"""Checks by real proxies on loopback: plain, through tunnels, by sockets; and whose fault it is when one fails."""

import json
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import aiohttp.connector
import pytest
from scrapy import Request

from configs.settings.proxies import Proxy, parse_proxies
from configs.world.outcome import Outcome
from crawler.fetching.proxies import Proxies
from crawler.items import CheckItem
from tests.crawler.certificate import self_signed, serving
from tests.crawler.held import Held, make_desk
from tests.crawler.relay import relay
from tests.crawler.socket_wire import Talk
from tests.crawler.wire import Say, Wire, answer, wire

HELLO = answer(b"<p>hello</p>")
Use = Callable[..., Proxies]


@pytest.fixture
def use(held: Held, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Let checks go by these proxies, the first one first."""

    def these(*proxies: Proxy) -> Proxies:
        made = Proxies(proxies)
        monkeypatch.setattr(held.spider, "proxies", made)
        monkeypatch.setattr("crawler.fetching.proxies.random.choice", lambda names: names[0])
        return made

    return these


def check(held: Held, address: str) -> CheckItem:
    return held.check(make_desk(f"{address}/booking/create/1"))


def dead() -> Proxy:
    """Return a proxy address without a listener."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    return parse_proxies(f"http://ann:sesame@127.0.0.1:{port}")[0]


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


def test_two_that_fail_make_the_check_unreachable_and_are_named_without_their_passwords(
    held: Held, use: Use
) -> None:
    one, two, three = dead(), dead(), dead()
    use(one, two, three)
    ended = check(held, "http://127.0.0.1:9")
    assert ended.outcome is Outcome.UNREACHABLE
    assert ended.requests == 2
    assert f"the proxy {one.name} could not be reached: " in ended.reason
    assert f"the proxy {two.name} could not be reached: " in ended.reason
    assert "sesame" not in f"{ended.reason} {ended.error}"


@pytest.mark.parametrize(
    ("say", "tried", "said"),
    [
        (answer(b"", "403 Forbidden by policy"), 1, "opened no tunnel: 403, Forbidden by policy"),
        (answer(b"", "502 Bad Gateway"), 0, "opened no tunnel: 502, Bad Gateway"),
    ],
    ids=["forbids", "gateway"],
)
def test_what_may_be_the_sites_refusal_is_not_tried_by_another(
    held: Held, use: Use, say: Say, tried: int, said: str
) -> None:
    with relay(say=say) as (one, _), relay(say=answer(b"", "502 x")) as (two, spare):
        use(one, two)
        ended = check(held, "https://127.0.0.1:9")
        assert ended.outcome is Outcome.UNREACHABLE
        assert f"the proxy {one.name} {said}" in ended.reason
        assert len(spare.lines) == tried


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
