from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine

from api.background import jobs
from api.models.alert import Alert, ClosedBecause
from api.models.appointment import Appointment
from api.models.desk import DeskChange
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import Person, problem
from tests.factories import BOBIGNY, rows

PLAN = PlanName.URGENCE_24H  # of Camille's
WISH = {"deskIds": [BOBIGNY]}
AT = "2026-12-01T08:30:00Z"


def create(person: Person) -> str:
    answer = person.post("/api/alerts", WISH)
    assert answer.status_code == 201, answer.text
    return str((answer.json or {})["id"])


def found(person: Person, alert: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = person.post(f"/api/alerts/{alert}/found", body)
    return answer.status_code, answer.json


def test_who_has_found_closes_the_alert_and_may_say_when_and_where(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    alert = create(camille)
    status, made = found(camille, alert, at=AT, place=" Bobigny, guichet 4 ")
    assert (status, made["closedBecause"], made["closedAt"]) == (200, "found", "2026-11-20T09:00:00Z")
    assert not made["isActive"]
    assert made["appointment"] == {
        "at": AT,
        "place": "Bobigny, guichet 4",
        "firstReminderAt": "2026-11-30T08:30:00Z",
        "lastReminderAt": "2026-12-01T07:30:00Z",
    }
    assert rows(Alert)[0].closed_because is ClosedBecause.FOUND
    assert {line.reason for line in rows(DeskChange)} == {"alert created", "alert found"}
    assert camille.get(f"/api/alerts/{alert}").json == made
    assert camille.get("/api/alerts").json["items"] == []


def test_nothing_has_to_be_said_and_the_plan_carries_another_alert_then(camille: Person, door: Door) -> None:
    alert = create(camille)
    answer = camille.post(f"/api/alerts/{alert}/found")
    assert (answer.status_code, (answer.json or {})["appointment"]) == (200, None)
    assert rows(Appointment) == []
    door.caught_up.clear()
    assert found(camille, create(camille))[0] == 200
    assert len(door.caught_up) == 1


def test_a_closed_alert_is_not_found_again(camille: Person) -> None:
    alert = create(camille)
    found(camille, alert, at=AT)
    for act in ("found", "test"):
        assert problem(camille.post(f"/api/alerts/{alert}/{act}")) == (409, "alert-closed")
    assert camille.patch(f"/api/alerts/{alert}/toggle").status_code == 404
    assert len(rows(Appointment)) == 1


def test_an_appointment_is_kept_until_ninety_days_after_its_date(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    found(camille, create(camille), at=AT)
    found(camille, create(camille), place="Bobigny")
    kept = {each.place: each.dropped_at for each in rows(Appointment)}
    assert kept[None] == datetime(2026, 12, 1, 8, 30, tzinfo=UTC) + timedelta(days=90)
    assert kept["Bobigny"] == clock() + timedelta(days=90)
    left = []
    for days in (89, 90, 100, 101):
        frozen.move_to(datetime(2026, 11, 20, 9, tzinfo=UTC) + timedelta(days=days))
        dropped = jobs.apply_retention().get("appointments", 0)
        left.append((dropped, len(rows(Appointment))))
    assert left == [(0, 2), (1, 1), (0, 1), (1, 0)]
    assert len(rows(Alert)) == 2
