"""Web push: what answers mean, endpoints that lead where they must not, and those that hold up a call."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from threading import Event, Timer
from typing import TYPE_CHECKING

import pytest
import time_machine

from api.models.base import new_id
from api.models.user import Channel, ContactState
from configs.ground.clock import clock
from configs.ground.push_keys import draw_keys
from configs.ground.push_subscriptions import PushSubscription, read_subscription
from configs.programs.circuit_breaker import FAILURES_IN_A_ROW
from notifier.channels.batch_sender import BatchSender, providers
from notifier.channels.provider_base import (
    Acceptance,
    Answer,
    Misconfigured,
    OutcomeUnknown,
    PermanentError,
    ProviderResting,
    RateLimited,
    TemporaryError,
)
from notifier.content.message_kind_base import OutgoingMessage, RenderedMessage
from tests.browser_keys import browser_address, subscribe
from tests.in_turn import in_turn
from tests.notifier.conftest import hand_over_in_job

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("redis_server")
CONTENT = RenderedMessage(text="Réservez vite.", subject="Créneau détecté", path="/dashboard")


def outgoing(address: str) -> OutgoingMessage:
    return OutgoingMessage(CONTENT, address, [new_id()])


def send(*addresses: str) -> Sequence[Answer]:
    return list(providers()["web_push"].hand_over([outgoing(each) for each in addresses]))


def choose(*addresses: str) -> Sequence[Answer]:
    """Hand messages over as a job does, by the breaker."""
    return BatchSender(Channel.PUSH, clock() + timedelta(hours=1)).hand_over(
        [outgoing(each) for each in addresses]
    )


def at(endpoint: str) -> str:
    made = subscribe()
    return PushSubscription(endpoint, **made["keys"]).as_address()


@in_turn(
    "mode, error, state",
    [
        ("rate_limited", RateLimited, None),
        ("error_500", TemporaryError, None),
        ("unauthorized", Misconfigured, None),
        ("refuse", TemporaryError, None),
        ("reset", OutcomeUnknown, None),
        ("ended", PermanentError, ContactState.BLOCKED),
        ("redirect", PermanentError, None),
        ("odd", PermanentError, None),
    ],
)
def test_each_answer_has_its_meaning(
    sandbox: "Running", mode: str, error: type[Exception], state: ContactState | None
) -> None:
    sandbox.reset()
    sandbox.provider_mode("push", mode)
    (answer,) = send(browser_address("camille"))
    assert type(answer) is error, answer
    assert getattr(answer, "contact_state", None) is state
    if mode == "rate_limited":
        assert getattr(answer, "retry_after", None) == 5


def test_a_device_of_a_former_key_ends_once_ours_is_a_day_old_and_nothing_is_sent(
    sandbox: "Running", settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    """A pair of another installation that was set by mistake for an hour ends no subscription."""
    private, public = draw_keys()
    settings_env(VAPID_PRIVATE_KEY=private, VAPID_PUBLIC_KEY=public)
    mine = read_subscription(browser_address("camille"))
    both = [replace(mine, server_key=key).as_address() for key in (draw_keys()[1], public)]
    for hours in (0, 23):
        frozen.shift(timedelta(hours=hours))
        assert [type(each) for each in send(*both)] == [Misconfigured, Acceptance]
    frozen.shift(timedelta(hours=2))
    answers = send(*both)
    assert [getattr(each, "contact_state", None) for each in answers] == [ContactState.BLOCKED, None]
    assert isinstance(answers[1], Acceptance)


def test_all_of_a_call_leave_at_the_same_time(sandbox: "Running", settings_env: Callable[..., None]) -> None:
    settings_env(PUSH_TIMEOUT_SECONDS="1.5")
    names = [f"silent-{number}" for number in range(5)] + [f"live-{number}" for number in range(5)]
    began = time.monotonic()
    assert [type(each) for each in send(*map(browser_address, names))] == [OutcomeUnknown] * 5 + [
        Acceptance
    ] * 5
    assert time.monotonic() - began < 5 * 1.5, (
        "one that never answers is waited for so long, all at the same time"
    )


def test_messages_of_different_texts_leave_in_one_call(sandbox: "Running") -> None:
    other = replace(CONTENT, subject="Ceci est un test")
    messages = [outgoing(browser_address("camille")), replace(outgoing(browser_address("b")), content=other)]
    until = clock() + timedelta(seconds=20)
    assert len(list(BatchSender(Channel.PUSH, until).send(messages))) == 1
    assert {each.subject for each in sandbox.messages("push")} == {CONTENT.subject, other.subject}


def test_a_service_that_is_away_is_left_alone(sandbox: "Running", settings_env: Callable[..., None]) -> None:
    settings_env(SANDBOX_HOSTS="push.sandbox.test=127.0.0.1:1")
    for _ in range(FAILURES_IN_A_ROW):
        assert isinstance(choose(browser_address("camille"))[0], TemporaryError)
    assert isinstance(choose(browser_address("camille"))[0], ProviderResting)


def test_one_service_that_answers_keeps_the_others_going(
    sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    place = sandbox.push.partition("//")[2]
    settings_env(
        PUSH_HOSTS="push.sandbox.test,other.sandbox.test",
        SANDBOX_HOSTS=f"push.sandbox.test={place},other.sandbox.test=127.0.0.1:1",
    )
    away = at("https://other.sandbox.test/x")
    for _ in range(FAILURES_IN_A_ROW + 1):
        refused, live = choose(away, browser_address("camille"))
        assert type(refused) is TemporaryError
        assert isinstance(live, Acceptance)


def test_dead_endpoints_leave_their_host_open_to_others(
    sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(PUSH_TIMEOUT_SECONDS="0.1")
    for number in range(FAILURES_IN_A_ROW + 1):
        choose(browser_address(f"silent-{number}"))
        choose(browser_address(f"gone-{number}"))
    settings_env(PUSH_TIMEOUT_SECONDS="5")
    assert isinstance(choose(browser_address("camille"))[0], Acceptance)


def test_a_host_that_was_taken_off_the_list_is_not_asked(
    sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(PUSH_HOSTS="fcm.googleapis.com")
    assert type(send(browser_address("camille"))[0]) is PermanentError
    assert sandbox.provider_calls("push") == 0


def test_what_is_no_subscription_is_refused_for_good(sandbox: "Running") -> None:
    answers = send("", "{}", "987654", '{"endpoint": "x", "p256dh": "y", "auth": "z"}')
    assert [type(each) for each in answers] == [PermanentError] * 4


def test_without_a_key_nothing_is_sent(sandbox: "Running", settings_env: Callable[..., None]) -> None:
    settings_env(VAPID_PRIVATE_KEY="")
    assert isinstance(send(browser_address("camille"))[0], Misconfigured)


@contextmanager
def serving(begin: bytes, more: bytes, pause: float, settings_env: Callable[..., None]) -> Iterator[None]:
    """Be the stand-in of all push services: begin an answer, and do not end it before this is over."""
    over = Event()
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as threads:

        def answer(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(begin)
                while not over.wait(pause):
                    connection.sendall(more)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threads.submit(answer, listener.accept()[0])

        threads.submit(accept)
        settings_env(
            SANDBOX_HOSTS=f"push.sandbox.test=127.0.0.1:{listener.getsockname()[1]}",
            PUSH_TIMEOUT_SECONDS="0.3",
            PROVIDER_CONNECT_SECONDS="0.3",
        )
        try:
            yield
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)


def test_answers_that_trickle_are_waited_for_no_longer_than_others(
    sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    with serving(b"HTTP/1.1 201 Created\r\nX-Long: ", b"a", 0.05, settings_env):
        answers = send(*(browser_address(f"{number}") for number in range(10)))
    assert {type(each) for each in answers} == {OutcomeUnknown}
    place = sandbox.push.partition("//")[2]
    settings_env(SANDBOX_HOSTS=f"push.sandbox.test={place}", PUSH_TIMEOUT_SECONDS="5")
    assert isinstance(send(browser_address("camille"))[0], Acceptance)


def test_a_job_that_ends_keeps_what_was_answered(
    sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(PUSH_TIMEOUT_SECONDS="20")
    names, answered = ["silent-1", "camille", "gone-1"], Event()
    Timer(2, answered.set).start()  # seconds, of which the two that answer take a tenth
    answers = hand_over_in_job(Channel.PUSH, [outgoing(browser_address(each)) for each in names], answered)
    assert [type(each) for each in answers] == [OutcomeUnknown, Acceptance, PermanentError]
