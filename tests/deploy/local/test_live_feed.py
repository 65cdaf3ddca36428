"""The live feed of `make run`: each event once, as a line that fits; and what ends `make demo`."""

from datetime import timedelta

import pytest
from rich.console import Console

from api.models.base import session
from api.models.desk import HostState, Outage, OutageReason
from api.models.notification import Notification, State
from api.models.slot import GoneReason, SlotRow
from api.models.user import Channel
from configs.ground.clock import clock
from deploy.local.terminal_ui import LiveFeed, find_arrival, render, summarise
from tests.factories import BOBIGNY, add_check, add_slot_message, announce, change, save_all

pytestmark = pytest.mark.usefixtures("database")
MINUTE = timedelta(minutes=1)


def test_each_event_is_a_line_once_and_a_message_again_in_its_next_state() -> None:
    feed, now = LiveFeed(begun=clock() - MINUTE), clock()
    add_check()
    message = announce(provider="sendgrid").message
    change(SlotRow, gone_at=now, gone_reason=GoneReason.PAST)
    rest = HostState(host="a.example:443", rests_until=now + MINUTE, rest_reason="403")
    stop = HostState(host="b.example:443", stopped_at=now, stop_reason="asked", updated_at=now)
    over = Outage(desk_id=BOBIGNY, starts_at=now - MINUTE / 4, ends_at=now, reason=OutageReason.BLOCKED)
    save_all([rest, stop, over])
    with session() as s:
        events = feed.read_new(s)
        assert feed.read_new(s) == []
    assert {each.what for each in events} == {
        "check", "DETECTION", "notification", "gone", "REST", "STOPPED", "OUTAGE", "watched",
    }  # fmt: skip
    lines = [render(each, 80).plain for each in events]
    assert all(len(line.split()) >= 4 for line in lines)
    change(Notification, Notification.id == message, state=State.DELIVERED)
    with session() as s:
        assert [each.word for each in feed.read_new(s)] == ["delivered"]


def test_the_demo_ends_with_the_first_detection_told_on_every_channel() -> None:
    begun = clock() - MINUTE
    seen = announce(provider="sendgrid")
    with session() as s:
        assert find_arrival(s, begun) == []
    for channel in (Channel.SMS, Channel.TELEGRAM):
        add_slot_message(clock(), 1, seen.owner, seen.match, channel=channel, provider="twilio")
    with session() as s:
        found = find_arrival(s, begun)
    console = Console(record=True, width=120)
    summarise(console, found)
    assert "email         accepted by sendgrid, " in console.export_text()
