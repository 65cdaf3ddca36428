"""`delivery_figures`: counts and percentiles of each stage, for each combination of channel, provider, prefecture."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from api.background import jobs
from api.figures.deliveries import (
    RECEIPT_PROVIDERS,
)
from api.models.delivery_figure import ALL, NONE, DeliveryFigure
from api.models.notification import State
from api.models.slot import GoneReason, SlotRow
from api.models.user import Channel
from notifier.receipts.receiving import READERS
from tests.factories import BOBIGNY, NINE, add_alert, add_match, add_slot_message, add_user, change, rows, see

TODAY = date(2026, 11, 20)
MELUN = "melun_77/titre-sejour"

pytestmark = pytest.mark.usefixtures("database", "frozen")


def alert(
    took: float | None = 1, desk: str = BOBIGNY, provider: str | None = "sendgrid", **other: Any
) -> None:
    """Write a slot alert; `delivered` after so many seconds from its page on."""
    if (seconds := other.pop("delivered", None)) is not None:
        other |= {"state": State.DELIVERED, "delivered_at": NINE + timedelta(seconds=seconds)}
    add_slot_message(
        took=took, params={"desk_id": desk}, provider=provider if took is not None else None, **other
    )


def failed(state: State, **other: Any) -> None:
    alert(None, state=state, reason="refused", failed_at=NINE, **other)


def figures() -> dict[tuple[Channel, str, str], DeliveryFigure]:
    """Sum up; return today's rows."""
    jobs.sum_days()
    found = [row for row in rows(DeliveryFigure) if row.day == TODAY]
    return {(row.channel, row.provider, row.prefecture_id): row for row in found}


def test_each_combination_has_a_row() -> None:
    alert()
    alert(provider="smtp")
    alert(desk=MELUN)
    alert(None)
    alert(channel=Channel.SMS, provider="twilio")
    found = {(channel.value, *key): row.messages for (channel, *key), row in figures().items()}
    assert found == {
        ("email", ALL, ALL): 4, ("email", ALL, "bobigny_93"): 3, ("email", ALL, "melun_77"): 1,
        ("email", "sendgrid", ALL): 2, ("email", "sendgrid", "bobigny_93"): 1, ("email", "sendgrid", "melun_77"): 1,
        ("email", "smtp", ALL): 1, ("email", "smtp", "bobigny_93"): 1,
        ("email", NONE, ALL): 1, ("email", NONE, "bobigny_93"): 1,
        ("sms", ALL, ALL): 1, ("sms", ALL, "bobigny_93"): 1, ("sms", "twilio", ALL): 1, ("sms", "twilio", "bobigny_93"): 1,
    }  # fmt: skip


def test_each_stage_has_its_percentiles() -> None:
    way: dict[str, Any] = {
        "committed_at": NINE + timedelta(seconds=0.25),
        "matched_at": NINE + timedelta(seconds=0.75),
    }
    for took in range(1, 102):
        alert(took, delivered=took + 10 if took <= 51 else None, **way)
    row = figures()[Channel.EMAIL, ALL, ALL]
    assert row.seen_to_committed == [0.25] * 3
    assert row.committed_to_matched == [0.5] * 3
    assert row.matched_to_accepted == pytest.approx([50.25, 95.25, 99.25])
    assert row.seen_to_accepted == pytest.approx([51, 96, 100])
    assert row.accepted_to_delivered == [10.0] * 3
    assert row.seen_to_delivered == pytest.approx([36, 58.5, 60.5])


def test_messages_are_counted_by_what_became_of_them() -> None:
    alert()
    alert(delivered=2, unknown_attempts=2)
    alert(state=State.BOUNCED, reason="sendgrid 5.1.1")
    alert(state=State.NO_RECEIPT)
    alert(None, unknown_attempts=1)
    for state in (State.FAILED, State.EXPIRED, State.SKIPPED):
        failed(state)
    row = figures()[Channel.EMAIL, ALL, ALL]
    assert (row.messages, row.sent, row.unsure) == (8, 4, 2)
    ends = (row.delivered, row.bounced, row.no_receipt, row.failed, row.expired, row.skipped)
    assert ends == (1, 1, 1, 1, 1, 1)
    assert (row.tracked, row.confirmed) == (3, 1)


def test_only_providers_that_send_receipts_are_tracked() -> None:
    for provider in ("sendgrid", "smtp"):
        alert(provider=provider, delivered=2)
    alert(provider="telegram", channel=Channel.TELEGRAM, delivered=1)
    found = figures()
    mail, telegram = found[Channel.EMAIL, ALL, ALL], found[Channel.TELEGRAM, ALL, ALL]
    assert (mail.delivered, mail.tracked, mail.confirmed) == (2, 1, 1)
    assert (telegram.delivered, telegram.tracked) == (1, 0)
    assert set(RECEIPT_PROVIDERS) == set(READERS)


def test_alerts_that_catch_up_and_other_messages_do_not_count() -> None:
    alert(committed_at=None)
    alert(kind="desk_watched")
    add_slot_message(NINE - timedelta(days=1))
    assert figures() == {}


def test_the_job_sums_up_each_day_that_may_have_changed(frozen: time_machine.Traveller) -> None:
    alert()
    add_slot_message(NINE - timedelta(days=3))
    assert jobs.sum_days()["deliveries"] == 8
    assert {row.day for row in rows(DeliveryFigure)} == {TODAY, TODAY - timedelta(days=3)}
    assert jobs.sum_days()["deliveries"] == 4
    add_slot_message(NINE + timedelta(days=2))
    frozen.shift(timedelta(days=4))  # an outage
    assert jobs.sum_days()["deliveries"] == 8
    assert TODAY + timedelta(days=2) in {row.day for row in rows(DeliveryFigure)}


def failed_alert(at: datetime, gone_at: datetime | None) -> None:
    """Write a slot alert that was refused for good ten seconds after its page was read."""
    user_id = add_user().id
    detection_id, slots = see("2026-12-01", "2026-12-02", at=at)
    match_id = add_match(add_alert(user_id), detection_id, slots)
    failed_at = at + timedelta(seconds=10)
    add_slot_message(at, None, user_id, match_id, state=State.FAILED, reason="refused", failed_at=failed_at)
    if gone_at:
        change(SlotRow, SlotRow.id.in_(slots), gone_at=gone_at, gone_reason=GoneReason.TAKEN)


def test_what_failed_was_missed_if_a_slot_of_it_was_open_then() -> None:
    failed_alert(NINE, None)
    failed_alert(NINE - timedelta(minutes=1), NINE - timedelta(seconds=49))
    failed_alert(NINE - timedelta(minutes=2), NINE - timedelta(seconds=111))
    gone: dict[str, Any] = {"state": State.EXPIRED, "reason": "slots gone", "failed_at": NINE}
    add_slot_message(took=None, attempts=3, **gone)
    add_slot_message(took=None, attempts=0, **gone)
    row = figures()[Channel.EMAIL, ALL, ALL]
    assert (row.sent, row.seen_to_accepted, row.missed) == (0, None, 3)
