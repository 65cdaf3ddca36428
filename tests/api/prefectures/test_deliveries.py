"""Figures of days: messages by channel, provider and prefecture, checks by desk, alerts and answers, and how fast slots were gone."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient

from api.ground import cache
from api.jobs import schedule as jobs
from api.models.answer import AnswerValue, MatchAnswer
from api.models.base import session
from api.models.check import CheckDay, make_partitions
from api.models.desk import DeskStatus
from api.models.notification import ALL, NONE, DeliveryFigure, State
from api.models.slot import GoneReason, SlotRow
from api.models.user import Channel
from api.prefectures import desk_days
from api.prefectures.delivery_figures import (
    RECEIPT_PROVIDERS,
)
from api.privacy.deletion import delete_account
from configs.ground.clock import clock
from configs.world.desk import Outcome
from configs.world.prefecture import desks
from notifier.receipts import READERS
from tests.api.world import PREFECTURES
from tests.clients import Person, read_json
from tests.factories import (
    BOBIGNY,
    NINE,
    add_alert,
    add_answer,
    add_check,
    add_day,
    add_desk,
    add_match,
    add_slot_message,
    add_user,
    announce,
    change,
    rows,
    see,
    take_slots,
)

TODAY = date(2026, 11, 20)
MELUN = "melun_77/titre-sejour"

pytestmark = pytest.mark.usefixtures("database", "frozen", "redis_server")


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


def check(at: str, outcome: Outcome = Outcome.NO_SLOTS, desk_id: str = BOBIGNY, day: date = TODAY) -> None:
    add_check(desk_id, started_at=datetime.fromisoformat(f"{day}T{at}Z"), outcome=outcome)


def days(day: date = TODAY) -> dict[str, Any]:
    return {row.desk_id: row for row in rows(CheckDay) if row.day == day}


def find_days() -> list[date]:
    with session() as s:
        return desk_days.find_days_to_sum(s, clock())


def test_a_day_counts_checks_outcomes_intervals_and_openings() -> None:
    add_desk(wished_seconds=60.0, feasible_seconds=90.0, due_queue="prefenligne", status=DeskStatus.ACTIVE)
    for at in ("00:00:00", "08:00:00", "08:01:00", "08:03:00"):
        check(at)
    check("08:03:30", Outcome.SLOTS)
    check("08:02:00", Outcome.BLOCKED)
    see("2099-01-01", at=datetime(2026, 11, 20, 8, 3, 30, tzinfo=UTC))
    assert jobs.sum_days()["desks"] == 1
    row = days()[BOBIGNY]
    assert (row.checks, row.proven, row.openings) == (6, 5, 1)
    assert row.outcomes == {"no_slots": 4, "slots": 1, "blocked": 1}
    assert row.achieved_seconds == pytest.approx((60 + 120) / 2)  # of 28800, 60, 120, 30
    assert (row.promised_seconds, row.updated_at) == (90.0, clock())


def test_a_repetition_writes_the_same_and_later_checks_are_added(frozen: time_machine.Traveller) -> None:
    add_desk(wished_seconds=30.0, due_queue="prefenligne")
    check("08:00:00")
    for _ in range(2):
        jobs.sum_days()
        assert days()[BOBIGNY].checks == 1
    check("09:30:00")
    frozen.shift(timedelta(hours=1))
    jobs.sum_days()
    assert days()[BOBIGNY].checks == 2


def test_a_day_ends_at_midnight_utc_and_is_summed_up_once_more_after_it(
    frozen: time_machine.Traveller,
) -> None:
    add_desk(wished_seconds=30.0, due_queue="prefenligne")
    frozen.move_to("2026-11-20T23:30:00+00:00")
    jobs.sum_days()
    check("23:59:59.999999")
    check("00:00:00", day=TODAY + timedelta(days=1))
    add_desk(wished_seconds=120.0, due_queue="prefenligne")
    frozen.move_to("2026-11-21T00:00:00+00:00")
    assert jobs.sum_days()["desks"] == 2
    yesterday, today = days()[BOBIGNY], days(TODAY + timedelta(days=1))[BOBIGNY]
    assert (yesterday.checks, yesterday.promised_seconds) == (1, 30.0)
    assert (today.checks, today.promised_seconds) == (1, 120.0)
    frozen.move_to("2026-11-22T03:00:00+00:00")
    jobs.sum_days()
    assert len(find_days()) == 2


def test_all_days_since_the_last_time_are_made_up(frozen: time_machine.Traveller) -> None:
    check("08:00:00")
    jobs.sum_days()
    with session() as s:
        make_partitions(s, TODAY + timedelta(days=2))
    check("12:00:00")
    check("12:00:00", day=TODAY + timedelta(days=2))
    frozen.move_to("2026-11-23T01:00:00+00:00")
    assert len(find_days()) == 5
    jobs.sum_days()
    assert [days(TODAY + timedelta(days=number))[BOBIGNY].checks for number in (0, 2)] == [2, 1]
    assert days(TODAY + timedelta(days=1)) == {}


YESTERDAY = NINE - timedelta(days=1)


def write_alerts(number: int, at: Any = YESTERDAY, **other: Any) -> None:
    for _ in range(number):
        delivered = {"state": State.DELIVERED, "delivered_at": at + timedelta(seconds=4)}
        add_slot_message(at, params={"desk_id": BOBIGNY}, provider="sendgrid", **delivered | other)


def read(client: FlaskClient, path: str, name: str) -> list[dict[str, Any]]:
    jobs.sum_days()
    found: list[dict[str, Any]] = read_json(client.get(path))[name]
    return found


def test_a_channel_and_day_has_delays_and_a_rate(client: FlaskClient) -> None:
    write_alerts(5)
    write_alerts(1, state=State.NO_RECEIPT, delivered_at=None)
    write_alerts(3, at=NINE)  # today is not over
    seconds = {"p50": 4.0, "p95": 4.0, "p99": 4.0}
    expected = [
        {
            "day": "2026-11-19", "channel": "email", "sent": 6, "tracked": 6, "confirmed": 5, "bounced": 0,
            "noReceipt": 1, "deliveryRate": 0.8333, "seenToAccepted": {"p50": 1.0, "p95": 1.0, "p99": 1.0},
            "seenToDelivered": seconds,
        }
    ]  # fmt: skip
    assert (
        read(client, "/api/stats", "deliveries") == read(client, "/api/reliability", "arrivals") == expected
    )


def test_the_statistics_hold_a_week_and_the_ledger_thirty_days(client: FlaskClient) -> None:
    for days_ago in (1, 7, 8):
        write_alerts(1, at=NINE - timedelta(days=days_ago))
    with_days = {
        name: [date.fromisoformat(each["day"]) for each in read(client, path, name)]
        for path, name in (("/api/stats", "deliveries"), ("/api/reliability", "arrivals"))
    }
    today = NINE.date()
    assert with_days["deliveries"] == [today - timedelta(days=number) for number in (1, 7)]
    assert with_days["arrivals"] == [today - timedelta(days=number) for number in (1, 7, 8)]


FOUND, TOO_LATE, NOTHING_THERE, STOPPED = AnswerValue

NOVEMBER, OCTOBER = date(2026, 11, 1), date(2026, 10, 1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAY_BEFORE = datetime(2026, 11, 19, 7, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _world(settings_env: Callable[..., None]) -> None:
    """Read the desk files of the small world, and forget what was cached."""
    settings_env(PREFECTURES_DIR=PREFECTURES)
    cache._open_cache.cache_clear()


def counts(desk_id: str = BOBIGNY, day: date = TODAY) -> tuple[int, ...]:
    """Sum up; return alerts, found, too late, nothing there and stopped of a desk's day."""
    jobs.sum_days()
    found = [each for each in rows(CheckDay) if (each.desk_id, each.day) == (desk_id, day)]
    names = ("alerts", "found", "too_late", "nothing_there", "stopped")
    return tuple(sum(getattr(each, name) for each in found) for name in names)


