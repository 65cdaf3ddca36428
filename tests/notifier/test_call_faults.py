"""Calls whose reports are lost, late or out of order, whose worker dies, and two that compete for the same hour."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.models.alert import Alert
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.base import session
from api.models.notification import Match, Notification, State
from api.models.provider_event import ProviderEvent
from api.models.slot import SlotRow
from api.models.user import Channel, Contact, User
from configs.clock import clock, override_clock
from notifier import call_planning
from notifier.call_addresses import CallStep
from notifier.call_planning import plan_calls
from notifier.delivery.claiming import claim
from notifier.delivery.retry_policy import waits_of_copies
from notifier.jobs import apply_receipts, deliver
from notifier.sweep import Sweep
from tests.notifier.calls_world import (
    ALWAYS,
    ask,
    callee,
    calls,
    missed_sms,
    placed_call,
    planned,
    report,
    wanted_call,
)
from tests.notifier.world import (
    OTHER_DESK,
    alert,
    all_of,
    change,
    confirm,
    detection,
    get,
    matched,
    person,
    slots,
)

pytestmark = pytest.mark.usefixtures("whole")
OTHER_SID = "CA00000000000000000000000000000002"


@pytest.fixture(autouse=True)
def _api(whole: Any, settings_env: Callable[..., None]) -> None:
    whole.call_answers("rings")
    settings_env(API_URL="http://127.0.0.1:4000", CALLS_PER_SECOND="1000")


def own(key: Any) -> str:
    return get(Notification, key).provider_id or ""


def forget_slots() -> None:
    """Have no slot seen for a while: calls wait for the next look at the page."""
    before = clock() - timedelta(minutes=20)
    with session() as s:
        s.execute(sa.update(SlotRow).values(opened_at=before, seen_at=before))


def make_due(key: UUID) -> None:
    change(Notification, key, next_attempt_at=clock(), next_nudge_at=clock())


def lost_answer() -> UUID:
    """Return an attempt after a call whose answer did not come."""
    key = wanted_call()
    again = dict.fromkeys(("next_attempt_at", "next_nudge_at"), clock() + timedelta(seconds=60))
    change(Notification, key, attempts=1, unknown_attempts=1, reason="unknown: no answer", **again)
    return key


# Reports about a call whose answer was lost


def test_a_machine_that_took_a_call_of_unknown_fate_is_followed_by_an_sms() -> None:
    key = lost_answer()
    report(key, CallStep.ANSWERED, AnsweredBy="machine_start")
    assert len(missed_sms()) == 1
    assert [row.state for row in calls()] == [State.BOUNCED, State.PENDING]


def test_a_call_of_unknown_fate_that_nobody_took_is_followed_by_one_after_a_minute() -> None:
    key = lost_answer()
    report(key, CallStep.ENDED, CallStatus="no-answer")
    first, second = calls()
    assert (first.state, first.provider_id) == (State.BOUNCED, "CA00000000000000000000000000000001")
    assert second.next_attempt_at - clock() > timedelta(seconds=55)


def test_an_end_that_comes_before_the_answer_is_followed_by_another_call() -> None:
    key = lost_answer()
    report(key, CallStep.ENDED, CallStatus="completed")
    report(key, CallStep.ANSWERED, AnsweredBy="human")
    assert len(calls()) == 2


def test_a_call_of_unknown_fate_counts_once_when_its_end_is_reported(whole: Any) -> None:
    key = lost_answer()
    report(key, CallStep.ANSWERED, AnsweredBy="human")
    report(key, CallStep.ENDED, CallStatus="completed")
    for number in (1, 2):
        row = calls()[number]
        make_due(row.id)
        deliver(str(row.id))
        report(row.id, CallStep.ENDED, sid=own(row.id), CallStatus="no-answer")
    assert len(whole.messages("voice")) == 2, "and the one without an answer"


def test_a_call_of_unknown_fate_that_was_taken_costs_a_minute() -> None:
    key = lost_answer()
    report(key, CallStep.ANSWERED, AnsweredBy="human")
    report(key, CallStep.ENDED, CallStatus="completed")
    assert get(Notification, key).cost == Decimal("0.15")


def test_a_call_of_unknown_fate_that_nobody_took_has_cost_nothing() -> None:
    key = lost_answer()
    report(key, CallStep.ENDED, CallStatus="busy")
    assert get(Notification, key).cost == 0


def test_a_worker_that_died_after_the_call_rang_brings_no_second_copy(whole: Any) -> None:
    key = wanted_call()
    with session() as s:
        claim(s, [key], clock())
    report(key, CallStep.ENDED, CallStatus="no-answer")
    assert get(Notification, key).state is State.SENDING, "its worker may write the answer still"
    change(Notification, key, lease_until=clock(), next_nudge_at=clock())
    change(ProviderEvent, all_of(ProviderEvent)[0].id, next_attempt_at=clock())
    deliver(str(key))
    change(ProviderEvent, all_of(ProviderEvent)[0].id, next_attempt_at=clock())
    apply_receipts()
    assert whole.messages("voice") == [], "the copy that rang is the only one"
    assert [row.state for row in calls()] == [State.BOUNCED, State.PENDING]


def test_the_key_of_a_copy_ends_the_series() -> None:
    key = placed_call()
    change(Notification, key, unknown_attempts=1)
    report(key, CallStep.KEY, sid=OTHER_SID, Digits="1")
    report(key, CallStep.ENDED, sid=own(key), CallStatus="no-answer")
    assert len(calls()) == 1


def test_a_key_that_is_stored_and_not_applied_yet_ends_the_call_that_waits(whole: Any) -> None:
    key = lost_answer()
    ask(key, CallStep.ANSWERED, AnsweredBy="human")
    ask(key, CallStep.KEY, Digits="1")
    make_due(key)
    deliver(str(key))
    apply_receipts()
    assert whole.messages("voice") == []


def test_a_machine_is_known_by_the_report_of_the_end_too() -> None:
    key = placed_call()
    report(key, CallStep.ENDED, sid=own(key), CallStatus="completed", AnsweredBy="machine_start")
    assert len(missed_sms()) == 1


# Waits


def test_a_copy_never_rings_while_the_first_one_may(settings_env: Callable[..., None]) -> None:
    settings_env(CALL_GAP_SECONDS="5", CALL_RING_SECONDS="25", PROVIDER_TIMEOUT_SECONDS="10")
    assert waits_of_copies(Channel.VOICE) == (35,)
    settings_env(CALL_GAP_SECONDS="60")
    assert waits_of_copies(Channel.VOICE) == (60,)


def test_a_call_made_by_a_clock_that_was_ahead_does_not_keep_the_hour(frozen: time_machine.Traveller) -> None:
    frozen.shift(timedelta(days=1))
    placed_call()
    frozen.shift(timedelta(days=-1))
    with session() as s:
        s.execute(sa.update(SlotRow).values(opened_at=clock(), seen_at=clock()))
    matched(detection(slots(place="2")))
    assert len(planned()) == 1


# Two at once


def test_two_sweeps_at_once_plan_one_call() -> None:
    callee()
    matched(detection())
    with session() as one, session() as other:
        written = plan_calls(one, clock()), plan_calls(other, clock())
    assert sorted(map(len, written)) == [0, 1]
    assert planned() == []


def test_two_detections_at_once_are_one_call() -> None:
    who = callee()
    alert(who, {"desk_id": OTHER_DESK}, **ALWAYS)
    matched(detection())
    matched(detection(desk_id=OTHER_DESK))
    assert len(planned()) == 1
    assert planned() == []


def test_an_account_that_is_deleted_meanwhile_stops_no_round_of_the_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    who, other = callee(), callee()
    matched(detection())
    choose = call_planning._choose_latest

    def delete_first(found: Any) -> Any:
        with session() as s:
            s.execute(sa.delete(User).where(User.id == who.id))
        return choose(found)

    monkeypatch.setattr(call_planning, "_choose_latest", delete_first)
    Sweep().turn()
    monkeypatch.undo()
    Sweep().turn()
    assert [row.user_id for row in calls()] == [other.id]


def test_a_call_that_is_held_back_does_not_keep_others_from_being_made() -> None:
    who = callee()
    alert(who, {"desk_id": OTHER_DESK}, **ALWAYS)
    matched(detection())
    (held,) = planned()
    forget_slots()
    deliver(str(held))
    matched(detection(desk_id=OTHER_DESK))
    (key,) = planned()
    deliver(str(key))
    assert get(Notification, key).state is State.SENT
    confirm([each.id for each in all_of(SlotRow)])
    make_due(held)
    deliver(str(held))
    assert get(Notification, held).state is State.SKIPPED, "that hour has had its call"


def test_of_two_calls_that_wait_the_one_that_was_planned_last_is_made() -> None:
    who = callee()
    alert(who, {"desk_id": OTHER_DESK}, **ALWAYS)
    matched(detection())
    (held,) = planned()
    forget_slots()
    deliver(str(held))
    confirm([each.id for each in all_of(SlotRow)])
    matched(detection(desk_id=OTHER_DESK))
    (key,) = planned()
    make_due(held)
    deliver(str(held))
    deliver(str(key))
    assert [get(Notification, each).state for each in (held, key)] == [State.SKIPPED, State.SENT]


def test_a_call_that_may_have_rung_lately_counts_whenever_it_was_planned() -> None:
    key = wanted_call()
    hour = timedelta(minutes=61)
    change(
        Notification, key, state=State.FAILED, reason="unknown: no answer", unknown_attempts=3,
        failed_at=clock(), created_at=clock() - hour,
    )  # fmt: skip
    matched(detection(slots(place="2")))
    assert planned() == []


# Words that are true


def test_a_call_about_slots_not_seen_lately_does_not_say_that_they_are_gone() -> None:
    key = placed_call()
    forget_slots()
    assert "plus disponibles" not in ask(key, CallStep.ANSWERED, AnsweredBy="human")


def test_who_has_answered_is_not_told_that_slots_are_gone() -> None:
    key = placed_call()
    (match,) = all_of(Match)
    with session() as s:
        s.add(
            MatchAnswer(match_id=match.id, value=AnswerValue.TOO_LATE, answered_at=clock(), via=AnswerVia.API)
        )
    assert "plus disponibles" not in ask(key, CallStep.ANSWERED, AnsweredBy="human")


# Hours


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        (datetime(2026, 10, 24, 23, 59, tzinfo=UTC), False),  # 01:59
        (datetime(2026, 10, 25, 0, 0, tzinfo=UTC), True),  # 02:00, the first time
        (datetime(2026, 10, 25, 0, 45, tzinfo=UTC), False),  # 02:45
        (datetime(2026, 10, 25, 1, 15, tzinfo=UTC), True),  # 02:15 again
        (datetime(2026, 10, 25, 1, 45, tzinfo=UTC), False),
    ],
)
def test_the_hours_of_calls_are_those_that_a_clock_shows_when_it_is_set_back(
    at: datetime, *, allowed: bool
) -> None:
    with override_clock(lambda: at):
        alert(person(channels=(Channel.SMS,)), voice_enabled=True, voice_from=time(2), voice_to=time(2, 30))
        matched(detection())
        assert bool(planned()) is allowed


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        (datetime(2027, 3, 28, 0, 59, tzinfo=UTC), True),  # 01:59
        (datetime(2027, 3, 28, 1, 15, tzinfo=UTC), False),  # 03:15: there is no 02:15
    ],
)
def test_the_hours_of_calls_are_those_that_a_clock_shows_when_it_is_put_forward(
    at: datetime, *, allowed: bool
) -> None:
    with override_clock(lambda: at):
        alert(person(channels=(Channel.SMS,)), voice_enabled=True, voice_from=time(22), voice_to=time(2, 30))
        matched(detection())
        assert bool(planned()) is allowed


def test_the_sms_after_a_machine_leaves_though_the_hours_of_calls_have_ended() -> None:
    key = placed_call()
    report(key, CallStep.ANSWERED, sid=own(key), AnsweredBy="machine_start")
    (mine,) = all_of(Alert)
    now = clock().astimezone(UTC)
    change(
        Alert,
        mine.id,
        voice_from=(now + timedelta(hours=3)).time(),
        voice_to=(now + timedelta(hours=4)).time(),
    )
    (sms,) = missed_sms()
    deliver(str(sms.id))
    assert get(Notification, sms.id).state is State.SENT


@pytest.mark.parametrize(
    ("wish", "reason"),
    [({"enabled": False}, "switched off"), ({"stopped_groups": ["slots"]}, "stopped by its reader")],
)
def test_the_sms_after_a_machine_is_not_sent_to_who_wants_no_sms_about_slots(
    wish: dict[str, Any], reason: str
) -> None:
    key = placed_call()
    report(key, CallStep.ANSWERED, sid=own(key), AnsweredBy="machine_start")
    (sms,) = missed_sms()
    change(Contact, sms.contact_id, **wish)
    deliver(str(sms.id))
    assert (get(Notification, sms.id).state, get(Notification, sms.id).reason) == (State.SKIPPED, reason)


def test_a_number_that_was_changed_gets_no_call_before_it_is_confirmed() -> None:
    key = wanted_call()
    row = get(Notification, key)
    change(Contact, row.contact_id, address="+33687654321", verified_at=None)
    deliver(str(key))
    assert get(Notification, key).state is State.SKIPPED
