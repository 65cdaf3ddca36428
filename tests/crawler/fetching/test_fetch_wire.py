"""Fetches from real sockets that break the rules."""

import socket
import ssl
from pathlib import Path

import pytest
from aiohttp import ClientError, InvalidURL
from scrapy.exceptions import NotSupported

from configs.world.desk import Outcome
from crawler.fetching import session
from crawler.fetching.errors import KNOWN, NotAccepted, TooLarge, may_retry, to_fetch_error
from crawler.fetching.identity import pool
from crawler.items import CheckItem
from tests.crawler.held import Held, make_desk
from tests.crawler.wire import Say, answer, self_signed, serving, wire
from tests.in_turn import in_turn

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is tried again be tried at once."""
    monkeypatch.setattr(session, "_RETRY_PAUSE", 0.01)


def check(held: Held, address: str) -> CheckItem:
    return held.check(make_desk(f"{address}/booking/create/1"))


def say(data: bytes) -> Say:
    return lambda connection, _: connection.sendall(data)


@pytest.mark.rule("3.1")
@in_turn(
    "said, reason",
    [
        (say(b""), "lost"),
        (say(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "no HTTP"),
        (say(b"HTTP/1.1 abc\r\n\r\n"), "no HTTP"),
        (say(b"\0\1\2\3" * 50), "no HTTP"),
        (say(HEAD + b"Content-Length: 900\r\n\r\n<html>"), "lost before the page was whole"),
        (say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n40\r\n<html>"), "lost before the page was whole"),
        (say(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"), "gzip is corrupt"),
    ],
)
def test_an_answer_that_breaks_off_or_is_no_http_is_unreachable(held: Held, said: Say, reason: str) -> None:
    with wire(said) as site:
        item = check(held, site.address)
    assert item.outcome is Outcome.UNREACHABLE
    assert reason in item.reason
    assert item.error
    assert 1 <= item.requests == len(site.requests) <= 4, "none is asked again beside those that count"


def test_a_certificate_that_nobody_vouches_for_is_unreachable(held: Held, tmp_path: Path) -> None:
    with wire(answer(b"hello"), tls=serving(self_signed(tmp_path))) as site:
        item = check(held, site.address)
        assert site.requests == []
    assert item.outcome is Outcome.UNREACHABLE
    assert "TLS" in item.reason


def test_a_name_that_dns_does_not_know_is_unreachable(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("crawler.url_policy.ensure_allowed", lambda *_: None)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    item = check(held, "http://nobody.invalid")
    assert item.outcome is Outcome.UNREACHABLE
    assert "(DNS)" in item.reason


def test_the_wire_carries_the_headers_of_one_agent_in_its_order(held: Held) -> None:
    with wire(answer(b"hello")) as site:
        check(held, site.address)
        head = site.requests[0].decode().split("\r\n\r\n")[0].split("\r\n")[1:]
    sent = dict(line.split(": ", 1) for line in head)
    (agent,) = [each for each in pool() if each.name == sent["User-Agent"]]
    assert sent.pop("Host").startswith("127.")
    ours = agent.build_headers("page", "GET", f"{site.address}/", {}, None)
    assert list(sent.items()) == list(ours.items())


WHERE = "GET http://127.0.0.1/"


def failed(cause: Exception) -> ClientError:
    """Return an error as aiohttp wraps what it met."""
    error = ClientError("failed")
    error.__cause__ = cause
    return error


@in_turn(
    "error, outcome, reason, tries",
    [
        (TimeoutError("over"), Outcome.UNREACHABLE, "in time", False),
        (OSError(24, "Too many open files"), Outcome.UNREACHABLE, "Too many open files", True),
        (socket.gaierror("not known"), Outcome.UNREACHABLE, "(DNS): not known", True),
        (ConnectionRefusedError("no"), Outcome.UNREACHABLE, "refused: no", True),
        (failed(ConnectionResetError("reset by peer")), Outcome.UNREACHABLE, "lost", True),
        (failed(ssl.SSLError("certificate verify failed")), Outcome.UNREACHABLE, "certificate verify", False),
        (NotAccepted("br"), Outcome.UNREADABLE, "unpacked: br", False),
        (TooLarge(""), Outcome.UNREADABLE, "too large (", False),
        (InvalidURL("ftp"), Outcome.UNREADABLE, "cannot be asked", False),
        (NotSupported("ftp"), Outcome.UNREADABLE, "cannot be asked", False),
        (ValueError("bad port"), Outcome.UNREADABLE, "cannot be asked: bad port", False),
    ],
)
def test_each_failure_has_its_outcome_and_its_words(
    error: Exception, outcome: Outcome, reason: str, tries: bool
) -> None:
    assert isinstance(error, KNOWN)
    told = to_fetch_error(error, WHERE)
    assert told.outcome is told.reading.outcome is outcome
    assert reason in told.reason
    assert told.reason.endswith(f"({WHERE})")
    assert told.error
    assert told.error.startswith(type(error).__name__)
    assert may_retry(error) is tries