def answer(value: AnswerValue, desk_id: str = BOBIGNY) -> None:
    add_answer(announce(desk_id=desk_id).match, value)


def test_each_answer_counts_once_at_its_desk() -> None:
    for value, number in ((FOUND, 4), (TOO_LATE, 3), (NOTHING_THERE, 2), (STOPPED, 1)):
        for _ in range(number):
            answer(value)
    answer(FOUND, MELUN)
    announce()
    assert counts() == counts() == (11, 4, 3, 2, 1)
    assert counts(MELUN) == (1, 1, 0, 0, 0)


def test_answers_outlive_alerts_and_accounts(frozen: time_machine.Traveller, camille: Person) -> None:
    add_desk(MELUN, due_queue="prefenligne", wished_seconds=30.0)  # so that each day has a row
    add_answer(announce(camille.id).match, TOO_LATE)
    assert counts() == (1, 0, 1, 0, 0)
    frozen.shift(3 * DAY)
    jobs.sum_days()
    frozen.shift(DAY)
    with session() as s:
        delete_account(s, camille.id, understood=True)
    frozen.shift(DAY)
    assert rows(MatchAnswer) == []
    assert counts() == (1, 0, 1, 0, 0)


def test_alerts_count_once_each_on_the_day_on_which_their_first_message_was_accepted(
    frozen: time_machine.Traveller,
) -> None:
    announce(took=None)
    announce(took=20.0 * 3600)
    announce()
    assert counts() == (1, 0, 0, 0, 0)
    frozen.shift(DAY)
    assert counts() == (1, 0, 0, 0, 0)
    assert counts(day=TODAY + DAY) == (1, 0, 0, 0, 0)


