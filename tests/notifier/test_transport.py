import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from api.models.user import Channel
from configs.ground.clock import clock
from notifier.channels.batch_sender import BatchSender, providers
from notifier.channels.provider_base import (
    Acceptance,
    Answer,
    Misconfigured,
    OutcomeUnknown,
    PermanentError,
    Provider,
    RateLimited,
    TemporaryError,
    Transport,
)
from notifier.content.message_kind_base import OutgoingMessage, RenderedMessage
from tests.crawler import wire
from tests.in_turn import in_turn
from tests.notifier.conftest import Answering, hand_over_in_job

SettingsEnv = Callable[..., None]


def reset(connection: socket.socket) -> None:
    """Close a connection as a machine does that knows nothing of it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


Serve = Callable[[socket.socket], object]


@contextmanager
def serving(*serve: Serve, scheme: str = "http") -> Iterator[str]:
    """Serve one connection after the other, each by its function."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            for each in serve:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    each(connection)

        thread = threading.Thread(target=run)
        thread.start()
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join(5)


def saying(*answers: bytes, end: Serve | None = None) -> Serve:
    """Return what gives raw answers to the requests of a connection, then closes it, or ends it after one more."""

    def serve(connection: socket.socket) -> None:
        for each in answers:
            connection.recv(65536)
            connection.sendall(each)
        if end:
            connection.recv(1)
            end(connection)

    return serve


def answer(status: str, *headers: str, body: bytes = b"{}") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture
def transport(settings_env: SettingsEnv) -> Iterator[Transport]:
    settings_env(PROVIDER_TIMEOUT_SECONDS="0.3")
    with Transport("sendgrid", Channel.EMAIL) as made:
        yield made


@pytest.mark.rule("3.11")
@in_turn("url", ["https://api.sendgrid.com/v3", "http://10.0.0.1/", "http://127.0.0.1.nip.io/"])
def test_no_message_leaves_this_machine_and_the_error_names_the_setting(
    transport: Transport, url: str
) -> None:
    with pytest.raises(PermanentError, match=r"APP_ENV=test .*sendgrid in STAND_INS"):
        transport.post(url)


def test_nobody_listening_is_tried_later(transport: Transport, closed_port: int) -> None:
    with pytest.raises(TemporaryError, match="sendgrid not reached: ConnectionError"):
        transport.post(f"http://127.0.0.1:{closed_port}/")


@in_turn("cut", [b"\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"])
def test_an_answer_that_is_cut_is_unknown(transport: Transport, cut: bytes) -> None:
    with serving(saying(cut)) as url, pytest.raises(OutcomeUnknown):
        transport.post(url)


@in_turn(
    "status, error",
    [
        ("500 Oops", TemporaryError),
        ("503 Busy", TemporaryError),
        ("429 Too Many Requests", RateLimited),
        ("408 Request Timeout", TemporaryError),
        ("425 Too Early", TemporaryError),
        ("301 Moved Permanently", Misconfigured),
        ("307 Temporary Redirect", Misconfigured),
    ],
)
def test_a_provider_in_trouble_is_tried_later_and_a_redirect_is_not_followed(
    transport: Transport, status: str, error: type[TemporaryError]
) -> None:
    said = answer(status, "Retry-After: 7", "Location: https://elsewhere.example/")
    with serving(saying(said)) as url, pytest.raises(TemporaryError, match=status[:3]) as caught:
        transport.post(url)
    assert (type(caught.value), "STAND_INS" in caught.value.reason) == (error, error is Misconfigured)
    assert caught.value.retry_after == (None if error is Misconfigured else 7)


def test_a_connection_is_kept_for_the_next_message_and_no_cookie_comes_back(transport: Transport) -> None:
    with serving(saying(answer("200 OK", "Set-Cookie: a=b"), answer("200 OK"))) as url:
        transport.post(url)
        assert "Cookie" not in transport.post(url).request.headers


def test_a_netrc_does_not_replace_our_authorization(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(saying(answer("200 OK"))) as url:
        sent = transport.post(url, headers={"Authorization": "Bearer ours"}).request
    assert sent.headers["Authorization"] == "Bearer ours"


def test_what_travels_for_the_sandbox_does_not_travel_elsewhere(settings_env: SettingsEnv) -> None:
    one, two = uuid4(), uuid4()
    seen = datetime(2026, 11, 20, 9, tzinfo=UTC)
    message = OutgoingMessage(RenderedMessage(), "a", [one, two], seen_at=seen)
    assert message.inbox_headers == {
        "X-Seen-At": seen.isoformat(),
        "X-Notification-Id": str(one),
        "X-Notification-Ids": f"{one},{two}",
    }
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="true")
    assert message.inbox_headers == {}


