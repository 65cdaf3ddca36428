"""Connections in time: a name server that is silent costs no more than the time for connecting."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from notifier.channel_base import OutgoingMessage, RenderedMessage
from notifier.delivery import tcp_connect
from notifier.delivery.call_time import within
from notifier.delivery.provider_http import Transport
from notifier.errors import TemporaryError
from notifier.providers.smtp import Smtp

_SECONDS = 0.2


@pytest.fixture
def silent_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no name be looked up before the test ends."""
    real, ended = socket.getaddrinfo, threading.Event()

    def look_up(host: Any, port: Any, *how: Any, **options: Any) -> Any:
        if not options.get("flags", 0) & socket.AI_NUMERICHOST:
            ended.wait(30)
        return real(host, port, *how, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield
    ended.set()


@pytest.mark.usefixtures("silent_names")
@pytest.mark.parametrize("provider", ["sendgrid", "smtp"])
def test_a_name_that_is_not_looked_up_in_time_is_not_reached(
    provider: str, settings_env: Callable[..., None]
) -> None:
    settings_env(SMTP_URL="smtp://localhost:1")
    began = time.monotonic()
    with within(_SECONDS):
        answer = _post() if provider == "sendgrid" else _send()
    assert isinstance(answer, TemporaryError)
    assert "not reached" in answer.reason
    assert time.monotonic() - began < 5


def _post() -> Exception:
    with Transport("sendgrid") as transport, pytest.raises(TemporaryError) as caught:
        transport.post("http://localhost:1/")
    return caught.value


def _send() -> object:
    mail = OutgoingMessage(RenderedMessage(text="a", subject="a"), "camille@example.org", [uuid4()])
    (answer,) = Smtp().hand_over([mail])
    return answer


def test_a_name_without_an_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_asked: Any, **_how: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", gone)
    with pytest.raises(socket.gaierror):
        tcp_connect.connect("provider.invalid", 443, 1)


def test_the_next_address_is_tried_where_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        both = [(*kind, ("127.0.0.2", 1)), (*kind, ("127.0.0.1", port))]
        monkeypatch.setattr(tcp_connect, "_look_up", lambda *_asked: both)
        with tcp_connect.connect("provider.example", port, 5) as made:
            assert made.getpeername() == ("127.0.0.1", port)
