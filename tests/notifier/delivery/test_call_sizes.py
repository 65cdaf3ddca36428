import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from api.models.notification import Priority, State
from api.models.user import Channel
from notifier.delivery import call_sizes
from notifier.delivery.call_sizes import SMALL, choose_call_size, record_call
from notifier.jobs import match
from notifier.nudges import WaitingWork, deliver
from notifier.providers.sendgrid import SendGrid
from tests.notifier.world import alert, detection, notifications, person

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


@pytest.fixture(autouse=True)
def fresh(settings_env: Callable[..., None]) -> Iterator[None]:
    """Forget the calls of other tests."""
    settings_env()
    call_sizes._taken_at.clear()
    yield
    call_sizes._taken_at.clear()


def test_the_first_call_is_small_and_the_next_ones_large_while_they_are_taken() -> None:
    assert choose_call_size(Channel.EMAIL) == SMALL
    record_call(Channel.EMAIL, "sendgrid")
    assert choose_call_size(Channel.EMAIL) == SendGrid.MOST > SMALL
    record_call(Channel.EMAIL, None)
    assert choose_call_size(Channel.EMAIL) == SMALL


def test_what_another_provider_took_says_nothing_of_the_first(settings_env: Callable[..., None]) -> None:
    settings_env(MAIL_PROVIDERS="sendgrid,smtp")
    record_call(Channel.EMAIL, "sendgrid")
    record_call(Channel.EMAIL, "smtp")
    assert choose_call_size(Channel.EMAIL) == SMALL


def test_after_a_while_the_next_call_is_small_again(monkeypatch: pytest.MonkeyPatch) -> None:
    record_call(Channel.EMAIL, "sendgrid")
    later = time.monotonic() + 6
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert choose_call_size(Channel.EMAIL) == SMALL


def test_a_channel_of_single_messages_stays_one_of_single_messages() -> None:
    record_call(Channel.SMS, "twilio")
    assert choose_call_size(Channel.SMS) == 1


@pytest.mark.usefixtures("frozen")  # what was read stays fresh, however busy the machine
def test_a_crowd_leaves_in_a_small_call_and_then_in_larger_ones(
    whole: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_sizes, "SMALL", 2)
    monkeypatch.setattr(SendGrid, "MOST", 4)
    for number in range(7):
        alert(person(addresses={Channel.EMAIL: f"p{number}@example.org"}))
    match(str(detection()))
    assert len(notifications(State.SENT)) == 7
    calls = Counter(mail.provider_id for mail in whole.messages("email"))
    assert sorted(calls.values()) == [1, 2, 4]


@pytest.mark.usefixtures("frozen")
def test_where_a_provider_refuses_the_next_call_is_small_too(
    whole: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_sizes, "SMALL", 2)
    record_call(Channel.EMAIL, "sendgrid")
    whole.provider_mode("sendgrid", "refuse")
    for number in range(5):
        alert(person(addresses={Channel.EMAIL: f"p{number}@example.org"}))
    match(str(detection()))
    assert len(notifications(State.PENDING)) == 5
    assert choose_call_size(Channel.EMAIL) == 2


def test_a_job_has_no_more_messages_than_a_first_call(
    queued: Callable[[str], list[tuple[str, list[Any]]]],
) -> None:
    mails = 2 * SMALL + 50
    deliver(WaitingWork(uuid4(), Channel.EMAIL, Priority.SCHEDULED, None) for _ in range(mails))
    assert [len(keys) for _, keys in queued("email-scheduled")] == [SMALL, SMALL, 50]
