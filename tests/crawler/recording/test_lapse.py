from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from api.models.base import engine, session
from api.models.desk import DeskState
from api.models.slot import GoneReason, SlotRow
from crawler.recording.lapse import close_unproven
from tests.crawler.checks import NOW

pytestmark = pytest.mark.usefixtures("database")


def open_slot(
    proven: timedelta, wished: float | None = 60, feasible: float | None = 30, seen: timedelta | None = None
) -> None:
    """Open a slot at a desk that was proven so long ago (its slot seen then, unless `seen` says otherwise)."""
    at = NOW - (proven if seen is None else seen)
    with session() as rows:
        rows.add(
            DeskState(id="a", last_proven_at=NOW - proven, wished_seconds=wished, feasible_seconds=feasible)
        )
        rows.flush()
        rows.add(
            SlotRow(
                desk_id="a",
                place_key="1",
                moment="open",
                url="http://127.77.0.91/",
                opened_at=at,
                seen_at=at,
            )
        )


def lapse(now: datetime = NOW) -> int:
    with session() as rows:
        return close_unproven(rows, now)


def reason() -> GoneReason | None:
    with session() as rows:
        (slot,) = rows.query(SlotRow)
        return slot.gone_reason


@pytest.mark.parametrize(
    ("minutes", "wished", "feasible", "lapsed"),
    [
        (9, 60, 30, False),
        (10, 60, 30, True),
        (10, None, None, True),
        (14, 60, 180, False),
        (15, 60, 180, True),
        (9, 6 * 3600, 30, False),
        (10, 6 * 3600, 30, True),
    ],
)
def test_slots_lapse_after_ten_minutes_and_five_intervals_or_ten_minutes_where_nobody_waits(
    minutes: int, wished: float | None, feasible: float | None, lapsed: bool
) -> None:
    open_slot(timedelta(minutes=minutes), wished, feasible)
    assert lapse() == lapsed
    assert reason() is (GoneReason.LAPSED if lapsed else None)
    assert lapse() == 0


def test_a_desk_that_is_proven_keeps_a_slot_that_its_readings_do_not_reach() -> None:
    open_slot(timedelta(minutes=1), seen=timedelta(hours=1))
    assert lapse() == 0


def test_the_period_is_a_setting(settings_env: Callable[..., None]) -> None:
    open_slot(timedelta(seconds=6), wished=1, feasible=1)
    assert lapse() == 0
    settings_env(LAPSE_SECONDS=6)
    assert lapse() == 1


def test_a_desk_that_is_being_written_is_left_to_the_next_look() -> None:
    open_slot(timedelta(hours=1))
    with engine().begin() as writer:
        writer.exec_driver_sql("UPDATE desks SET last_token = 9 WHERE id = 'a'")
        assert lapse() == 0
    assert lapse() == 1
