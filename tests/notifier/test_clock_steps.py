"""Notifications written while a clock was a day ahead delay none after it is right again."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
import time_machine

import notifier.sweep
from api.models.base import session
from api.models.slot import SlotRow
from api.models.user import Channel
from configs.clock import clock
from notifier.delivery import slow_channels
from notifier.jobs import match
from notifier.sweep import Sweep
from tests.notifier.world import alert, detection, gone, notifications, person, slots

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


def test_a_channel_that_was_slow_in_the_future_does_not_rest(
    frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_channels, "_rests", {})
    frozen.shift(DAY)
    slow_channels.record_latency(Channel.EMAIL, 60)
    assert slow_channels.is_open(Channel.EMAIL)
    frozen.shift(-DAY)
    assert not slow_channels.is_open(Channel.EMAIL)


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
