"""`slot_lives`: how long slots that were taken had been open, by desk, by platform, and together."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from api.background import jobs
from api.models.answer_figure import EVERY, SlotLife
from api.models.slot import GoneReason, SlotRow
from configs.world.prefecture import desks
from tests.api.world import PREFECTURES
from tests.factories import BOBIGNY, change, rows, see

pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")

MELUN = "melun_77/titre-sejour"
EIGHT = datetime(2026, 11, 20, 7, tzinfo=UTC)  # two hours before the clock's time
NOVEMBER = date(2026, 11, 1)


@pytest.fixture(autouse=True)
def _desks(settings_env: Callable[..., None]) -> None:
    """Read the desk files of the small world."""
    settings_env(PREFECTURES_DIR=PREFECTURES)


def take(
    *seconds: float, desk_id: str = BOBIGNY, opened: datetime = EIGHT, reason: GoneReason = GoneReason.TAKEN
) -> None:
    """Let slots open, and go after so many seconds each."""
    days = [f"2027-01-{number:02}" for number in range(1, len(seconds) + 1)]
    _, slots = see(*days, desk_id=desk_id, at=opened)
    for slot, lasted in zip(slots, seconds, strict=True):
        gone = {"gone_at": opened + timedelta(seconds=lasted), "gone_reason": reason}
        change(SlotRow, SlotRow.id == slot, **gone)


def lives() -> dict[tuple[date, str, str], tuple[int, list[float]]]:
    jobs.answer_figures()
    return {(each.month, each.platform, each.desk_id): (each.taken, each.seconds) for each in rows(SlotLife)}


def test_desks_platforms_and_all_have_their_quartiles() -> None:
    take(60, 120, 180, 240, 300)
    take(1000, desk_id=MELUN)
    found = lives()
    one, other = (desks()[each].platform for each in (BOBIGNY, MELUN))
    assert found[NOVEMBER, one, BOBIGNY] == (5, [120, 180, 240])
    assert found[NOVEMBER, other, MELUN] == (1, [1000, 1000, 1000])
    assert found[NOVEMBER, EVERY, EVERY][0] == 6
    assert sum(taken for (_, platform, desk), (taken, _) in found.items() if platform and not desk) == 6


@pytest.mark.parametrize("reason", [each for each in GoneReason if each is not GoneReason.TAKEN])
def test_only_slots_that_were_taken_count(reason: GoneReason) -> None:
    take(60, reason=reason)
    assert lives() == {}


def test_a_slot_counts_in_the_month_in_which_it_went(frozen: time_machine.Traveller) -> None:
    take(60, opened=datetime(2026, 10, 31, 23, 59, tzinfo=UTC))
    take(30, opened=datetime(2026, 10, 31, 23, 58, tzinfo=UTC))
    months = {month: taken for (month, platform, _), (taken, _) in lives().items() if not platform}
    assert months == {date(2026, 10, 1): 1, NOVEMBER: 1}


def test_what_went_within_the_hour_is_not_known_to_the_public(frozen: time_machine.Traveller) -> None:
    take(3600)
    assert lives() == {}
    frozen.shift(1)
    assert lives() != {}


def test_a_repetition_writes_the_same_and_a_later_run_what_came_late(frozen: time_machine.Traveller) -> None:
    take(60)
    assert lives() == lives()
    frozen.move_to("2026-12-01T12:00:00+00:00")
    take(60, desk_id=MELUN, opened=datetime(2026, 11, 30, 23, tzinfo=UTC))
    assert lives()[NOVEMBER, EVERY, EVERY][0] == 2


def test_months_that_are_over_stay(frozen: time_machine.Traveller) -> None:
    take(60)
    before = lives()
    frozen.move_to("2027-03-01T12:00:00+00:00")
    assert lives() == before
