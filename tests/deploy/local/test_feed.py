"""The feed finds each thing once; the demo ends when all three channels accepted."""

from datetime import datetime, timedelta
from io import StringIO

import pytest
import sqlalchemy as sa
import time_machine
from rich.console import Console

from api.models.alert import Alert
from api.models.base import session
from api.models.check import Check
from api.models.desk import DeskState
from api.models.notification import Match, Notification, Priority, State
from api.models.slot import Detection, SlotRow
from api.models.user import Channel, User
from configs.clock import clock
from configs.outcome import Outcome
from deploy.local.demo import arrival, summarise
from deploy.local.feed import Feed

DESK = "evry-courcouronnes_91/naturalisation"


def check(at: datetime) -> Check:
    return Check(
        started_at=at, desk_id=DESK, outcome=Outcome.NO_SLOTS, evidence="Il n'existe plus de plage", milliseconds=12,
        requests=2, slots_seen=0, covered=[], process="test",
    )  # fmt: skip


def detection(at: datetime) -> Detection:
    slot = SlotRow(
        desk_id=DESK, place_key="1", place_label="Guichet A", moment="2026-12-01T09:00:00+00:00", url="http://x",
        starts_at=datetime.fromisoformat("2026-12-01T09:00:00+00:00"), opened_at=at, seen_at=at,
    )  # fmt: skip
    return Detection(
        desk_id=DESK, prefecture_id="evry-courcouronnes_91", procedures=["NATURALISATION"], label="Naturalisation",
        booking_url="http://x", seen_at=at, committed_at=at, slots=[slot],
    )  # fmt: skip


def notification(user: User, match: Match, channel: Channel, at: datetime) -> Notification:
    return Notification(
        user_id=user.id, channel=channel, kind="slot_detected", priority=Priority.CRITICAL, dedupe_key=channel,
        state=State.SENT, next_attempt_at=at, next_nudge_at=at, provider="stand-in", seen_at=at,
        accepted_at=at + timedelta(milliseconds=9), matches=[match],
    )  # fmt: skip


def told(channels: list[Channel]) -> datetime:
    """Write a detection of now, told on these channels; return its instant."""
    now = clock()
    with session() as s:
        user = User(email="a@example.org")
        s.add_all([DeskState(id=DESK), user])
        s.flush()
        seen, alert = detection(now), Alert(user_id=user.id)
        s.add_all([seen, alert])
        s.flush()
        match = Match(alert_id=alert.id, detection_id=seen.id, limits_version=1, decided_at=now)
        s.add_all([notification(user, match, channel, now) for channel in channels])
    return now


@pytest.mark.usefixtures("database")
def test_each_row_is_shown_once() -> None:
    feed = Feed(since=clock() - timedelta(seconds=5))
    told([Channel.EMAIL])
    with session() as s:
        s.add(check(clock()))
    with session() as s:
        shown = [type(row) for row in feed.new_events(s)]
        again = feed.new_events(s)
    assert shown == [Detection, Notification, Check]
    assert again == []


@pytest.mark.usefixtures("database")
def test_a_notification_is_shown_again_in_its_new_state() -> None:
    feed = Feed(since=clock() - timedelta(seconds=5))
    told([Channel.SMS])
    with session() as s:
        feed.new_events(s)
        s.scalars(sa.select(Notification)).one().state = State.DELIVERED
    with session() as s:
        assert [row.state for row in feed.new_events(s) if isinstance(row, Notification)] == [State.DELIVERED]


@pytest.mark.usefixtures("database")
def test_what_cannot_come_up_again_is_forgotten() -> None:
    begin = clock()
    feed = Feed(since=begin)
    with time_machine.travel(begin, tick=False) as traveller:
        for _ in range(3):
            with session() as s:
                s.add(check(clock()))
            with session() as s:
                assert len(feed.new_events(s)) == 1
            traveller.shift(60)
        with session() as s:
            assert feed.new_events(s) == []
    assert feed._shown == {}


@pytest.mark.usefixtures("database")
def test_two_channels_are_no_arrival() -> None:
    now = told([Channel.EMAIL, Channel.SMS])
    with session() as s:
        assert arrival(s, now) is None


@pytest.mark.usefixtures("database")
def test_three_channels_are_an_arrival_with_a_summary() -> None:
    now = told(list(Channel))
    out = StringIO()
    with session() as s:
        found = arrival(s, now)
    assert found
    summarise(Console(file=out, width=200), found)
    assert "1 slot: Naturalisation" in out.getvalue()
    assert "Tue 01 Dec 10:00  Guichet A" in out.getvalue()
    assert out.getvalue().count("9 ms after the page was read") == 3


@pytest.mark.usefixtures("database")
def test_what_was_seen_before_does_not_count() -> None:
    now = told(list(Channel))
    with session() as s:
        assert arrival(s, now + timedelta(seconds=1)) is None
