"""A socket's answer on its way from the wire to a page; ANTS' reading of it is tested in platforms/."""

import json
import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest
from aiohttp import ClientError, ClientPayloadError
from scrapy import Request
from scrapy.http import Response

from crawler.fetching.errors import NoHTTP
from tests.crawler.held import Held
from tests.crawler.socket_wire import PING, Talk, accept_socket
from tests.crawler.wire import Say, answer, wire
from tests.in_turn import in_turn
from tests.waiting import PATIENCE

END = '{"step": "end_of_search"}'
ASKED = {"department_code": "91"}


def ask(held: Held, address: str, seconds: float = 60, **how: Any) -> Response:
    request = Request(
        address.replace("http", "ws"),
        body=json.dumps(ASKED),
        headers={"Content-Type": "application/json", "X-One": "1"},
        meta={"download_timeout": seconds, "until": "end_of_search"},
        dont_filter=True,
        **how,
    )
    return held.run(held.spider.crawler.engine.download_async(request))


def test_one_message_goes_out_and_the_frames_come_back_one_on_a_line(held: Held) -> None:
    talk = Talk(['[\n  {"id": 1}\r\n]', "[]", END], code=0)
    with wire(talk) as site:
        page = ask(held, f"{site.address}/api/Streaming?a=%2F")
        head = site.requests[0].decode().lower()
    assert (page.status, page.body.decode()) == (101, f'[   {{"id": 1}}  ]\n[]\n{END}')
    assert talk.heard == [ASKED]
    assert head.startswith("get /api/streaming?a=%2f http/1.1")
    assert "x-one: 1" in head
    assert "user-agent: rdvpriority/" in head
    assert "content-type" not in head
    assert "upgrade-insecure" not in head
    assert "x-cut-off" not in page.headers


def test_the_connection_is_closed_at_the_last_frame_and_nothing_is_waited_for(held: Held) -> None:
    talk, before = Talk([END, "[1]"], code=0), monotonic()
    with wire(talk) as site:
        page = ask(held, site.address)
    assert page.body.decode() == END
    assert monotonic() - before < 50
    assert talk.closed == [1000]


@in_turn(
    "frames, code, reason",
    [
        (["[]"], 1000, None),
        ([], 1000, None),
        (["[]"], 1011, "code 1011"),
        ([], 1011, "code 1011"),
        (["[]"], None, "code 1006"),
        (["[]", b"\x00"], 0, None),
        (["[]"], 0, "time was up"),
        (["x" * 1_500_000, "y" * 600_000], 0, "more than 2000000 bytes"),
    ],
)
def test_frames_that_came_are_kept_whatever_ended_the_socket(
    held: Held, frames: list[str | bytes], code: int | None, reason: str | None
) -> None:
    with wire(Talk(frames, code)) as site:
        page = ask(held, site.address, seconds=1 if reason == "time was up" else 60)
    said = (page.headers.get("X-Cut-Off") or b"").decode()
    assert page.body.decode().split("\n")[0] == (frames[0] if frames else "")
    assert (reason in said) if reason else not said


@in_turn(
    "say, error",
    [
        (Talk([], None), ClientPayloadError),
        (Talk([], 0), TimeoutError),
        (lambda connection, _: connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), NoHTTP),
        (lambda *_: None, ClientError),
        (answer(status="101 Switching Protocols"), NoHTTP),
    ],
)
def test_what_brings_nothing_is_an_error_of_its_kind(held: Held, say: Say, error: type[Exception]) -> None:
    with wire(say) as site, pytest.raises(error):
        ask(held, site.address, seconds=1 if error is TimeoutError else 60)


@pytest.mark.journey
@pytest.mark.rule("3.7")
def test_a_server_that_pings_and_never_reads_keeps_no_connection(held: Held) -> None:
    """Our answers to its pings fill the connection; the time-out then finds aiohttp while it writes one."""
    left = threading.Event()

    def ping(connection: socket.socket, request: bytes) -> None:
        accept_socket(connection, request)
        try:
            while True:
                connection.sendall(PING * 100)
        except OSError:
            left.set()

    with wire(ping, buffered=2048) as site:
        with pytest.raises(TimeoutError):
            ask(held, site.address, seconds=1)
        assert left.wait(PATIENCE)


@in_turn("status", ["200 OK", "401 Unauthorized", "403 Forbidden", "429 Too Many", "500 Error"])
def test_a_handshake_that_is_not_accepted_is_the_answer_that_it_is(held: Held, status: str) -> None:
    with wire(answer(b'{"detail":"no"}', status, Retry_After="7")) as site:
        page = ask(held, site.address)
    assert (page.status, page.body, page.headers["Retry-After"]) == (
        int(status[:3]),
        b'{"detail":"no"}',
        b"7",
    )


def test_a_redirect_is_handed_back_and_not_followed(held: Held) -> None:
    with wire(answer(status="307 Temporary", Location="ws://127.0.0.9/x")) as site:
        page = ask(held, site.address)
        assert len(site.requests) == 1
    assert (page.status, page.headers["Location"]) == (307, b"ws://127.0.0.9/x")


@pytest.mark.rule("3.11")
def test_nothing_leaves_this_machine_by_a_socket_either(
    held: Held, settings_env: Callable[..., None]
) -> None:
    with pytest.raises(Exception, match="not on this machine"):
        ask(held, "ws://api.rendezvouspasseport.ants.gouv.fr")
