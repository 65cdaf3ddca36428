import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from api.models.notification import Priority, State
from api.models.user import Channel, ContactState
from notifier.channels.fates import ATTEMPTS
from notifier.channels.provider_base import (
    AddressBusy,
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentError,
    ProviderResting,
    RateLimited,
    TemporaryError,
)
from notifier.content.message_kind_base import SLOT_DETECTED, ClaimedRow
from notifier.delivery.retry_policy import WorkerDied, on_error
from tests.in_turn import in_turn

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def attempt(
    number: int = 1,
    priority: Priority = Priority.CRITICAL,
    channel: Channel = Channel.EMAIL,
    reason: str | None = None,
    unknown: int = 0,
    *,
    lasting: bool = False,
    created_at: datetime = NOW,
) -> ClaimedRow:
    kind = SLOT_DETECTED if lasting else "welcome"
    return ClaimedRow(
        UUID(int=0), channel, kind, "fr", {}, priority, number, unknown, created_at, reason=reason
    )


def slot_alert(number: int = 1) -> ClaimedRow:
    return attempt(number, lasting=True)


@in_turn("error", [TemporaryError, RateLimited, AddressBusy, Misconfigured, ProviderResting])
def test_no_provider_holds_a_slot_alert_longer_than_its_longest_wait(error: type[TemporaryError]) -> None:
    for asked in (60, 86400, 10.0**12):
        assert on_error(error("429", asked), slot_alert(), NOW).at - NOW == timedelta(seconds=45)
    call = replace(attempt(), channel=Channel.VOICE)
    assert on_error(error("429", 3600), call, NOW).at - NOW == timedelta(seconds=45)


@in_turn("error", [TemporaryError, Misconfigured, ProviderResting])
def test_a_slot_alert_that_its_writer_sends_is_tried_again(error: type[TemporaryError]) -> None:
    assert on_error(error("401"), slot_alert(), NOW).state is State.PENDING


def test_an_address_that_is_busy_is_given_minutes_except_by_a_slot_alert() -> None:
    busy, mail = AddressBusy("greylisted"), attempt(priority=Priority.IMMEDIATE)
    assert on_error(busy, mail, NOW).at - NOW == timedelta(minutes=5)
    assert on_error(busy, slot_alert(), NOW).at - NOW == timedelta(seconds=5)


def test_a_retry_after_without_end_waits_a_day() -> None:
    assert on_error(TemporaryError("429", 10.0**12), attempt(), NOW).at == NOW + timedelta(days=1)


@in_turn("priority", Priority)
@in_turn("age, wait", [(0, 5), (10, 5), (60, 30), (900, 450), (3600, 450), (86399, 450), (86400, None)])
def test_what_was_certainly_not_accepted_is_tried_for_a_day(
    priority: Priority, age: float, wait: float | None
) -> None:
    tried = replace(attempt(9, priority), created_at=NOW - timedelta(seconds=age))
    decision = on_error(TemporaryError("500"), tried, NOW)
    if wait is None:
        assert (decision.state, decision.reason) == (State.FAILED, "attempts used up: 500")
    else:
        assert (decision.state, decision.at - NOW) == (State.PENDING, timedelta(seconds=wait))
        assert not decision.counts


def test_an_old_dead_letter_that_is_replayed_has_its_attempts_again() -> None:
    old = replace(attempt(1, Priority.IMMEDIATE), created_at=NOW - timedelta(days=9))
    decisions = [
        on_error(TemporaryError("500"), replace(old, attempts=number), NOW) for number in range(1, 7)
    ]
    assert [each.state for each in decisions] == [State.PENDING] * 5 + [State.FAILED]
    assert all(each.counts for each in decisions)


def test_a_slot_alert_that_nobody_can_have_taken_is_tried_until_there_is_nothing_to_tell() -> None:
    states = {on_error(TemporaryError("500"), slot_alert(number), NOW).state for number in range(1, 200)}
    assert states == {State.PENDING}


