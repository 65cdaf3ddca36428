from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.models.notification import Priority, State
from api.models.user import Channel, ContactState
from notifier.channels import Receipt
from notifier.errors import DeliveryError, LeavesLoopback, TryLater, Undeliverable, Unsure
from notifier.verdicts import ATTEMPTS, Attempt, Verdict, accepted, backoff, refused

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def attempt(
    number: int = 1,
    priority: Priority = Priority.CRITICAL,
    channel: Channel = Channel.EMAIL,
    reason: str | None = None,
) -> Attempt:
    return Attempt(number, priority, channel, reason)


def test_a_yes_is_sent_with_its_receipt() -> None:
    receipt = Receipt("sendgrid", "abc")
    assert accepted(receipt, NOW) == Verdict(State.SENT, NOW, receipt=receipt)


def test_a_permanent_no_fails_at_once_and_says_what_it_says_of_the_contact() -> None:
    verdict = refused(Undeliverable("no such number", ContactState.BOUNCED), attempt(), NOW)
    assert (verdict.state, verdict.reason, verdict.contact_state) == (
        State.FAILED,
        "no such number",
        ContactState.BOUNCED,
    )


def test_an_address_off_this_machine_fails_at_once() -> None:
    assert refused(LeavesLoopback("no"), attempt(), NOW).state is State.FAILED


def test_waits_between_attempts_double() -> None:
    waits = [refused(TryLater("500"), attempt(number), NOW).at - NOW for number in (1, 2, 3, 4)]
    assert waits == [timedelta(seconds=seconds) for seconds in (5, 10, 20, 40)]


def test_retry_after_is_obeyed_when_it_is_longer_than_our_own_wait() -> None:
    assert refused(TryLater("429", 90), attempt(), NOW).at == NOW + timedelta(seconds=90)
    assert refused(TryLater("429", 1), attempt(), NOW).at == NOW + timedelta(seconds=5)


def test_a_retry_after_without_end_waits_a_day() -> None:
    assert refused(TryLater("429", 10.0**12), attempt(), NOW).at == NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("priority", "limit"),
    [(Priority.CRITICAL, 5), (Priority.IMMEDIATE, 3), (Priority.SCHEDULED, 3), (Priority.BULK, 2)],
)
def test_a_temporary_no_is_tried_as_often_as_the_priority_allows(priority: Priority, limit: int) -> None:
    states = [
        refused(TryLater("500"), attempt(number, priority), NOW).state for number in range(1, limit + 1)
    ]
    assert states == [State.PENDING] * (limit - 1) + [State.FAILED]


@pytest.mark.parametrize(
    ("priority", "channel", "expected"),
    [
        (Priority.CRITICAL, Channel.EMAIL, State.PENDING),
        (Priority.CRITICAL, Channel.TELEGRAM, State.PENDING),
        (Priority.IMMEDIATE, Channel.EMAIL, State.PENDING),
        (Priority.CRITICAL, Channel.SMS, State.FAILED),
        (Priority.BULK, Channel.EMAIL, State.FAILED),
        (Priority.SCHEDULED, Channel.EMAIL, State.FAILED),
    ],
)
def test_silence_is_tried_once_more_only_where_it_is_urgent_and_free(
    priority: Priority, channel: Channel, expected: State
) -> None:
    verdict = refused(Unsure("ReadTimeout"), attempt(1, priority, channel), NOW)
    assert (verdict.state, verdict.reason) == (expected, "unknown: ReadTimeout")


def test_a_second_silence_is_final() -> None:
    first = refused(Unsure("ReadTimeout"), attempt(1), NOW)
    second = refused(Unsure("ReadTimeout"), attempt(2, reason=first.reason), NOW)
    assert second.state is State.FAILED


ERRORS = st.one_of(
    st.builds(TryLater, st.just("500"), st.none() | st.floats(0, 1e9)),
    st.builds(Unsure, st.just("silence")),
    st.builds(Undeliverable, st.just("no"), st.none() | st.sampled_from(ContactState)),
)


@given(st.lists(ERRORS, min_size=6, max_size=6), st.sampled_from(Priority), st.sampled_from(Channel))
def test_whatever_a_provider_answers_a_notification_ends_within_its_attempts(
    errors: list[DeliveryError], priority: Priority, channel: Channel
) -> None:
    reason, number = None, 0
    for error in errors:
        number += 1
        verdict = refused(error, Attempt(number, priority, channel, reason), NOW)
        assert verdict.reason
        assert verdict.at >= NOW
        if verdict.state is State.FAILED:
            break
        assert verdict.state is State.PENDING
        reason = verdict.reason
    assert verdict.state is State.FAILED
    assert number <= ATTEMPTS[priority]


def test_backoff_begins_with_the_setting() -> None:
    assert [backoff(number) for number in (1, 2, 3)] == [5, 10, 20]
