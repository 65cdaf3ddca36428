import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import uuid4

import pytest
import requests
import time_machine

from configs.clock import clock
from deploy.local.processes import free_port
from notifier.channels import Letter, Message
from notifier.errors import LeavesLoopback, TryLater, Unsure
from notifier.transport import Transport, retry_after, travelling

SettingsEnv = Callable[..., None]


@contextmanager
def answering(*answers: bytes, accepted: list[int] | None = None) -> Iterator[str]:
    """Serve raw answers, one per request, over connections that the client may keep; b'' closes at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            waiting = list(answers)
            while waiting:
                connection, (_, port) = listener.accept()
                (accepted if accepted is not None else []).append(port)
                with connection:
                    while waiting and connection.recv(65536):
                        answer = waiting.pop(0)
                        connection.sendall(answer)
                        if b"Content-Length" not in answer:
                            break

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join(5)


def answer(status: str, *headers: str, body: bytes = b"{}") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture
def transport(settings_env: SettingsEnv) -> Iterator[Transport]:
    settings_env(PROVIDER_TIMEOUT_SECONDS="0.3")
    with Transport("sendgrid") as made:
        yield made


@pytest.mark.parametrize(
    "url", ["https://api.sendgrid.com/v3", "http://10.0.0.1/", "http://127.0.0.1.nip.io/"]
)
def test_no_message_leaves_this_machine_and_the_error_names_the_setting(
    transport: Transport, url: str
) -> None:
    with pytest.raises(LeavesLoopback, match=r"APP_ENV=test .*SENDGRID_BASE_URL"):
        transport.post(url)


def test_where_live_sites_are_allowed_the_guard_lets_pass(
    transport: Transport, settings_env: SettingsEnv
) -> None:
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="true", PROVIDER_TIMEOUT_SECONDS="0.3")
    with pytest.raises(TryLater, match="not reached"):
        transport.post("http://provider.invalid/")  # RFC 6761: the name never resolves


def test_nobody_listening_is_tried_later(transport: Transport) -> None:
    with pytest.raises(TryLater, match="sendgrid not reached: NewConnectionError"):
        transport.post(f"http://127.0.0.1:{free_port()}/")


def test_no_answer_in_time_is_unknown(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(Unsure, match="ReadTimeout"):
        transport.post(f"http://127.0.0.1:{deaf.getsockname()[1]}/")


@pytest.mark.parametrize("cut", [b"\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"])
def test_an_answer_that_is_cut_is_unknown(transport: Transport, cut: bytes) -> None:
    with answering(cut) as url, pytest.raises(Unsure):
        transport.post(url)


@pytest.mark.parametrize("status", ["500 Oops", "502 Bad Gateway", "503 Busy", "429 Too Many Requests"])
def test_a_provider_in_trouble_is_tried_later(transport: Transport, status: str) -> None:
    with answering(answer(status, "Retry-After: 7")) as url, pytest.raises(TryLater) as caught:
        transport.post(url)
    assert (caught.value.reason, caught.value.retry_after) == (f"sendgrid answered {status[:3]}", 7)


def test_redirects_are_answers(transport: Transport) -> None:
    with answering(answer("302 Found", "Location: https://elsewhere.example/")) as url:
        assert transport.post(url).status_code == 302


def test_a_connection_is_kept_for_the_next_message(transport: Transport) -> None:
    accepted: list[int] = []
    with answering(answer("200 OK"), answer("200 OK"), accepted=accepted) as url:
        transport.post(url)
        transport.post(url)
    assert len(accepted) == 1


def test_a_netrc_does_not_replace_our_authorization(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine")
    monkeypatch.setenv("NETRC", str(netrc))
    with answering(answer("200 OK")) as url:
        sent = transport.post(url, headers={"Authorization": "Bearer ours"}).request
    assert sent.headers["Authorization"] == "Bearer ours"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), (" 5 ", 5), ("", None), ("soon", None), ("-3", None), ("1.5", None), ("²", None)],
)
def test_retry_after_in_seconds(text: str, seconds: float | None) -> None:
    made = requests.Response()
    made.headers["Retry-After"] = text
    assert retry_after(made) == seconds


def test_retry_after_as_a_date(frozen: time_machine.Traveller) -> None:
    made = requests.Response()
    made.headers["Retry-After"] = "Fri, 20 Nov 2026 09:01:30 GMT"
    assert retry_after(made) == 90
    made.headers["Retry-After"] = format_datetime(clock().replace(year=2020), usegmt=True)
    assert retry_after(made) == 0
    made.headers["Retry-After"] = "Fri, 20 Nov 20269999999999999999 09:01:30 GMT"
    assert retry_after(made) is None


def test_what_travels_for_the_sandbox_does_not_travel_elsewhere(
    transport: Transport, settings_env: SettingsEnv
) -> None:
    one, two = uuid4(), uuid4()
    seen = datetime(2026, 11, 20, 9, tzinfo=UTC)
    travelling(transport, Letter(Message(), "a", [one, two], seen_at=seen))
    assert transport.headers["X-Seen-At"] == seen.isoformat()
    assert transport.headers["X-Notification-Id"] == str(one)
    assert transport.headers["X-Notification-Ids"] == f"{one},{two}"
    travelling(transport, Letter(Message(), "a", [two]))
    assert not {"X-Seen-At", "X-Notification-Ids"} & set(transport.headers)
    assert transport.headers["X-Notification-Id"] == str(two)
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="true")
    travelling(transport, Letter(Message(), "a", [one, two], seen_at=seen))
    assert not {"X-Seen-At", "X-Notification-Id", "X-Notification-Ids"} & set(transport.headers)
