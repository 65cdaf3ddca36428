"""Public figures of deliveries: by channel, of days that are over, without one person's."""

from datetime import date, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.background import jobs
from api.models.notification import State
from tests.factories import BOBIGNY, NINE, add_slot_message

YESTERDAY = NINE - timedelta(days=1)

pytestmark = pytest.mark.usefixtures("database", "frozen", "redis_server")


def write_alerts(number: int, at: Any = YESTERDAY, **other: Any) -> None:
    for _ in range(number):
        delivered = {"state": State.DELIVERED, "delivered_at": at + timedelta(seconds=4)}
        add_slot_message(at, params={"desk_id": BOBIGNY}, provider="sendgrid", **delivered | other)


def read(client: FlaskClient, path: str, name: str) -> list[dict[str, Any]]:
    jobs.sum_days()
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = (answer.json or {})[name]
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


def test_of_few_messages_no_time_is_told(client: FlaskClient) -> None:
    write_alerts(4)
    (row,) = read(client, "/api/stats", "deliveries")
    assert (row["sent"], row["seenToAccepted"], row["seenToDelivered"]) == (4, None, None)


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
