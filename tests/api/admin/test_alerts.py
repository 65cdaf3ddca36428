"""The alerts of all users as operators see, pause and resume them."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from api.models.alert import Alert, ClosedBecause
from api.models.base import session
from configs.clock import clock
from configs.plan import PlanName
from tests.api.admin.conftest import Operator, audit, problem
from tests.api.world import Door, Person, rows, wait_for

People = Callable[..., Person]


def found(operator: Operator, **query: Any) -> list[str]:
    return [each["id"] for each in operator.get("/alerts", **query)["items"]]


def test_alerts_are_found_by_user_prefecture_and_whether_they_wait(admin: Operator, person: People) -> None:
    camille, robin = person(), person("robin@example.org")
    hers, his = str(wait_for(camille.id)), str(wait_for(robin.id, prefecture_id="melun_77"))
    over = str(wait_for(camille.id))
    with session() as s:
        alert = s.get_one(Alert, over)
        alert.closed_at, alert.closed_because = clock(), ClosedBecause.DELETED
    assert found(admin) == [over, his, hers]
    assert found(admin, userId=str(camille.id)) == [over, hers]
    assert found(admin, prefectureId="melun_77") == [his]
    assert found(admin, userId=str(camille.id), isActive="true") == [hers]
    assert found(admin, isActive="false") == [over]
    assert found(admin, prefectureId="melun%") == []
    (row, *_) = audit(action="alerts.search")
    assert row.changes == {"seen": [over, his, hers]}


def test_an_alert_is_shown_with_its_owner(admin: Operator, person: People) -> None:
    camille = person(plan=PlanName.URGENCE_7J)
    alert = wait_for(camille.id)
    shown = admin.get(f"/alerts/{alert}")
    assert (shown["userId"], shown["alert"]["id"]) == (str(camille.id), str(alert))
    assert problem(admin.ask("GET", f"/alerts/{uuid4()}")) == (404, "not-found")


def test_an_alert_is_paused_once_and_resumed_once(admin: Operator, person: People, door: Door) -> None:
    camille = person(plan=PlanName.URGENCE_7J)
    alert = wait_for(camille.id)
    assert admin.do("POST", f"/alerts/{alert}/pause")["alert"]["isActive"] is False
    assert problem(admin.ask("POST", f"/alerts/{alert}/pause")) == (409, "alert-not-waiting")
    assert admin.do("POST", f"/alerts/{alert}/resume")["alert"]["isActive"] is True
    assert door.caught_up == [alert]
    assert problem(admin.ask("POST", f"/alerts/{alert}/resume")) == (409, "alert-waiting")
    assert [row.action for row in audit(subject_id=str(alert))] == ["alert.pause", "alert.resume"]


def test_an_alert_is_not_resumed_beyond_its_owners_plan(admin: Operator, person: People) -> None:
    alert = wait_for(person().id)
    with session() as s:
        s.get_one(Alert, alert).enabled = False
    answer = admin.ask("POST", f"/alerts/{alert}/resume")
    assert problem(answer) == (402, "plan-needed")
    assert not rows(Alert)[0].enabled
    assert audit() == []
