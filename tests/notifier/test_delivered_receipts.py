"""Receipts of the usual kind, which one statement applies, and those that it leaves to others."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from api.models.base import session
from api.models.notification import Notification, State
from api.models.user import Channel
from configs.ground.clock import clock
from deploy.sandbox.receipts.signatures import make_public_key
from notifier.jobs import apply_receipts, deliver
from notifier.receipts.applied_receipts import apply_delivered
from tests.notifier.receipts_world import SECRET, event_of, send_events
from tests.notifier.test_receipts import state_of
from tests.notifier.world import alert, detection, matched, person

pytestmark = pytest.mark.usefixtures("whole")


@pytest.fixture(autouse=True)
def _keys(whole: Any, settings_env: Callable[..., None]) -> None:
    settings_env(SENDGRID_WEBHOOK_KEY=make_public_key(SECRET))


def send_to(people: int) -> list[UUID]:
    """Send a slot alert to so many people; return its ids."""
    for _ in range(people):
        alert(person(channels=[Channel.EMAIL]))
    keys = matched(detection())
    deliver(*map(str, keys))
    assert len(keys) == people
    return keys


def apply_once() -> int:
    with session() as s:
        return apply_delivered(s, clock())


def test_a_message_that_something_holds_is_left_without_waiting() -> None:
    keys = send_to(2)
    send_events(*map(event_of, keys))
    with session() as s:
        s.get_one(Notification, keys[0], with_for_update=True)
        assert apply_once() == 1
    assert [state_of(each) for each in keys] == [State.SENT, State.DELIVERED]


def test_while_more_of_the_usual_kind_wait_only_failures_are_read_row_by_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("notifier.receipts.applied_receipts.MOST_DELIVERED", 1)
    first, second, third = send_to(3)
    send_events(event_of(first), event_of(second), event_of(third, event="bounce", type="bounce"))
    apply_receipts()
    assert state_of(third) is State.BOUNCED
    assert {state_of(first), state_of(second)} == {State.DELIVERED, State.SENT}
    apply_receipts()
    apply_receipts()
    assert {state_of(first), state_of(second)} == {State.DELIVERED}
