from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from api.models.slot import Detection
from notifier.matching import WantedSlots
from notifier.notification_writer import MatchResult, next_nudge, short_hash

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def test_each_nudge_waits_longer_than_the_one_before_up_to_a_limit() -> None:
    waits = [(next_nudge(NOW, times) - NOW).total_seconds() for times in range(10)]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_row_that_was_nudged_for_years_still_has_a_next_time() -> None:
    assert next_nudge(NOW, 10**6) == NOW + timedelta(seconds=300)


@given(st.lists(st.integers(1), min_size=1))
def test_a_set_of_slots_has_one_name_in_any_order(slots: list[int]) -> None:
    assert short_hash(slots) == short_hash([*reversed(slots), slots[0]])


def test_late_telling_is_told_apart_by_its_slots_its_alerts_and_its_time() -> None:
    wish = WantedSlots(uuid4(), uuid4(), 1, None, (1, 2))
    other = WantedSlots(wish.alert_id, wish.user_id, 1, None, (1, 3))
    second = WantedSlots(uuid4(), wish.user_id, 1, None, (1, 2))
    seen = Detection(id=uuid4())
    prompt = MatchResult(seen, [wish], [], NOW)
    late = MatchResult(seen, [wish], [], NOW, late=True)
    assert prompt.key([wish], NOW) == prompt.key([other], NOW) == f"slot:{seen.id}"
    keys = {late.key([each], NOW) for each in (wish, other, second)} | {
        late.key([wish], NOW + timedelta(seconds=1))
    }
    assert len(keys - {prompt.key([wish], NOW)}) == 4
    assert late.key([second, wish], NOW) == late.key([wish, second], NOW)