def waits_of(tried: ClaimedRow, most: int = 7, error: OutcomeUnknown | None = None) -> list[float | None]:
    """Return the waits after each silence in seconds; None where it failed for good."""
    error = error or OutcomeUnknown("ReadTimeout")
    waits: list[float | None] = []
    for number in range(most):
        after = replace(tried, attempts=tried.attempts + number, unknown_attempts=number)
        decision = on_error(error, after, NOW)
        assert (decision.unknown, decision.reason) == (True, f"unknown: {error.reason}")
        waits.append((decision.at - NOW).total_seconds() if decision.state is State.PENDING else None)
        if waits[-1] is None:
            break
    return waits


@in_turn(
    "tried, waits",
    [
        (attempt(1, Priority.CRITICAL, Channel.EMAIL, lasting=True), [15, 120, 600, 1800, 1800, 1800, 1800]),
        (
            attempt(1, Priority.CRITICAL, Channel.TELEGRAM, lasting=True),
            [15, 120, 600, 1800, 1800, 1800, 1800],
        ),
        (attempt(1, Priority.CRITICAL, Channel.SMS, lasting=True), [60, 600, 1800, None]),
        (attempt(1, Priority.CRITICAL, Channel.EMAIL), [15, 120, 600, 1800, None]),
        (attempt(1, Priority.IMMEDIATE, Channel.EMAIL), [15, 120, 600, 1800, 1800, None]),
        (attempt(1, Priority.SCHEDULED, Channel.EMAIL), [15, 120, 600, 1800, 1800, None]),
        (attempt(1, Priority.IMMEDIATE, Channel.SMS), [60, 600, 1800, None]),
        (attempt(1, Priority.BULK, Channel.EMAIL), [None]),
        (attempt(1, Priority.BULK, Channel.SMS), [None]),
    ],
)
def test_after_silence_the_waits_grow_and_an_sms_has_few_copies(
    tried: ClaimedRow, waits: list[float | None]
) -> None:
    assert waits_of(tried) == waits


def test_in_bulk_what_a_dead_worker_had_claimed_is_tried_again() -> None:
    assert waits_of(attempt(1, Priority.BULK), error=WorkerDied("no answer")) == [15, None]


def test_a_refusal_does_not_make_the_waits_after_silence_longer() -> None:
    after_refusals = attempt(40, Priority.CRITICAL, Channel.EMAIL, unknown=0, lasting=True)
    assert on_error(OutcomeUnknown("no"), after_refusals, NOW).at == NOW + timedelta(seconds=15)


@in_turn("priority", Priority)
def test_our_own_configuration_uses_no_attempt(priority: Priority) -> None:
    decision = on_error(Misconfigured("401"), attempt(ATTEMPTS[priority], priority), NOW)
    assert (decision.state, decision.counts, decision.at) == (
        State.PENDING, False, NOW + timedelta(seconds=45),
    )  # fmt: skip


def test_what_may_have_arrived_says_so_when_its_attempts_are_used_up() -> None:
    last = attempt(6, Priority.IMMEDIATE, Channel.EMAIL, unknown=1, created_at=NOW - timedelta(days=1))
    assert on_error(TemporaryError("500"), last, NOW).reason == "unknown: 500"


ERRORS = st.one_of(
    st.builds(TemporaryError, st.just("500"), st.none() | st.floats(0, 1e9)),
    st.builds(OutcomeUnknown, st.just("silence")),
    st.builds(PermanentError, st.just("no"), st.none() | st.sampled_from(ContactState)),
)


@given(st.lists(ERRORS, min_size=6, max_size=30), st.sampled_from(Priority), st.sampled_from(Channel))
def test_whatever_a_provider_answers_a_notification_ends_within_its_attempts_or_a_day(
    errors: list[DeliveryError], priority: Priority, channel: Channel
) -> None:
    reason, number, unknown, now = None, 0, 0, NOW
    for error in itertools.chain(errors, itertools.repeat(errors[-1])):
        tried = attempt(number + 1, priority, channel, reason, unknown, created_at=NOW)
        decision = on_error(error, tried, now)
        number += decision.counts
        unknown += decision.unknown
        assert decision.reason
        assert decision.at >= now
        if decision.state is State.FAILED:
            break
        assert decision.state is State.PENDING
        assert decision.counts or now < NOW + timedelta(days=1)
        reason, now = decision.reason, decision.at
    assert number <= ATTEMPTS[priority]
