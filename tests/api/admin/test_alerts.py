"""The alerts of all users as operators see, pause and resume them."""

from typing import Any
from uuid import uuid4

from api.models.alert import Alert, AlertTarget, ClosedBecause
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.admin.conftest import audit
from tests.api.world import Door
from tests.clients import Operator, People, Person, problem
from tests.factories import add_alert, change, rows

PLAN = PlanName.URGENCE_7J  # of Camille's


def found(operator: Operator, **query: Any) -> list[str]:
    return [each["id"] for each in operator.get("/alerts", **query)["items"]]


def test_alerts_are_found_by_user_prefecture_and_whether_they_wait(admin: Operator, person: People) -> None:
    camille, robin = person(), person("robin@example.org")
    hers, his = (
        str(add_alert(camille.id)),
        str(add_alert(robin.id, AlertTarget(prefecture_id="melun_77", procedure="TITRE_SEJOUR"))),
    )
    over = str(add_alert(camille.id))
    change(Alert, Alert.id == over, closed_at=clock(), closed_because=ClosedBecause.DELETED)
    assert found(admin) == [over, his, hers]
    assert found(admin, userId=str(camille.id)) == [over, hers]
    assert found(admin, prefectureId="melun_77") == [his]
    assert found(admin, userId=str(camille.id), isActive="true") == [hers]
    assert found(admin, isActive="false") == [over]
    assert found(admin, prefectureId="melun%") == []
    (row, *_) = audit(action="alerts.search")
    assert row.changes == {"seen": [over, his, hers]}


def test_an_alert_is_shown_with_its_owner(admin: Operator, camille: Person) -> None:
    alert = add_alert(camille.id)
    shown = admin.get(f"/alerts/{alert}")
    assert (shown["userId"], shown["alert"]["id"]) == (str(camille.id), str(alert))
    assert problem(admin.ask("GET", f"/alerts/{uuid4()}")) == (404, "not-found")


def test_an_alert_is_paused_once_and_resumed_once(admin: Operator, camille: Person, door: Door) -> None:
    alert = add_alert(camille.id)
    assert admin.do("POST", f"/alerts/{alert}/pause")["alert"]["isActive"] is False
    assert problem(admin.ask("POST", f"/alerts/{alert}/pause")) == (409, "alert-not-waiting")
    assert admin.do("POST", f"/alerts/{alert}/resume")["alert"]["isActive"] is True
    assert door.caught_up == [alert]
    assert problem(admin.ask("POST", f"/alerts/{alert}/resume")) == (409, "alert-waiting")
    assert [row.action for row in audit(subject_id=str(alert))] == ["alert.pause", "alert.resume"]


def test_an_alert_is_not_resumed_beyond_its_owners_plan(admin: Operator, person: People) -> None:
    alert = add_alert(person().id)
    change(Alert, Alert.id == alert, enabled=False)
    answer = admin.ask("POST", f"/alerts/{alert}/resume")
    assert problem(answer) == (402, "plan-needed")
    assert not rows(Alert)[0].enabled
    assert audit() == []