def read_months(client: FlaskClient, name: str = "answers") -> list[dict[str, Any]]:
    cache._open_cache.cache_clear()
    found: list[dict[str, Any]] = read_json(client.get("/api/reliability"))[name]
    return found


def test_a_month_sums_up_all_desks(client: FlaskClient) -> None:
    add_day(BOBIGNY, NOVEMBER, alerts=400, found=3)
    add_day(BOBIGNY, NOVEMBER + DAY, alerts=500, too_late=2, nothing_there=4)
    add_day(MELUN, NOVEMBER, alerts=100, stopped=1)
    add_day(BOBIGNY, OCTOBER, alerts=7)
    take_slots(60, 120, 180, 240, 300, opened=DAY_BEFORE)
    newest, before = read_months(client)
    assert newest == {
        "month": "2026-11-01", "platform": None, "alerts": 1000, "answers": 10,
        "ledToAppointment": 0.3, "tooLate": 0.2, "falseAlarmsPerThousand": 4.0, "taken": 5,
        "secondsOpen": {"p25": 120, "p50": 180, "p75": 240},
    }  # fmt: skip
    assert (before["month"], before["alerts"], before["answers"]) == ("2026-10-01", 7, 0)
    assert (before["ledToAppointment"], before["secondsOpen"]) == (None, None)


def test_days_that_are_not_over_are_not_known_to_the_public(
    client: FlaskClient, frozen: time_machine.Traveller, redis_server: Any
) -> None:
    add_day(BOBIGNY, TODAY, alerts=9)
    take_slots(60, opened=clock())
    assert read_months(client) == []
    frozen.move_to("2026-11-21T01:00:01+00:00")
    redis_server.flushdb()
    (row,) = read_months(client)
    assert (row["alerts"], row["taken"]) == (9, 1)


def test_of_few_answers_or_alerts_nothing_is_told_that_could_be_one_persons(client: FlaskClient) -> None:
    add_day(BOBIGNY, NOVEMBER, alerts=4, found=4)
    (row,) = read_months(client)
    assert (row["alerts"], row["answers"]) == (None, 4)
    assert (row["ledToAppointment"], row["tooLate"], row["falseAlarmsPerThousand"]) == (None, None, None)


def test_platforms_have_figures_of_their_own(client: FlaskClient) -> None:
    add_day(BOBIGNY, NOVEMBER, alerts=10, found=5)
    add_day(MELUN, NOVEMBER, alerts=10, too_late=5)
    add_day("bobigny_93/gone", NOVEMBER, alerts=10)
    take_slots(60, 120, opened=DAY_BEFORE)
    by_platform = {each["platform"]: each for each in read_months(client, "answersByPlatform")}
    assert sum(each["alerts"] for each in by_platform.values()) == 30
    assert (by_platform[desks()[BOBIGNY].platform]["taken"], by_platform["none"]["alerts"]) == (2, 10)


def test_the_last_six_months_are_told(client: FlaskClient) -> None:
    for day in (NOVEMBER, OCTOBER, date(2026, 6, 1), date(2026, 5, 31)):
        add_day(BOBIGNY, day, alerts=10)
    assert [each["month"] for each in read_months(client)] == ["2026-11-01", "2026-10-01", "2026-06-01"]
