"""The client of push services: what answers mean, and endpoints that lead where they must not."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from api.models.base import new_id
from api.models.user import ContactState
from configs.circuit_breaker import FAILURES, CircuitBreaker
from configs.push_keys import draw_keys
from configs.push_subscriptions import PushSubscription, read_subscription
from notifier.channel_base import Acceptance, OutgoingMessage, RenderedMessage
from notifier.errors import (
    AddressBusy,
    LeavesLoopback,
    Misconfigured,
    OutcomeUnknown,
    PermanentError,
    ProviderResting,
    RateLimited,
    TemporaryError,
)
from notifier.provider_base import Answer
from notifier.providers import providers
from notifier.web_push import push_client
from tests.browser_keys import browser_address, subscribe

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("redis_server")
CONTENT = RenderedMessage(text="Réservez vite.", subject="Créneau détecté", path="/dashboard")
HOST = "updates.push.services.mozilla.com"


def outgoing(address: str) -> OutgoingMessage:
    return OutgoingMessage(CONTENT, address, [new_id()])


def send(*addresses: str) -> Sequence[Answer]:
    return list(providers()["web_push"].hand_over([outgoing(each) for each in addresses]))


def at(endpoint: str) -> str:
    made = subscribe()
    return PushSubscription(endpoint, **made["keys"]).as_address()


@pytest.mark.parametrize(
    ("mode", "error", "state"),
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
    sandbox.provider_mode("push", mode)
    (answer,) = send(browser_address("camille"))
    assert type(answer) is error, answer
    assert getattr(answer, "contact_state", None) is state
    if mode == "rate_limited":
        assert getattr(answer, "retry_after", None) == 5


def test_a_device_of_a_former_key_ends_and_nothing_is_sent(
    sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    private, public = draw_keys()
    settings_env(VAPID_PRIVATE_KEY=private, VAPID_PUBLIC_KEY=public)
    mine = read_subscription(browser_address("camille"))
    answers = send(*(replace(mine, server_key=key).as_address() for key in (draw_keys()[1], public)))
    assert [getattr(each, "contact_state", None) for each in answers] == [ContactState.BLOCKED, None]
    assert isinstance(answers[1], Acceptance)


def test_an_endpoint_that_never_answers_is_waited_for_so_long(
    sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(PUSH_TIMEOUT_SECONDS="1.5")
    silent, live = send(browser_address("silent-1"), browser_address("camille"))
    assert isinstance(silent, OutcomeUnknown)
    assert isinstance(live, Acceptance)


def test_all_of_a_call_leave_at_the_same_time(sandbox: "Running", settings_env: Callable[..., None]) -> None:
    settings_env(PUSH_TIMEOUT_SECONDS="4")
    names = [f"silent-{number}" for number in range(40)] + [f"live-{number}" for number in range(40)]
    answers = send(*map(browser_address, names))
    assert [isinstance(each, Acceptance) for each in answers] == [False] * 40 + [True] * 40


def test_a_host_that_is_away_is_left_alone_and_no_other(
    sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    place = sandbox.push.partition("//")[2]
    settings_env(
        PUSH_HOSTS="push.sandbox.test,other.sandbox.test",
        SANDBOX_HOSTS=f"push.sandbox.test={place},other.sandbox.test=127.0.0.1:1",
    )
    away = at("https://other.sandbox.test/x")
    for _ in range(FAILURES):
        assert isinstance(send(away)[0], TemporaryError)
    resting, live = send(away, browser_address("camille"))
    assert isinstance(resting, ProviderResting)
    assert isinstance(live, Acceptance)


def test_what_asked_no_host_does_not_say_that_push_works(
    sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(SANDBOX_HOSTS="push.sandbox.test=127.0.0.1:1")
    for _ in range(FAILURES):
        send(browser_address("camille"))
    assert CircuitBreaker("web_push", 15).is_open()
    send("{}", at("https://push.example.org/x"))
    assert CircuitBreaker("web_push", 15).is_open()


def test_dead_endpoints_leave_their_host_open_to_others(
    sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(PUSH_TIMEOUT_SECONDS="0.1")
    for number in range(FAILURES + 1):
        send(browser_address(f"silent-{number}"))
        send(browser_address(f"gone-{number}"))
    settings_env(PUSH_TIMEOUT_SECONDS="5")
    assert isinstance(send(browser_address("camille"))[0], Acceptance)


def test_a_host_that_was_taken_off_the_list_is_not_asked(
    sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(PUSH_HOSTS="fcm.googleapis.com")
    assert type(send(browser_address("camille"))[0]) is PermanentError
    assert sandbox.provider_calls("push") == 0


def test_nothing_leaves_loopback_outside_production(settings_env: Callable[..., None]) -> None:
    (answer,) = send(at(f"https://{HOST}/x"))
    assert isinstance(answer, LeavesLoopback)


@pytest.mark.parametrize("address", ["", "{}", "987654", '{"endpoint": "x", "p256dh": "y", "auth": "z"}'])
def test_what_is_no_subscription_loses_its_contact(sandbox: "Running", address: str) -> None:
    (answer,) = send(address)
    assert isinstance(answer, PermanentError)
    assert answer.contact_state in (ContactState.BLOCKED, None)


def test_without_a_key_nothing_is_sent(sandbox: "Running", settings_env: Callable[..., None]) -> None:
    settings_env(VAPID_PRIVATE_KEY="")
    assert isinstance(send(browser_address("camille"))[0], Misconfigured)


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let every name lead there; return the names that are looked up."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        kind = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(kind[":" in each], socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr("notifier.web_push.guarded_resolver.socket.getaddrinfo", look_up)
    return asked


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the client look names up as in production; return the addresses that it would connect to."""
    connected: list[str] = []
    monkeypatch.setattr(push_client, "find_target", lambda subscription: subscription.endpoint)

    async def connect(addr_infos: Sequence[Any], **_: Any) -> Any:
        connected.extend(each[4][0] for each in addr_infos)
        raise ConnectionRefusedError

    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", connect)
    return connected


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "::1", "fd00::1",
        "fe80::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1",
    ],
)  # fmt: skip
def test_a_name_that_leads_into_a_private_network_is_refused(
    monkeypatch: pytest.MonkeyPatch, live: list[str], address: str
) -> None:
    resolving(monkeypatch, "93.184.216.34", address)
    (answer,) = send(at(f"https://{HOST}/x"))
    assert isinstance(answer, PermanentError)
    assert "private network" in answer.reason
    assert live == []


def test_it_connects_where_the_only_look_up_said(monkeypatch: pytest.MonkeyPatch, live: list[str]) -> None:
    asked = resolving(monkeypatch, "93.184.216.34")
    (answer,) = send(at(f"https://{HOST}/x"))
    assert type(answer) is TemporaryError
    assert (asked, live) == ([HOST], ["93.184.216.34"])


def test_a_name_without_an_address_is_that_endpoint_s_fault(
    monkeypatch: pytest.MonkeyPatch, live: list[str]
) -> None:
    resolving(monkeypatch)
    for _ in range(FAILURES + 1):
        assert isinstance(send(at(f"https://{HOST}/x"))[0], AddressBusy)


def test_an_answer_without_an_end_is_not_read(sandbox: "Running", settings_env: Callable[..., None]) -> None:
    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            writer.close()

    async def main() -> Answer:
        server = await asyncio.start_server(flood, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings_env(SANDBOX_HOSTS=f"push.sandbox.test=127.0.0.1:{port}")
        async with push_client.PushClient() as client:
            found = await client.send(outgoing(browser_address("camille")))
        server.close()
        return found

    assert isinstance(asyncio.run(asyncio.wait_for(main(), 3)), Acceptance)
