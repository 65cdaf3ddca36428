"""Calls by Twilio's stand-in, from the match to the last key: missed, busy, a machine, a person, a key too early."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from api.models.notification import Notification, State
from configs.clock import clock
from notifier.jobs import apply_receipts, deliver
from tests.notifier.calls_world import CallHooks, calls, missed_sms, serve_calls, wanted_call
from tests.notifier.world import change, get
from tests.waiting import until

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


@pytest.fixture
def hooks(whole: "Running", settings_env: Callable[..., None]) -> Iterator[CallHooks]:
    """Give the webhook that the stand-in asks."""
    with serve_calls() as server:
        settings_env(API_URL=server.origin, CALLS_PER_SECOND="1000")
        whole.send_receipts(f"{server.origin}/api/hooks", "tests-receipts")
        yield server
        whole.send_receipts("", "")


def wait_for_ends(hooks: CallHooks, count: int) -> None:
    until(lambda: hooks.steps.count("ended") >= count)
    apply_receipts()


def made(hooks: CallHooks) -> None:
    key = wanted_call()
    deliver(str(key))
    wait_for_ends(hooks, 1)


@pytest.mark.parametrize("mode", ["nobody", "busy", "failed"])
def test_a_call_that_nobody_takes_is_tried_again(whole: "Running", hooks: CallHooks, mode: str) -> None:
    whole.call_answers(mode)
    made(hooks)
    assert [row.state for row in calls()] == [State.BOUNCED, State.PENDING]


def test_a_person_who_presses_one_is_not_called_again(whole: "Running", hooks: CallHooks) -> None:
    whole.call_answers("person", keys="21")
    made(hooks)
    (only,) = calls()
    assert only.state is State.DELIVERED
    (call,) = whole.messages("voice")
    assert call.text.count("créneau est ouvert") == 2, "the second key says it again"
    assert "Votre alerte reste active" in call.text


@pytest.mark.parametrize("mode", ["hangs_up", "early"])
def test_a_person_without_a_key_that_counts_is_called_again(
    whole: "Running", hooks: CallHooks, mode: str
) -> None:
    whole.call_answers(mode)
    made(hooks)
    assert [row.state for row in calls()] == [State.DELIVERED, State.PENDING]


def test_after_a_machine_an_sms_leaves(whole: "Running", hooks: CallHooks) -> None:
    whole.call_answers("machine")
    made(hooks)
    (sms,) = missed_sms()
    deliver(str(sms.id))
    (message,) = [each for each in whole.messages("sms") if "appeler" in each.text]
    assert message.to == "+33612345678"
    (call,) = whole.messages("voice")
    assert call.text == "", "a machine records nothing"


def test_a_ringing_phone_is_answered_by_hand(whole: "Running", hooks: CallHooks) -> None:
    key = wanted_call()
    deliver(str(key))
    sid = get(Notification, key).provider_id or ""
    whole.act_in_call(sid, "answer")
    until(lambda: "answered" in hooks.steps)
    until(lambda: bool(whole.messages("voice")[0].text))
    whole.act_in_call(sid, "1")
    until(lambda: "ended" in hooks.steps)
    apply_receipts()
    assert [row.state for row in calls()] == [State.DELIVERED]


def test_a_report_that_is_repeated_brings_one_attempt(whole: "Running", hooks: CallHooks) -> None:
    whole.receipt_mode("twilio_calls", "repeated", times=3)
    whole.call_answers("nobody")
    made(hooks)
    until(lambda: hooks.steps.count("ended") == 3)
    apply_receipts()
    assert len(calls()) == 2


def test_three_attempts_are_all(whole: "Running", hooks: CallHooks) -> None:
    whole.call_answers("nobody")
    made(hooks)
    for attempt in (2, 3):
        row = calls()[attempt - 1]
        change(Notification, row.id, next_attempt_at=clock(), next_nudge_at=clock())
        deliver(str(row.id))
        wait_for_ends(hooks, attempt)
    assert [row.state for row in calls()] == [State.BOUNCED] * 3
