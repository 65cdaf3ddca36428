"""The live feed finds each event once; the demo ends when all three channels accepted."""

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from rich.console import Console

from api.models.alert import Alert
from api.models.base import session
from api.models.check import Check
from api.models.desk import DeskState, HostState, Outage, OutageReason
from api.models.notification import Match, Notification, Priority, State
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import CONTACT_CHANNELS, Channel, User
from configs.clock import clock
from configs.outcome import Outcome
from deploy.local.demo import arrival, summarise
from deploy.local.live_feed_events import (
    Event,
    HostRest,
    LiveFeed,
    OutageBegan,
    OutageEnded,
    SlotsGone,
    WatchStop,
)

DESK = "evry-courcouronnes_91/naturalisation"
OTHER = "cergy_95/titre-sejour-remise"
HOST = "127.77.0.94:8800"
MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.usefixtures("database")


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


def test_each_row_is_shown_once() -> None:
    feed = LiveFeed(since=clock() - timedelta(seconds=5))
    told([Channel.EMAIL])
    with session() as s:
        s.add(check(clock()))
    with session() as s:
        shown = [type(row) for row in feed.new_events(s)]
        again = feed.new_events(s)
    assert shown == [Detection, Notification, Check]
    assert again == []


def test_a_notification_is_shown_again_in_its_new_state() -> None:
    feed = LiveFeed(since=clock() - timedelta(seconds=5))
    told([Channel.SMS])
    with session() as s:
        feed.new_events(s)
        s.scalars(sa.select(Notification)).one().state = State.DELIVERED
    with session() as s:
        assert [row.state for row in feed.new_events(s) if isinstance(row, Notification)] == [State.DELIVERED]


def test_what_cannot_come_up_again_is_forgotten() -> None:
    begin = clock()
    feed = LiveFeed(since=begin)
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


def test_two_channels_are_no_arrival() -> None:
    now = told([Channel.EMAIL, Channel.SMS])
    with session() as s:
        assert arrival(s, now) is None


def test_three_channels_are_an_arrival_with_a_summary() -> None:
    now = told(list(CONTACT_CHANNELS))
    out = StringIO()
    with session() as s:
        found = arrival(s, now)
    assert found
    summarise(Console(file=out, width=200), found)
    assert "1 slot: Naturalisation" in out.getvalue()
    assert "Tue 01 Dec 10:00  Guichet A" in out.getvalue()
    assert out.getvalue().count("9 ms after the page was read") == 3


def test_what_was_seen_before_does_not_count() -> None:
    now = told(list(CONTACT_CHANNELS))
    with session() as s:
        assert arrival(s, now + timedelta(seconds=1)) is None


def seen_by(feed: LiveFeed) -> list[Event]:
    with session() as s:
        return feed.new_events(s)


def rests(until: datetime, at: datetime) -> None:
    with session() as s:
        s.merge(HostState(host=HOST, rests_until=until, rest_reason="the site refused us", updated_at=at))


def test_a_rest_is_shown_once_and_again_when_it_grows(frozen: time_machine.Traveller) -> None:
    feed, now = LiveFeed(), clock()
    rests(now + 5 * MINUTE, now)
    assert seen_by(feed) == [HostRest(now, HOST, now + 5 * MINUTE, "the site refused us")]
    frozen.shift(10)
    rests(now + 5 * MINUTE, clock())  # written for another reason
    assert seen_by(feed) == []
    rests(now + 10 * MINUTE, clock())
    assert seen_by(feed) == [HostRest(clock(), HOST, now + 10 * MINUTE, "the site refused us")]


def test_a_rest_that_is_over_is_nothing_new() -> None:
    feed, now = LiveFeed(), clock()
    rests(now - MINUTE, now)
    assert seen_by(feed) == []


def test_a_stopped_host_is_shown_with_the_operators_reason(frozen: time_machine.Traveller) -> None:
    feed, now = LiveFeed(), clock()
    with session() as s:
        s.add(HostState(host=HOST, stopped_at=now, stop_reason="they called us", updated_at=now))
    assert seen_by(feed) == [WatchStop(now, HOST, "they called us")]
    assert seen_by(feed) == []


