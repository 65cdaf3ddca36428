"""The public ledger: what it counts, what it leaves out, and that nothing in it is one person's."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient

from api.models.check import CheckDay
from api.models.delivery_figure import DeliveryFigure
from api.models.desk import Outage, OutageReason
from api.models.payment import CreditForm, WatchCredit
from api.models.user import Channel
from configs.ground.clock import clock
from tests.clients import People, read_json
from tests.factories import BOBIGNY, add_desk, add_payment, make_delivery_figure, save_all

pytestmark = pytest.mark.usefixtures("frozen")
YESTERDAY = date(2026, 11, 19)
HOUR = timedelta(hours=1)


def ledger(client: FlaskClient) -> dict[str, Any]:
    return read_json(client.get("/api/reliability"))


def add(*rows: Any) -> None:
    save_all(rows)


def delivered(
    day: date, accepted: int = 5, channel: Channel = Channel.EMAIL, failed: int = 0
) -> DeliveryFigure:
    return make_delivery_figure(day, channel, accepted, [0.5, 2.5, 3.5], missed=failed)


def checked(day: date, achieved: float | None, promised: float | None = 60, desk: str = BOBIGNY) -> CheckDay:
    proven = 0 if achieved is None else 10
    return CheckDay(
        desk_id=desk, day=day, checks=10, proven=proven, outcomes={}, achieved_seconds=achieved,
        promised_seconds=promised, openings=0, updated_at=clock(),
    )  # fmt: skip


def outage(begins: datetime, ends: datetime | None, reason: OutageReason = OutageReason.BLOCKED) -> Outage:
    return Outage(desk_id=BOBIGNY, starts_at=begins, ends_at=ends, reason=reason)


def test_it_is_empty_and_holds_thirty_days_that_are_over(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    found = ledger(client)
    assert (found["beginsOn"], found["endsOn"]) == ("2026-10-21", "2026-11-19")
    empty = ("deliveries", "intervals", "outages", "outagesByReason", "answers", "answersByPlatform")
    assert [found[key] for key in empty] == [[]] * len(empty)
    assert {(each["payments"], each["amount"]) for each in found["givenBack"]} == {(0, 0)}
    frozen.shift(301)
    every = [date(2026, 11, 20) - timedelta(days=number) for number in (0, 1, 30, 31)]
    add(*(delivered(day) for day in every))
    assert [each["day"] for each in ledger(client)["deliveries"]] == ["2026-11-19", "2026-10-21"]
    frozen.move_to("2026-11-21T00:59:59+00:00")  # the public knows nothing of the last hour
    assert ledger(client)["deliveries"][0]["day"] == "2026-11-19"
    frozen.move_to("2026-11-21T01:05:05+00:00")
    assert ledger(client)["deliveries"][0]["day"] == "2026-11-20"


def test_intervals_are_achieved_by_promised_at_desks_whose_slots_are_seen(client: FlaskClient) -> None:
    add(
        *(checked(YESTERDAY - timedelta(days=number), 60 + 30 * number) for number in range(3)),
        checked(date(2026, 11, 15), None),
        checked(date(2026, 11, 14), 600, None),  # nothing was promised
        checked(date(2026, 10, 20), 6000),  # too long ago
        checked(date(2026, 11, 20), 6000),  # not over
        checked(YESTERDAY, 600, desk="bobigny_93/naturalisation"),  # a captcha hides its slots
        checked(YESTERDAY, 120, desk="melun_77/titre-sejour"),
    )
    found = [
        (each["prefectureId"], each["ratio"], each["deskDays"], each["unprovenDays"])
        for each in ledger(client)["intervals"]
    ]
    assert found == [("melun_77", 2, 1, 0), ("bobigny_93", 1.5, 3, 1)]


def test_outages_are_those_that_reach_into_the_period(client: FlaskClient) -> None:
    add_desk()
    begins = datetime(2026, 10, 21, tzinfo=UTC)
    add(
        outage(begins - 9 * HOUR, begins - 8 * HOUR, OutageReason.CLOSED),
        outage(begins - 2 * HOUR, begins + HOUR, OutageReason.MAINTENANCE),
        outage(begins + 5 * HOUR, begins + 7 * HOUR),
        outage(clock() - HOUR, None),
    )
    found = ledger(client)
    assert [(each["reason"], each["endsAt"]) for each in found["outages"]] == [
        ("blocked", None),
        ("blocked", "2026-10-21T07:00:00Z"),
        ("maintenance", "2026-10-21T01:00:00Z"),
    ]
    assert found["outages"][0]["deskId"] == BOBIGNY
    assert found["outagesByReason"] == [
        {"reason": "blocked", "outages": 2, "desks": 1, "seconds": 3 * 3600},
        {"reason": "maintenance", "outages": 1, "desks": 1, "seconds": 3600},
    ]


def test_what_was_given_back_is_told_for_five_payments_or_more(
    client: FlaskClient, person: People, frozen: time_machine.Traveller
) -> None:
    one = person("nadia@example.org")
    payments = [add_payment(one.id) for _ in range(5)]
    at = clock() - timedelta(days=1)

    def credit(number: int, form: CreditForm) -> WatchCredit:
        return WatchCredit(
            payment_id=payments[number], seconds=7200, form=form,
            amount_cents=18, created_at=at,
        )  # fmt: skip

    add(*(credit(number, CreditForm.TIME) for number in range(4)))
    add(credit(4, CreditForm.REFUND))
    few = {each["form"]: each for each in ledger(client)["givenBack"]}
    nothing = {"payments": None, "seconds": None, "amount": None, "currency": "eur"}
    assert few["time"] == {"form": "time"} | nothing
    assert few["refund"] == {"form": "refund"} | nothing
    frozen.shift(301)
    late = credit(4, CreditForm.TIME)
    late.seconds += 3600
    add(late)
    text = client.get("/api/reliability").text
    assert "nadia" not in text
    assert str(one.id) not in text
    told = {each["form"]: each for each in ledger(client)["givenBack"]}
    assert (told["time"]["payments"], told["time"]["seconds"], told["time"]["amount"]) == (5, 11 * 3600, 90)
    assert told["refund"]["amount"] is None
    assert told["invoice"]["amount"] == 0
