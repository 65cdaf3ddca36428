"""Quiet hours and digests in the user's zone: nights, both clock changes, zones that do not exist."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from api.models.base import session
from api.models.notification import HeldFor, State
from api.models.user import SlotRhythm, User
from configs.ground.message_groups import SWITCHABLE, MessageGroup
from configs.world.desk import zone_or_home
from notifier.content.message_kind_base import Skip
from notifier.delivery.reader_wishes import MessageTimes, read_times
from tests.in_turn import in_turn
from tests.notifier.world import change, person

PARIS = ZoneInfo("Europe/Paris")
NIGHT = (time(22), time(7))
DESK, SLOTS = MessageGroup.DESK, MessageGroup.SLOTS


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def paris(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


def quiet_until(at: datetime, quiet: tuple[time, time] = NIGHT, zone: ZoneInfo = PARIS) -> datetime | None:
    hold = MessageTimes(zone, quiet=quiet).find_hold(DESK, at, at)
    assert hold is None or hold.held_for is HeldFor.QUIET_HOURS
    return hold.until if hold else None


def digest_of(
    at: datetime, rhythm: SlotRhythm, digest_at: time = time(7), zone: ZoneInfo = PARIS
) -> datetime:
    hold = MessageTimes(zone, rhythm, digest_at).find_hold(SLOTS, at, at)
    assert hold is not None
    assert hold.until is not None
    assert hold.held_for is HeldFor.DIGEST
    return hold.until


@in_turn(
    "at, until",
    [
        ("2026-11-20T21:59:59", None),
        ("2026-11-20T22:00:00", "2026-11-21T07:00"),
        ("2026-11-21T00:00:00", "2026-11-21T07:00"),
        ("2026-11-21T06:59:59", "2026-11-21T07:00"),
        ("2026-11-21T07:00:00", None),
    ],
)
def test_quiet_hours_last_from_one_day_to_the_next(at: str, until: str | None) -> None:
    assert quiet_until(paris(at)) == (paris(until) if until else None)


@in_turn("at, held", [("11:59", False), ("12:00", True), ("13:59", True), ("14:00", False)])
def test_quiet_hours_can_lie_within_a_day(at: str, held: bool) -> None:
    noon = (time(12), time(14))
    assert quiet_until(paris(f"2026-11-20T{at}"), noon) == (paris("2026-11-20T14:00") if held else None)


@in_turn(
    "begins, ends, hours",
    [
        ("2026-03-28T21:00", "2026-03-29T05:00", 8),  # the night of the change in spring is an hour shorter
        ("2026-10-24T20:00", "2026-10-25T06:00", 10),  # that in autumn an hour longer
        ("2026-11-20T21:00", "2026-11-21T06:00", 9),
    ],
)
def test_quiet_hours_keep_the_local_time_over_clock_changes(begins: str, ends: str, hours: int) -> None:
    assert utc(ends) - utc(begins) == timedelta(hours=hours)
    at = utc(begins)
    assert quiet_until(at - timedelta(seconds=1)) is None
    while at < utc(ends):
        assert quiet_until(at) == utc(ends)
        at += timedelta(minutes=20)
    assert quiet_until(utc(ends)) is None


def test_quiet_hours_that_end_in_an_hour_that_comes_twice_end_with_its_second() -> None:
    late = (time(22), time(2, 30))
    second = utc("2026-10-25T01:30")  # 2:30 by winter time
    for at in ("2026-10-25T00:29", "2026-10-25T00:31", "2026-10-25T01:29"):
        assert quiet_until(utc(at), late) == second
    assert quiet_until(second, late) is None


def test_quiet_hours_that_end_in_an_hour_that_is_skipped_end_after_it() -> None:
    late = (time(22), time(2, 30))
    assert quiet_until(utc("2026-03-29T00:30"), late) == utc("2026-03-29T01:30")  # 3:30 by summer time


@in_turn(
    "at, leaves",
    [
        ("2026-03-28T12:00", "2026-03-29T05:00"),  # 7:00 by summer time
        ("2026-10-24T12:00", "2026-10-25T06:00"),  # 7:00 by winter time
        ("2026-11-20T05:59", "2026-11-20T06:00"),
        ("2026-11-20T06:00", "2026-11-21T06:00"),  # at 7:00 sharp it is too late for this one
    ],
)
def test_a_daily_digest_keeps_the_local_time_over_clock_changes(at: str, leaves: str) -> None:
    assert digest_of(utc(at), SlotRhythm.DAILY) == utc(leaves)


def test_a_daily_digest_leaves_once_in_an_hour_that_comes_twice_and_late_in_one_that_is_skipped() -> None:
    half = time(2, 30)
    first = digest_of(utc("2026-10-24T12:00"), SlotRhythm.DAILY, half)
    assert first == utc("2026-10-25T00:30")
    assert digest_of(first, SlotRhythm.DAILY, half) == utc("2026-10-26T01:30")
    assert digest_of(utc("2026-03-28T12:00"), SlotRhythm.DAILY, half) == utc("2026-03-29T01:30")


@in_turn(
    "zone, at, leaves",
    [
        ("Europe/Paris", "2026-11-20T10:00:01", "2026-11-20T11:00"),
        ("Europe/Paris", "2026-11-20T10:00:00", "2026-11-20T11:00"),
        ("Asia/Kolkata", "2026-11-20T10:00:00", "2026-11-20T10:30"),  # 16:00 there
        ("Europe/Paris", "2026-10-25T00:59:59", "2026-10-25T01:00"),
        ("Europe/Paris", "2026-10-25T01:00:00", "2026-10-25T02:00"),
        ("Europe/Paris", "2026-03-29T00:59:59", "2026-03-29T01:00"),
    ],
)
def test_an_hourly_digest_leaves_at_the_full_hour_of_its_reader(zone: str, at: str, leaves: str) -> None:
    assert digest_of(utc(at), SlotRhythm.HOURLY, zone=ZoneInfo(zone)) == utc(leaves)


def test_a_digest_that_is_due_leaves_also_much_later() -> None:
    times, seen = MessageTimes(PARIS, SlotRhythm.DAILY), paris("2026-11-20T03:00")
    assert times.find_hold(SLOTS, seen, paris("2026-11-20T06:59")) == Skip(
        State.PENDING, "", paris("2026-11-20T07:00"), HeldFor.DIGEST
    )
    assert times.find_hold(SLOTS, seen, paris("2026-11-20T07:00")) is None
    assert times.find_hold(SLOTS, seen, paris("2026-11-25T03:00")) is None


def test_slot_alerts_pass_quiet_hours_unless_their_reader_says_otherwise() -> None:
    at = paris("2026-11-20T23:00")
    times = MessageTimes(PARIS, quiet=NIGHT)
    held = {group for group in MessageGroup if times.find_hold(group, at, at)}
    assert held == SWITCHABLE - {SLOTS}
    times = MessageTimes(PARIS, quiet=NIGHT, quiet_slots=True)
    assert {group for group in MessageGroup if times.find_hold(group, at, at)} == SWITCHABLE


def test_a_digest_within_quiet_hours_waits_for_their_end_where_slot_alerts_do() -> None:
    at = paris("2026-11-20T20:00")
    for waits, until in ((False, "2026-11-21T05:00"), (True, "2026-11-21T07:00")):
        times = MessageTimes(PARIS, SlotRhythm.DAILY, time(5), NIGHT, quiet_slots=waits)
        hold = times.find_hold(SLOTS, at, at)
        assert hold
        assert hold.until == paris(until)


@in_turn("name", ["Europe/Nowhere", "", "../../etc/passwd", "Europe", "\N{SNOWMAN}", "x" * 300])
def test_a_zone_that_does_not_exist_is_that_of_paris(name: str) -> None:
    assert zone_or_home(name) == PARIS


@pytest.mark.usefixtures("database")
def test_what_a_user_chose_is_read_and_nothing_where_nothing_was_chosen() -> None:
    who = person()

    def read() -> MessageTimes | None:
        with session() as s:
            return read_times(s.get_one(User, who.id))

    assert read() is None
    change(User, who.id, quiet_from=NIGHT[0], quiet_until=NIGHT[1], time_zone="Europe/Nowhere")
    assert read() == MessageTimes(PARIS, quiet=NIGHT)
    change(User, who.id, slot_rhythm=SlotRhythm.DAILY, digest_at=time(18, 30), quiet_slots=True)
    assert read() == MessageTimes(PARIS, SlotRhythm.DAILY, time(18, 30), NIGHT, quiet_slots=True)
