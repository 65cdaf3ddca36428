"""`delivery_days`: totals of slot alerts per channel and day, the same when repeated, complete after an outage."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine

from api.background import delivery_day_totals, jobs
from api.models.base import new_id, session
from api.models.delivery_day import DeliveryDay
from api.models.notification import Notification, State
from api.models.slot import GoneReason, SlotRow
from api.models.user import Channel
from configs.ground.clock import clock
from tests.factories import NINE, add_alert, add_match, add_slot_message, add_user, change, rows, see

TODAY = date(2026, 11, 20)

pytestmark = pytest.mark.usefixtures("database", "frozen")


def days() -> dict[tuple[date, Channel], Any]:
    return {(row.day, row.channel): row for row in rows(DeliveryDay)}


def failed_alert(at: datetime, gone_at: datetime | None) -> None:
    """Write a slot alert that was refused for good ten seconds after its page was read."""
    user_id = add_user().id
    detection_id, slots = see("2026-12-01", "2026-12-02", at=at)
    match_id = add_match(add_alert(user_id), detection_id, slots)
    failed_at = at + timedelta(seconds=10)
    add_slot_message(at, None, user_id, match_id, state=State.FAILED, reason="refused", failed_at=failed_at)
    if gone_at:
        change(SlotRow, SlotRow.id.in_(slots), gone_at=gone_at, gone_reason=GoneReason.TAKEN)


def test_a_day_has_counts_and_percentiles_by_channel() -> None:
    for took in (1, 2, 3, 4, 100):
        add_slot_message(took=took)
    add_slot_message(took=0.5, channel=Channel.SMS)
    add_slot_message(took=None)  # still to be sent
    add_slot_message(kind="welcome")
    add_slot_message(committed_at=None)  # it catches up
    assert jobs.delivery_days() == {"days": 30, "rows": 2}
    mail, sms = days()[TODAY, Channel.EMAIL], days()[TODAY, Channel.SMS]
    assert (mail.accepted, mail.p50_seconds, mail.failed, mail.updated_at) == (5, 3, 0, clock())
    assert mail.p95_seconds == pytest.approx(80.8)
    assert (sms.accepted, sms.p50_seconds) == (1, 0.5)


def test_what_failed_counts_if_a_slot_of_it_was_open_then() -> None:
    failed_alert(NINE, None)
    failed_alert(NINE - timedelta(minutes=1), NINE - timedelta(seconds=49))
    failed_alert(NINE - timedelta(minutes=2), NINE - timedelta(seconds=111))
    gone: dict[str, Any] = {
        "state": State.EXPIRED,
        "reason": "slots gone",
        "failed_at": NINE + timedelta(minutes=1),
    }
    add_slot_message(took=None, attempts=3, **gone)
    add_slot_message(took=None, attempts=0, **gone)
    jobs.delivery_days()
    row = days()[TODAY, Channel.EMAIL]
    assert (row.accepted, row.p50_seconds, row.failed) == (0, None, 3)


def test_a_message_counts_on_the_utc_day_on_which_it_was_written() -> None:
    add_slot_message(datetime(2026, 11, 20, tzinfo=UTC))
    add_slot_message(datetime(2026, 11, 19, 23, 59, 59, 999999, tzinfo=UTC), took=600)
    jobs.delivery_days()
    assert {day: row.accepted for (day, _), row in days().items()} == {
        TODAY: 1,
        TODAY - timedelta(days=1): 1,
    }


def test_a_repetition_writes_the_same_and_what_is_accepted_later_is_added(
    frozen: time_machine.Traveller,
) -> None:
    late = add_slot_message(took=None)
    for _ in range(2):
        add_slot_message(took=1)
        jobs.delivery_days()
    assert days()[TODAY, Channel.EMAIL].accepted == 2
    frozen.shift(timedelta(hours=20))
    change(Notification, Notification.id == late, accepted_at=clock(), state="sent")
    assert jobs.delivery_days()["days"] == 3
    assert days()[TODAY, Channel.EMAIL].accepted == 3


def test_days_that_a_killed_run_left_are_summed_up_by_the_next(
    frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = [TODAY - timedelta(days=number) for number in (3, 2, 1, 0)]
    for day in every:
        add_slot_message(datetime(day.year, day.month, day.day, 8, tzinfo=UTC))
    real = delivery_day_totals.sum_day

    def die(s: Any, day: date, now: datetime) -> int:
        if day == every[2]:
            raise KeyboardInterrupt
        return real(s, day, now)

    with monkeypatch.context() as killing:
        killing.setattr(delivery_day_totals, "sum_day", die)
        with pytest.raises(KeyboardInterrupt):
            jobs.delivery_days()
    assert {day for day, _ in days()} == set(every[:2])
    frozen.shift(60)
    jobs.delivery_days()
    assert {day for day, _ in days()} == set(every)


def test_after_an_outage_the_days_since_then_are_made_up(frozen: time_machine.Traveller) -> None:
    add_slot_message()
    jobs.delivery_days()
    add_slot_message(NINE + timedelta(days=2))
    frozen.shift(timedelta(days=4))
    assert jobs.delivery_days()["days"] == 6
    assert (TODAY + timedelta(days=2), Channel.EMAIL) in days()


def test_the_slots_of_what_failed_are_found_by_their_ids() -> None:
    with session() as s:
        s.execute(sa.text("INSERT INTO desks (id) VALUES ('bobigny_93/titre-sejour')"))
        made = """INSERT INTO slots (desk_id, place_key, moment, url, opened_at, seen_at)
          SELECT 'bobigny_93/titre-sejour', 'p'||n, 'open', 'https://x.example/', now(), now()
          FROM generate_series(1, 5000) n"""
        s.execute(sa.text(made))
        s.execute(sa.text("ANALYZE slots"))
        given = {"first": new_id(), "last": new_id(), "day": TODAY, "begins": NINE, "ends": NINE, "now": NINE}
        explain = sa.text(f"EXPLAIN {delivery_day_totals._SUM.text}")
        plan = "\n".join(s.scalars(explain, given))
    assert "pk_slots" in plan
    assert "Seq Scan on slots" not in plan
