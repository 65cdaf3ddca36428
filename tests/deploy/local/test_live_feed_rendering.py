"""The feed's lines: the same columns for all, within the terminal."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.models.check import Check
from api.models.notification import Notification, State
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import Channel
from configs.desk import WatchLevel
from configs.outcome import Outcome
from configs.prefecture import desks
from deploy.local.live_feed_events import Event, HostRest, OutageBegan, OutageEnded, SlotsGone, WatchStop
from deploy.local.live_feed_rendering import format_moment, heading, render_event

DESK = "evry-courcouronnes_91/naturalisation"
LONGEST = "evry-courcouronnes_91/titre-sejour-renouvellement"
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def check(**given: Any) -> Check:
    return Check(**{
        "started_at": NOW, "desk_id": DESK, "outcome": Outcome.NO_SLOTS, "milliseconds": 12,
        "evidence": "Il n'existe plus de plage horaire libre pour votre demande", **given,
    })  # fmt: skip


def slot(**given: Any) -> SlotRow:
    return SlotRow(**{"desk_id": DESK, "moment": "2026-12-01T09:00:00+00:00", "place_key": "1", **given})


def detection(*slots: SlotRow) -> Detection:
    return Detection(
        desk_id=DESK, seen_at=NOW, committed_at=NOW + timedelta(milliseconds=4), slots=list(slots)
    )


def notification(**given: Any) -> Notification:
    return Notification(**{
        "channel": Channel.TELEGRAM, "kind": "slot_detected", "state": State.SENT, "seen_at": NOW,
        "accepted_at": NOW + timedelta(milliseconds=77), **given,
    })  # fmt: skip


ROWS: list[Event] = [
    check(),
    check(desk_id=LONGEST, outcome=Outcome.RATE_LIMITED),
    detection(slot()),
    notification(),
]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("width", [80, 100, 120, 170])
def test_every_line_fits_its_terminal_and_ends_its_milliseconds_in_one_column(row: Event, width: int) -> None:
    line = render_event(row, width).plain
    assert len(line) <= width
    assert line.index(" ms") == render_event(ROWS[0], width).plain.index(" ms")
    assert heading(width).plain.index(" ms") == line.index(" ms")


def test_a_terminal_too_narrow_for_anything_still_shows_the_desk() -> None:
    assert "bobigny_93/titre-sejour" in render_event(check(desk_id="bobigny_93/titre-sejour"), 20).plain


def test_a_check_says_desk_outcome_milliseconds_and_evidence() -> None:
    text = render_event(check(), 170).plain
    assert all(part in text for part in (DESK, "no_slots", "12 ms", "Il n'existe plus de plage"))


def test_a_narrow_terminal_keeps_outcome_and_milliseconds() -> None:
    text = render_event(check(desk_id=LONGEST), 80).plain
    assert all(part in text for part in ("evry-courcouronnes_91/titre-sejour-", "no_slots", "12 ms"))
    assert "Il n'existe" not in text


def test_a_detection_says_how_many_and_the_first_in_the_desks_time() -> None:
    first = slot(starts_at=datetime(2026, 12, 1, 9, tzinfo=UTC))
    assert "1 slot " in render_event(detection(first), 120).plain
    assert "2 slots " in render_event(detection(first, slot()), 120).plain
    assert "4 ms  first Tue 01 Dec 10:00" in render_event(detection(first), 120).plain


def test_a_slot_without_an_hour_is_shown_as_the_page_gave_it() -> None:
    assert format_moment(slot(moment="open")) == "open"


def test_a_desk_that_left_the_files_still_has_a_time() -> None:
    gone = slot(desk_id="atlantis_99/x", starts_at=datetime(2026, 12, 1, 9, tzinfo=UTC))
    assert format_moment(gone) == "Tue 01 Dec 10:00"


def test_a_notification_says_its_delay_since_the_page_was_read() -> None:
    assert "77 ms  after the page was read" in render_event(notification(), 170).plain


def test_a_failed_notification_says_why_and_no_delay() -> None:
    row = notification(state=State.FAILED, reason="no such number", failed_at=NOW, accepted_at=None)
    text = render_event(row, 170).plain
    assert "failed" in text
    assert "no such number" in text
    assert " ms" not in text


def test_a_message_that_is_no_slot_alert_has_no_delay() -> None:
    row = notification(kind="verify_email", seen_at=None)
    assert " ms" not in render_event(row, 170).plain


HOST = "127.77.0.94:8800"
AGO = NOW - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            HostRest(NOW, HOST, NOW + timedelta(minutes=5), "the site refused us"),
            ("REST", HOST, "5 min", "refused us"),
        ),
        (WatchStop(NOW, HOST, "they called us"), ("STOPPED", HOST, "by operator", "they called us")),
        (OutageBegan(NOW, DESK, "rate_limited"), ("OUTAGE", DESK, "rate_limited", "not watched from now on")),
        (OutageEnded(NOW, DESK, "captcha", AGO), ("watched", DESK, "again", "5 min", "it was captcha")),
        (SlotsGone(NOW, DESK, GoneReason.LAPSED, 2, AGO), ("gone", DESK, "2 slots", "5 min", "lapsed")),
    ],
)
def test_a_turn_says_what_where_why_and_how_long(event: Event, said: tuple[str, ...]) -> None:
    line = render_event(event, 170).plain
    assert all(part in line for part in said)
    assert [len(render_event(event, width).plain) <= width for width in (80, 100, 120)] == [True] * 3


def test_of_a_captcha_that_always_stands_there_the_check_says_what_is_seen_at_all() -> None:
    behind = next(desk.id for desk in desks().values() if desk.watch is WatchLevel.PRESENCE)
    usual, other, elsewhere = (
        render_event(check(desk_id=desk, outcome=outcome, evidence="its evidence"), 170).plain
        for desk, outcome in (
            (behind, Outcome.CAPTCHA),
            (behind, Outcome.BLOCKED),
            (DESK, Outcome.CAPTCHA),
        )
    )
    assert "as always: its slots stand behind a captcha" in usual
    assert "its evidence" in other
    assert "its evidence" in elsewhere


def test_a_rest_says_until_when() -> None:
    until = NOW + timedelta(minutes=5)
    line = render_event(HostRest(NOW, HOST, until, "the site refused us"), 80).plain
    assert f"to {until.astimezone():%H:%M:%S}" in line
