import datetime as dt
from datetime import timedelta

import pytest

from api.models.base import session
from api.models.desk import DeskState, DeskStatus
from api.models.discovery import Drift, DriftReason
from api.prefectures.desk_queries import WatchStates, read_watch_states
from configs.ground.clock import clock
from configs.world.outcome import Outcome
from configs.world.prefecture import Desk, Grade, Procedure, WatchLevel
from tests.factories import add_desk, change, save


def made(grade: Grade = Grade.CONFIRMED, watch: WatchLevel = WatchLevel.FULL) -> Desk:
    return Desk(
        prefecture_id="bobigny_93", slug="x", label="X", procedures=frozenset({Procedure.VISA}), platform="ezbooking",
        url="http://127.0.0.1/x", grade=grade, source="a test", date=dt.date(2026, 11, 20), watch=watch,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("desk", "status", "reason"),
    [
        (made(), DeskStatus.ACTIVE, "checked"),
        (made(watch=WatchLevel.PRESENCE), DeskStatus.ACTIVE, "checked"),
        (
            made(watch=WatchLevel.NONE),
            DeskStatus.PAUSED,
            "its page needs a login that we do not have",
        ),
        (made(grade=Grade.STALE), DeskStatus.PAUSED, "its address is very old, or known to be dead"),
        (made(grade=Grade.RETIRED), DeskStatus.PAUSED, "it does not exist any more"),
    ],
)
def test_what_cannot_be_watched_is_never_active(desk: Desk, status: DeskStatus, reason: str) -> None:
    state = DeskState(id=desk.id, status=DeskStatus.ACTIVE, status_reason="checked", inconclusive=0)
    answer = WatchStates({desk.id: state}, {}).build_answer(desk)
    assert (answer.status, answer.status_reason) == (status, reason)


def test_the_public_does_not_read_off_the_reason_whether_slots_are_open_now() -> None:
    desk, now = made(), clock()
    for text in ("watched: slots are open", "watched: no slot is open"):
        state = DeskState(
            id=desk.id, status=DeskStatus.ACTIVE, status_reason=text, inconclusive=0, last_check_at=now,
            last_proven_at=now,
        )  # fmt: skip
        seen = WatchStates({desk.id: state}, {})
        assert seen.build_public_answer(desk).status_reason == "watched"
        assert seen.build_answer(desk).status_reason == text


def test_the_public_reads_why_a_watched_desk_gives_no_answer() -> None:
    desk, now = made(), clock()
    state = DeskState(
        id=desk.id, status=DeskStatus.ACTIVE, status_reason="the site is overloaded", inconclusive=1,
        last_check_at=now, last_proven_at=now - timedelta(minutes=1),
    )  # fmt: skip
    assert (
        WatchStates({desk.id: state}, {}).build_public_answer(desk).status_reason == "the site is overloaded"
    )


def test_a_desk_without_a_row_was_not_checked_yet() -> None:
    answer = WatchStates({}, {}).build_answer(made())
    assert (answer.status, answer.status_reason) == (DeskStatus.PAUSED, "not checked yet")
    assert (answer.wished_interval, answer.last_checked_at, answer.consecutive_errors) == (None, None, 0)


def test_a_release_is_told_until_it_has_been() -> None:
    desk, now = made(), clock()
    for ahead, told in ((60, now + timedelta(seconds=60)), (-1, None)):
        state = DeskState(id=desk.id, inconclusive=0, releases_at=now + timedelta(seconds=ahead))
        assert WatchStates({desk.id: state}, {}).build_public_answer(desk).releases_at == told


def test_a_page_that_moved_promises_no_release_until_it_is_found(database: str) -> None:
    desk, now = made(), clock()
    at = now + timedelta(hours=1)
    add_desk(desk.id, inconclusive=0, releases_at=at)

    def promised() -> object:
        with session() as rows:
            return read_watch_states(rows, [desk]).build_public_answer(desk).releases_at

    save(Drift(desk_id=desk.id, reason=DriftReason.SILENT, detail="x", starts_at=now - timedelta(hours=1)))
    save(Drift(desk_id="bobigny_93/y", reason=DriftReason.SILENT, detail="x", starts_at=now))
    assert promised() is None
    change(Drift, ends_at=now)
    assert promised() == at
    add_desk(desk.id, last_outcome=Outcome.CLOSED)
    assert promised() is None
