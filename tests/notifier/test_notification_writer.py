from datetime import UTC, datetime, timedelta
from uuid import uuid4

from api.models.slot import Detection
from notifier.matching.notification_writer import MatchResult, next_nudge
from notifier.matching.queries import WantedSlots

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def test_each_nudge_waits_longer_than_the_one_before_up_to_a_limit() -> None:
    waits = [(next_nudge(NOW, times) - NOW).total_seconds() for times in range(10)]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_row_that_was_nudged_for_years_still_has_a_next_time() -> None:
    assert next_nudge(NOW, 10**6) == NOW + timedelta(seconds=300)


def test_late_telling_is_told_apart_by_its_slots_its_alerts_and_its_time() -> None:
    wish = WantedSlots(uuid4(), uuid4(), 1, None, (1, 2))
    other = WantedSlots(wish.alert_id, wish.user_id, 1, None, (1, 3))
    second = WantedSlots(uuid4(), wish.user_id, 1, None, (1, 2))
    seen = Detection(id=uuid4())
    prompt = MatchResult(seen, [wish], [], NOW)
    late = MatchResult(seen, [wish], [], NOW, late=True)

    def key(result: MatchResult, *wishes: WantedSlots, at: datetime = NOW) -> str:
        return result.keys({wish.user_id: wishes}, at)[wish.user_id]

    assert key(prompt, wish) == key(prompt, other) == f"slot:{seen.id}"
    keys = {key(late, each) for each in (wish, other, second)} | {
        key(late, wish, at=NOW + timedelta(seconds=1))
    }
    assert len(keys - {key(prompt, wish)}) == 4
    assert key(late, second, wish) == key(late, wish, second)