def begin_an_answer(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 20")
    time.sleep(0.05)  # so that the client has read it
    reset(connection)


@pytest.mark.rule("6.3")
@in_turn("end", [reset, socket.socket.close, begin_an_answer])
def test_a_kept_connection_that_dies_after_the_request_is_unknown(
    transport: Transport, end: Callable[[socket.socket], object]
) -> None:
    with serving(saying(answer("200 OK"), end=end)) as url:
        transport.post(url)
        with pytest.raises(OutcomeUnknown):
            transport.post(url)


def listen_then_reset(connection: socket.socket) -> None:
    connection.recv(65536)
    reset(connection)


def test_a_reset_of_the_handshake_before_the_request_is_temporary(transport: Transport) -> None:
    with (
        serving(listen_then_reset, scheme="https") as url,
        pytest.raises(TemporaryError, match="sendgrid not reached: "),
    ):
        transport.post(url)


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    transport: Transport, settings_env: SettingsEnv
) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="5", PROVIDER_IDLE_SECONDS="0.001")
    with serving(saying(answer("200 OK"), end=socket.socket.close), saying(answer("200 OK"))) as url:
        transport.post(url)
        time.sleep(0.01)
        transport.post(url)


def trickle(connection: socket.socket, is_long: threading.Event) -> None:
    """Send a byte now and then, each before a read's time-out ends, until the other side has had enough."""
    connection.recv(65536)
    for sent, byte in enumerate(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 6000):
        time.sleep(0.01)
        connection.sendall(bytes([byte]))
        if sent == 20:
            is_long.set()


class Posting(Provider):
    """A provider whose every message is one request to an address."""

    def __init__(self, transport: Transport, url: str) -> None:
        self.transport, self.url = transport, url

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Sequence[Answer]:
        self.transport.post(self.url, data=b"a")
        return [Acceptance(self.transport.name, "")]


@pytest.mark.rule("6.3")
def test_an_answer_that_trickles_ends_with_the_job_and_counts_as_taken(
    transport: Transport,
    monkeypatch: pytest.MonkeyPatch,
    settings_env: SettingsEnv,
    redis_server: object,
) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="60")
    is_long = threading.Event()
    began = time.monotonic()
    with serving(partial(trickle, is_long=is_long)) as url:
        monkeypatch.setitem(providers(), "telegram", Posting(transport, url))
        message = OutgoingMessage(RenderedMessage(), "a", [uuid4()])
        (answer,) = hand_over_in_job(Channel.TELEGRAM, [message], is_long)
        transport.close()
    assert type(answer) is OutcomeUnknown
    assert time.monotonic() - began < 30


def trickle_in_the_body(connection: socket.socket, is_long: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 9000\r\n\r\n")
    trickle(connection, is_long)


@pytest.mark.rule("6.3")
@in_turn("answering", [trickle, trickle_in_the_body])
def test_an_answer_that_trickles_is_followed_by_the_next_provider_when_its_time_is_over(
    answering: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    settings_env: SettingsEnv,
    redis_server: redis.Redis,
) -> None:
    redis_server.flushdb()
    smtp = Answering(Acceptance("smtp", ""))
    monkeypatch.setitem(providers(), "smtp", smtp)
    began = time.monotonic()
    with serving(partial(answering, is_long=threading.Event())) as url:
        settings_env(
            MAIL_PROVIDERS="sendgrid,smtp", PROVIDER_SWITCH_SECONDS="0.3", STAND_INS=f"sendgrid={url[:-1]}"
        )
        (answer,) = BatchSender(Channel.EMAIL, clock() + timedelta(hours=1)).hand_over(
            [OutgoingMessage(RenderedMessage(subject="a", text="a"), "camille@example.org", [uuid4()])]
        )
    assert isinstance(answer, Acceptance)
    assert (answer.copies_unknown, smtp.taken) == (1, ["camille@example.org"])
    assert time.monotonic() - began < 5


def trickle_in_the_handshake(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x03\x3e\x80")  # the head of a record of 16,000 bytes
    trickle(connection, threading.Event())


@pytest.mark.rule("6.3")
def test_a_handshake_that_trickles_ends_with_its_time_and_was_not_taken(transport: Transport) -> None:
    began = time.monotonic()
    with (
        serving(trickle_in_the_handshake, scheme="https") as url,
        pytest.raises(TemporaryError, match="sendgrid not reached: "),
    ):
        transport.post(url)
    assert time.monotonic() - began < 30


@pytest.mark.rule("6.3")
def test_a_body_that_floods_is_unknown_and_costs_its_limit(
    transport: Transport, settings_env: SettingsEnv
) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="30")
    sent: list[int] = []

    def flood(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"ea60\r\n" + b"x" * 60_000 + b"\r\n")
            sent.append(60_000)

    with serving(flood) as url, pytest.raises(OutcomeUnknown, match="AnswerTooLong"):
        transport.post(url)
    assert sum(sent) < 20 * (1 << 20)  # what the sockets of the machine hold


def test_a_tls_error_while_the_answer_is_read_is_unknown(transport: Transport, tmp_path: Path) -> None:
    pem = wire.self_signed(tmp_path)
    context = wire.serving(pem)
    transport.verify = str(pem)

    def garble(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(65536)
            with socket.socket(fileno=wrapped.detach()) as raw:
                raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)

    with serving(garble, scheme="https") as url, pytest.raises(OutcomeUnknown):
        transport.post(url)


def test_a_certificate_that_is_not_trusted_is_temporary(transport: Transport, tmp_path: Path) -> None:
    context = wire.serving(wire.self_signed(tmp_path))
    with (
        serving(lambda raw: context.wrap_socket(raw, server_side=True), scheme="https") as url,
        pytest.raises(TemporaryError, match="sendgrid not reached: SSLError"),
    ):
        transport.post(url)
