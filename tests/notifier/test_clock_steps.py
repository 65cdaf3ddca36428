"""Notifications written while a clock was a day ahead delay none after it is right again."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
import time_machine

import notifier.sweep
from api.models.base import session
from api.models.notification import Notification, State
from api.models.slot import SlotRow
from api.models.user import Channel
from configs.clock import clock
from deploy.sandbox.receipts.signatures import make_public_key
from notifier.clock_steps import NO_RECEIPT_SECONDS
from notifier.jobs import apply_receipts, deliver, match
from notifier.sweep import Sweep
from tests.notifier.receipts_world import SECRET, event_of, send_events
from tests.notifier.world import alert, change, detection, get, gone, matched, notifications, person, slots

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server", "queued")
DAY = timedelta(days=1)


def test_a_slot_told_in_the_future_is_told_again_when_it_returns(frozen: time_machine.Traveller) -> None:
    frozen.shift(DAY)
    alert(person())
    ahead = slots()
    match(str(detection(ahead)))
    frozen.shift(-DAY)
    with session() as rows:  # as the planner does it
        rows.execute(sa.update(SlotRow).values(opened_at=clock(), seen_at=clock()))
    gone(ahead)
    frozen.shift(timedelta(minutes=31))
    match(str(detection(slots())))
    assert len(notifications()) == 2


@pytest.mark.parametrize("channels", [(Channel.EMAIL,), (Channel.EMAIL, Channel.TELEGRAM)])
def test_a_cap_used_an_hour_ahead_holds_nothing_back(
    channels: tuple[Channel, ...], whole: "Running", frozen: time_machine.Traveller
) -> None:
    sweep = Sweep()
    sweep.turn()
    alert(person(channels=channels))
    match(str(detection()))
    deliver(*(str(row.id) for row in notifications(State.PENDING)))
    told = len(whole.messages())
    assert told == len(channels)
    frozen.shift(timedelta(hours=-1))
    sweep.turn()
    match(str(detection(slots(place="2"))))
    deliver(*(str(row.id) for row in notifications(State.PENDING)))
    assert len(whole.messages()) == 2 * told


def test_a_head_start_given_in_the_future_ends(frozen: time_machine.Traveller) -> None:
    frozen.shift(DAY)
    sweep = Sweep()
    sweep.database.begin("away")
    sweep.turn_safely()
    assert sweep.back_at is not None
    frozen.shift(-DAY)
    sweep.turn_safely()
    assert sweep.clock_at == clock()


def test_a_database_away_in_the_first_round_keeps_no_repair_from_the_next(
    frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def look(*_: object) -> bool:
        asked.append(None)
        if len(asked) == 1:
            raise sa.exc.OperationalError("", {}, Exception())
        return True

    monkeypatch.setattr(notifier.sweep, "has_times_ahead", look)
    sweep = Sweep()
    sweep.turn_safely()
    assert sweep.mend_at is None
    frozen.shift(60)
    sweep.turn_safely()  # the database is back, workers have their head start
    frozen.shift(60)
    sweep.turn_safely()
    assert sweep.mend_at is not None


@pytest.fixture
def sent_in_the_future(
    frozen: time_machine.Traveller, sandbox: "Running", settings_env: Callable[..., None]
) -> UUID:
    """Give a mail that left, and whose receipts are awaited, by a clock a day ahead."""
    settings_env(SENDGRID_WEBHOOK_KEY=make_public_key(SECRET))
    frozen.shift(DAY)
    alert(person())
    (key,) = matched(detection())
    deliver(str(key))
    return key


def test_a_receipt_that_waited_in_the_future_is_applied(
    sent_in_the_future: UUID, frozen: time_machine.Traveller
) -> None:
    key = sent_in_the_future
    change(Notification, key, state=State.SENDING, lease_token=uuid4(), lease_until=clock())
    send_events(event_of(key))
    apply_receipts()
    change(Notification, key, state=State.SENT, lease_token=None, lease_until=None)
    frozen.shift(-DAY)
    Sweep().turn()
    apply_receipts()
    assert get(Notification, key).state is State.DELIVERED


def test_no_receipt_is_awaited_for_longer_than_usual(
    sent_in_the_future: UUID, frozen: time_machine.Traveller
) -> None:
    frozen.shift(-DAY)
    sweep = Sweep()
    sweep.turn()
    frozen.shift(timedelta(seconds=NO_RECEIPT_SECONDS() + 1))
    sweep.turn()
    assert get(Notification, sent_in_the_future).state is State.NO_RECEIPT
