"""Delays and rates of delivery as operators read them."""

from datetime import date, timedelta
from typing import Any

import pytest

from api.background import jobs
from api.models.notification import State
from api.models.user import Channel
from tests.clients import Operator, problem
from tests.factories import BOBIGNY, NINE, add_slot_message

MELUN = "melun_77/titre-sejour"
TODAY = date(2026, 11, 20)

pytestmark = pytest.mark.usefixtures("frozen")


def alert(days_ago: int = 0, provider: str = "sendgrid", desk: str = BOBIGNY, **other: Any) -> None:
    at = NINE - timedelta(days=days_ago)
    add_slot_message(at, params={"desk_id": desk}, provider=provider, **other)


def keys(operator: Operator, **query: Any) -> list[tuple[Any, ...]]:
    items = operator.get("/delivery", **query)["items"]
    names = ("day", "channel", "provider", "prefectureId", "sent")
    return [tuple(each[name] for name in names) for each in items]


def test_today_is_shown_as_it_is_now(support: Operator) -> None:
    alert(state=State.DELIVERED, delivered_at=NINE + timedelta(seconds=3))
    alert(state=State.NO_RECEIPT)
    report = support.get("/delivery")
    together, sendgrid = report["items"]
    assert (report["beginsOn"], report["endsOn"]) == ("2026-11-14", "2026-11-20")
    assert (together["provider"], sendgrid["provider"], together["prefectureId"]) == (None, "sendgrid", None)
    assert {name: together[name] for name in ("messages", "sent", "delivered", "noReceipt", "bounced")} == {
        "messages": 2, "sent": 2, "delivered": 1, "noReceipt": 1, "bounced": 0,
    }  # fmt: skip
    assert (together["tracked"], together["confirmed"], together["deliveryRate"]) == (2, 1, 0.5)
    assert together["delays"]["seenToDelivered"] == {"p50": 3.0, "p95": 3.0, "p99": 3.0}
    assert together["delays"]["seenToAccepted"] == {"p50": 1.0, "p95": 1.0, "p99": 1.0}


def test_past_days_are_those_that_the_job_wrote(admin: Operator) -> None:
    alert(days_ago=1)
    assert keys(admin) == []
    jobs.sum_days()
    alert()
    assert keys(admin, provider="sendgrid") == [
        ("2026-11-20", "email", "sendgrid", None, 1),
        ("2026-11-19", "email", "sendgrid", None, 1),
    ]
    assert [day for day, *_ in keys(admin, days=1)] == ["2026-11-20"] * 2


def test_figures_are_chosen_by_channel_provider_and_prefecture(admin: Operator) -> None:
    for days_ago in (0, 1):
        alert(days_ago)
        alert(days_ago, provider="smtp", desk=MELUN)
        alert(days_ago, channel=Channel.TELEGRAM, provider="telegram")
    jobs.sum_days()
    days = ("2026-11-20", "2026-11-19")
    assert keys(admin, channel="telegram") == [
        (day, "telegram", each, None, 1) for day in days for each in (None, "telegram")
    ]
    assert keys(admin, provider="smtp") == [(day, "email", "smtp", None, 1) for day in days]
    assert keys(admin, prefecture="melun_77") == [
        (day, "email", each, "melun_77", 1) for day in days for each in (None, "smtp")
    ]
    assert keys(admin, by="prefecture", channel="email") == [
        (day, "email", None, place, sent)
        for day in days
        for place, sent in ((None, 2), ("bobigny_93", 1), ("melun_77", 1))
    ]
    assert keys(admin, prefecture="nowhere") == []


def test_prefectures_are_listed_for_seven_days_at_most(admin: Operator) -> None:
    for days_ago in (6, 7):
        alert(days_ago)
    jobs.sum_days()
    assert {day for day, *_ in keys(admin, days=31)} == {"2026-11-14", "2026-11-13"}
    assert {day for day, *_ in keys(admin, days=31, by="prefecture")} == {"2026-11-14"}


@pytest.mark.parametrize(
    "query",
    [{"days": 0}, {"days": 32}, {"channel": "fax"}, {"by": "user"}, {"provider": ""}, {"prefecture": ""}],
)
def test_what_cannot_be_is_refused(admin: Operator, query: dict[str, Any]) -> None:
    assert problem(admin.ask("GET", "/delivery", query_string=query)) == (422, "invalid")
