"""Hosts left alone, outages and gone slots come up once, with what a person wants to know of them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine

from api.models.base import session
from api.models.desk import DeskState, HostState, Outage, OutageReason
from api.models.slot import GoneReason, SlotRow
from configs.clock import clock
from deploy.local.feed import Event, Feed
from deploy.local.watch_events import Gone, OutageBegan, OutageEnded, Rest, WatchStop

DESK, OTHER = "creteil_94/naturalisation", "cergy_95/titre-sejour-remise"
HOST = "127.77.0.94:8800"
MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.usefixtures("database")


def seen_by(feed: Feed) -> list[Event]:
    with session() as s:
        return feed.new_events(s)


def rests(until: datetime, at: datetime) -> None:
    with session() as s:
        s.merge(HostState(host=HOST, rests_until=until, rest_reason="the site refused us", updated_at=at))


def test_a_rest_is_shown_once_and_again_when_it_grows(frozen: time_machine.Traveller) -> None:
    feed, now = Feed(), clock()
    rests(now + 5 * MINUTE, now)
    assert seen_by(feed) == [Rest(now, HOST, now + 5 * MINUTE, "the site refused us")]
    frozen.shift(10)
    rests(now + 5 * MINUTE, clock())  # written for another reason
    assert seen_by(feed) == []
    rests(now + 10 * MINUTE, clock())
    assert seen_by(feed) == [Rest(clock(), HOST, now + 10 * MINUTE, "the site refused us")]


def test_a_rest_that_is_over_is_nothing_new() -> None:
    feed, now = Feed(), clock()
    rests(now - MINUTE, now)
    assert seen_by(feed) == []


def test_a_stopped_host_is_shown_with_the_operators_reason(frozen: time_machine.Traveller) -> None:
    feed, now = Feed(), clock()
    with session() as s:
        s.add(HostState(host=HOST, stopped_at=now, stop_reason="they called us", updated_at=now))
    assert seen_by(feed) == [WatchStop(now, HOST, "they called us")]
    assert seen_by(feed) == []


def test_an_outage_begins_and_ends(frozen: time_machine.Traveller) -> None:
    feed, began = Feed(), clock()
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
    feed, began = Feed(), clock()
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
    feed, opened = Feed(), clock()
    past, lapsed = GoneReason.PAST, GoneReason.LAPSED
    at = goes((DESK, past), (DESK, past), (DESK, lapsed), (OTHER, lapsed), opened=opened)
    gone = [
        Gone(at, DESK, past, 2, opened),
        Gone(at, DESK, lapsed, 1, opened + 2 * MINUTE),
        Gone(at, OTHER, lapsed, 1, opened + 3 * MINUTE),
    ]
    assert sorted(map(str, seen_by(feed))) == sorted(map(str, gone))
    assert seen_by(feed) == []


@pytest.mark.rule("4.12")
def test_slots_that_a_page_does_not_show_are_gone_when_it_has_not_shown_them_twice(
    frozen: time_machine.Traveller,
) -> None:
    feed, opened = Feed(), clock()
    at = goes((DESK, GoneReason.TAKEN), (DESK, GoneReason.TAKEN), opened=opened)
    covered(DESK, at)  # by the check that missed them
    frozen.move_to(at)
    assert seen_by(feed) == []
    frozen.shift(60 * MINUTE)
    assert seen_by(feed) == []
    covered(DESK, clock())
    assert seen_by(feed) == [Gone(at, DESK, GoneReason.TAKEN, 2, opened)]
    assert seen_by(feed) == []


@pytest.mark.rule("4.12")
def test_a_slot_that_a_page_shows_again_is_not_gone(frozen: time_machine.Traveller) -> None:
    feed, opened = Feed(), clock()
    at = goes((DESK, GoneReason.TAKEN), (DESK, GoneReason.TAKEN), (OTHER, GoneReason.TAKEN), opened=opened)
    assert seen_by(feed) == []
    with session() as s:
        s.add_all([_slot(DESK, 0, at + MINUTE), _slot(OTHER, 2, at + MINUTE)])
    covered(DESK, at + MINUTE)
    covered(OTHER, at + MINUTE)
    assert seen_by(feed) == [Gone(at, DESK, GoneReason.TAKEN, 1, opened + MINUTE)]
    assert seen_by(feed) == []
