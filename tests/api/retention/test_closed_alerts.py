"""Alerts that were closed are bounded for each account, and go a year later, except those of an order."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine

from api.background import jobs
from api.models.alert import Alert, ClosedBecause
from api.models.payment import Payment
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.clients import People
from tests.factories import BOBIGNY, add_alert, add_payment, change, rows

_DAY = timedelta(days=1)
WISH = {"deskIds": [BOBIGNY], "acceptWaiting": True}


def close(alert_id: UUID, ago: timedelta) -> UUID:
    closed = {
        "closed_at": clock() - ago,
        "closed_because": ClosedBecause.DELETED,
        "created_at": clock() - ago,
    }
    change(Alert, Alert.id == alert_id, **closed)
    return alert_id


def test_an_account_makes_so_many_alerts_a_day_and_keeps_so_many_that_are_closed(
    person: People,
    frozen: time_machine.Traveller,
    settings_env: Callable[..., None],
) -> None:
    settings_env(FAIR_USE_ALERTS="3")
    camille = person()
    camille.holds(PlanName.URGENCE_TOTAL, days=9)

    def make_and_close() -> int:
        answer = camille.post("/api/alerts", WISH)
        if answer.status_code == 201:
            camille.delete(f"/api/alerts/{(answer.json or {})['id']}")
        return answer.status_code

    for _ in range(3):
        assert [make_and_close() for _ in range(4)] == [201, 201, 201, 429]
        frozen.shift(_DAY)
    assert len(rows(Alert)) == 4, "those that were closed last, and the newest"


@pytest.mark.usefixtures("database", "frozen")
def test_a_closed_alert_goes_after_a_year_unless_an_order_was_about_it(person: People) -> None:
    owner = person().id
    old, recent, ordered = (add_alert(owner) for _ in range(3))
    still_open = add_alert(owner)
    for each, ago in ((old, 366 * _DAY), (recent, 364 * _DAY), (ordered, 366 * _DAY)):
        close(each, ago)
    payment = add_payment(owner)
    change(Payment, Payment.id == payment, alert_id=ordered)
    assert jobs.apply_retention()["alerts"] == 1
    assert {row.id for row in rows(Alert)} == {recent, ordered, still_open}