def test_an_outage_begins_and_ends(frozen: time_machine.Traveller) -> None:
    feed, began = LiveFeed(), clock()
    with session() as s:
        s.add(DeskState(id=DESK))
        s.flush()
        s.add(Outage(desk_id=DESK, starts_at=began, reason=OutageReason.MAINTENANCE))
    assert seen_by(feed) == [OutageBegan(began, DESK, "maintenance")]
    frozen.shift(5 * MINUTE)
    with session() as s:
        s.scalars(sa.select(Outage)).one().ends_at = clock()
    assert seen_by(feed) == [OutageEnded(clock(), DESK, "maintenance", began)]
    assert seen_by(feed) == []


def test_an_outage_that_goes_on_for_another_reason_is_not_called_ended() -> None:
    feed, began = LiveFeed(), clock()
    with session() as s:
        s.add(DeskState(id=DESK))
        s.flush()
        s.add(Outage(desk_id=DESK, starts_at=began - MINUTE, ends_at=began, reason=OutageReason.CLOSED))
        s.add(Outage(desk_id=DESK, starts_at=began, reason=OutageReason.BLOCKED))
    assert seen_by(feed) == [OutageBegan(began, DESK, "blocked")]


def goes(*slots: tuple[str, GoneReason], opened: datetime) -> datetime:
    """Let slots go that were open for five minutes, the second opened a minute after the first; return when."""
    went = opened + 5 * MINUTE
    with session() as s:
        for desk in {desk for desk, _ in slots}:
            s.merge(DeskState(id=desk))
        s.flush()
        for number, (desk, reason) in enumerate(slots):
            s.add(_slot(desk, number, opened + number * MINUTE, gone_reason=reason, gone_at=went))
    return went


def covered(desk: str, at: datetime) -> None:
    with session() as s:
        s.get_one(DeskState, desk).whole_at = at


def _slot(desk: str, number: int, opened: datetime, **gone: Any) -> SlotRow:
    return SlotRow(
        desk_id=desk, place_key=str(number), moment="2026-12-01", url="http://x", opened_at=opened,
        seen_at=opened, **gone,
    )  # fmt: skip


def test_slots_that_went_together_are_one_line(frozen: time_machine.Traveller) -> None:
    feed, opened = LiveFeed(), clock()
    past, lapsed = GoneReason.PAST, GoneReason.LAPSED
    at = goes((DESK, past), (DESK, past), (DESK, lapsed), (OTHER, lapsed), opened=opened)
    gone = [
        SlotsGone(at, DESK, past, 2, opened),
        SlotsGone(at, DESK, lapsed, 1, opened + 2 * MINUTE),
        SlotsGone(at, OTHER, lapsed, 1, opened + 3 * MINUTE),
    ]
    assert sorted(map(str, seen_by(feed))) == sorted(map(str, gone))
    assert seen_by(feed) == []


@pytest.mark.rule("4.12")
def test_slots_that_a_page_does_not_show_are_gone_when_it_has_not_shown_them_twice(
    frozen: time_machine.Traveller,
) -> None:
    feed, opened = LiveFeed(), clock()
    at = goes((DESK, GoneReason.TAKEN), (DESK, GoneReason.TAKEN), opened=opened)
    covered(DESK, at)  # by the check that missed them
    frozen.move_to(at)
    assert seen_by(feed) == []
    frozen.shift(60 * MINUTE)
    assert seen_by(feed) == []
    covered(DESK, clock())
    assert seen_by(feed) == [SlotsGone(at, DESK, GoneReason.TAKEN, 2, opened)]
    assert seen_by(feed) == []


@pytest.mark.rule("4.12")
def test_a_slot_that_a_page_shows_again_is_not_gone(frozen: time_machine.Traveller) -> None:
    feed, opened = LiveFeed(), clock()
    at = goes((DESK, GoneReason.TAKEN), (DESK, GoneReason.TAKEN), (OTHER, GoneReason.TAKEN), opened=opened)
    assert seen_by(feed) == []
    with session() as s:
        s.add_all([_slot(DESK, 0, at + MINUTE), _slot(OTHER, 2, at + MINUTE)])
    covered(DESK, at + MINUTE)
    covered(OTHER, at + MINUTE)
    assert seen_by(feed) == [SlotsGone(at, DESK, GoneReason.TAKEN, 1, opened + MINUTE)]
    assert seen_by(feed) == []
