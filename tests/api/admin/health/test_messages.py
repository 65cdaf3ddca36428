"""Notifications by state, dead letters, and each provider's results."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from api.admin.health.deliveries import list_providers
from api.admin.health.figures import read_messages, read_providers
from api.admin.health.findings import PartFinding, PartState
from api.models.notification import State
from api.models.user import Channel
from configs.ground.circuit_breaker import FAILURES, PROVIDER_REST_SECONDS, CircuitBreaker
from configs.ground.clock import clock
from notifier.channels.batch_sender import provider_names
from tests.api.admin.health.conftest import ask
from tests.factories import add_message, add_user

World = Callable[..., None]
Tell = Callable[..., None]


@pytest.fixture
def tell(world: World) -> Tell:
    """Write notifications: `tell(State.SENT, Channel.SMS, took=9, ago=60)`: seconds and milliseconds."""
    user = add_user()

    def write(
        state: State, channel: Channel = Channel.EMAIL, *, took: float = 9, ago: float = 60, **given: Any
    ) -> None:
        at = clock() - timedelta(seconds=ago)
        seen = at - timedelta(milliseconds=took)
        is_accepted = state in (State.SENT, State.DELIVERED, State.NO_RECEIPT)
        ends = {"accepted_at": at} if is_accepted else {"failed_at": at, "reason": "no such number"}
        if state is State.PENDING:
            ends = {}
        times = {"created_at": at, "next_attempt_at": at, "seen_at": seen, "committed_at": seen}
        add_message(user.id, channel=channel, state=state, **times, **(ends | given))

    return write


def test_dead_letters_tell_no_address_that_a_provider_repeated(tell: Tell) -> None:
    for number, name in enumerate(("anna", "robin", "camille")):
        tell(State.FAILED, ago=60 + number, reason=f"refused: <{name}@example.org> is unknown")
    (group,) = read_messages()["dead"]
    assert (group["reason"], group["number"]) == ("refused: <***@example.org> is unknown", 3)
    assert group["newest_at"] == clock() - timedelta(seconds=60)


def test_providers_tell_of_a_quarter_of_an_hour(tell: Tell) -> None:
    for took in (10, 20, 90):
        tell(State.SENT, took=took)
    tell(State.SENT, took=5000, ago=901)
    tell(State.SENT, Channel.SMS, attempts=2)
    tell(State.FAILED, Channel.SMS)
    email, sms, *others = [
        tuple(each[name] for name in ("accepted", "failed", "again", "median_ms"))
        for each in read_providers()
    ]
    assert email == (3, 0, 0, 20)
    assert sms == (1, 1, 1, 9)
    assert set(others) == {(0, 0, 0, None)}


def open_breaker(name: str) -> None:
    breaker = CircuitBreaker(name, PROVIDER_REST_SECONDS())
    for _ in range(FAILURES):
        breaker.record_failure(breaker.begin_call())


def test_an_open_circuit_breaker_is_named_with_who_takes_over(
    world: World, settings_env: Callable[..., None]
) -> None:
    settings_env(MAIL_PROVIDERS="sendgrid,smtp")
    assert ask("providers") == PartFinding(PartState.OK, "none of their circuit breakers is open")
    open_breaker("sendgrid")
    open_breaker("twilio")
    assert ask("providers") == PartFinding(
        PartState.DEGRADED,
        "sendgrid fails or is slow: it is asked again in 15 s, messages leave by smtp; "
        "twilio fails or is slow: it is asked again in 15 s, no sms leaves",
    )
    assert read_providers()[0]["left_alone"] == {"sendgrid": pytest.approx(15)}


def test_a_provider_that_accepts_and_never_delivers_is_named_and_counted(tell: Tell) -> None:
    sent = {"provider": "sendgrid", "receipt_due_at": clock() - timedelta(seconds=1)}
    for _ in range(5):
        tell(State.DELIVERED, **sent)
        tell(State.NO_RECEIPT, **sent)
    assert ask("providers").state is PartState.OK
    tell(State.NO_RECEIPT, **sent)
    tell(State.NO_RECEIPT, provider="twilio", receipt_due_at=clock())
    assert ask("providers") == PartFinding(
        PartState.DEGRADED,
        "sendgrid confirms 5 of 11 messages of the last hour: it delivers few, or its receipts do not reach"
        " /api/hooks/sendgrid",
    )
    assert read_messages()["by_state"] == {"delivered": 5, "no_receipt": 7}


def test_the_providers_of_health_are_those_of_the_notifier(settings_env: Callable[..., None]) -> None:
    settings_env(MAIL_PROVIDERS="smtp,sendgrid")
    assert {each: list_providers(each) for each in Channel} == {
        each: tuple(provider_names(each)) for each in Channel
    }
