from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
import time_machine

from api.models.alert import Alert, AlertTarget
from api.models.desk import DeskChange
from api.models.user import Grant
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import People, Person
from tests.factories import BOBIGNY, remove, rows
from tests.in_turn import in_turn

PLAN = PlanName.URGENCE_7J  # of Camille's

WISH: dict[str, Any] = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]}
HIDDEN = {"prefectureId": "bobigny_93", "procedures": ["NATURALISATION"]}
MELUN = "melun_77/titre-sejour"


@pytest.fixture
def alert_id(camille: Person, door: Door) -> str:
    made = camille.post("/api/alerts", WISH | {"name": "Maman"}).json
    door.caught_up.clear()
    remove(DeskChange)
    return str(made["id"])


def edit(person: Person, alert: str, **change: Any) -> tuple[int, dict[str, Any]]:
    answer = person.patch(f"/api/alerts/{alert}", change)
    return answer.status_code, answer.json


def test_new_limits_are_a_new_version_told_to_the_planner_and_caught_up(
    camille: Person, alert_id: str, door: Door
) -> None:
    status, made = edit(camille, alert_id, limits={"weekdays": [1, 5], "hourFrom": "09:00"})
    assert (status, made["limitsVersion"], made["limits"]["weekdays"]) == (200, 2, [1, 5])
    assert (made["procedures"], made["name"]) == (["TITRE_SEJOUR"], "Maman")
    (target,) = rows(AlertTarget)
    assert target.weekdays == [1, 5]
    assert {(line.desk_id, line.reason) for line in rows(DeskChange)} == {
        (BOBIGNY, "alert changed"),
        ("bobigny_93/naturalisation", "alert changed"),
    }
    assert door.caught_up == [UUID(alert_id)]
    _, made = edit(camille, alert_id, limits={"hourTo": "12:00"})
    assert made["limits"]["weekdays"] == [], "they are replaced as a whole"
    assert (made["limits"]["hourFrom"], made["limits"]["hourTo"]) == (None, "12:00")


def test_new_targets_are_told_to_the_planner_beside_the_old_ones(camille: Person, alert_id: str) -> None:
    edit(camille, alert_id, limits={"weekdays": [1]})
    status, made = edit(camille, alert_id, deskIds=[MELUN], procedures=[])
    assert (status, made["prefectureId"], made["deskIds"], made["procedures"]) == (
        200,
        "melun_77",
        [MELUN],
        [],
    )
    assert (made["limitsVersion"], made["limits"]["weekdays"]) == (3, [1])
    assert {line.desk_id for line in rows(DeskChange)} == {BOBIGNY, "bobigny_93/naturalisation", MELUN}
    assert len(rows(AlertTarget)) == 1


def test_a_name_and_a_language_are_no_new_version_and_a_closed_alert_takes_none(
    camille: Person, alert_id: str
) -> None:
    _, made = edit(camille, alert_id, name=" Papa ", language="en")
    assert (made["name"], made["language"], made["limitsVersion"]) == ("Papa", "en", 1)
    _, made = edit(camille, alert_id, name=None, language=None)
    assert (made["name"], made["language"]) == (None, None)
    assert rows(DeskChange) == []
    camille.delete(f"/api/alerts/{alert_id}")
    status, said = edit(camille, alert_id, name="Papa")
    assert (status, said["type"].rpartition(":")[2]) == (409, "alert-closed")


def test_what_is_left_out_and_what_is_the_same_changes_nothing(camille: Person, alert_id: str) -> None:
    before = camille.get(f"/api/alerts/{alert_id}").json
    changes: list[dict[str, Any]] = [{}, WISH, {"limits": {}}, {"prefectureId": None}]
    for change in changes:
        status, made = edit(camille, alert_id, **change)
        assert status == 200
        assert {**made, "updatedAt": None} == {**before, "updatedAt": None}
    assert rows(DeskChange) == []
    _, made = edit(camille, alert_id, prefectureId="melun_77")
    assert (made["prefectureId"], made["procedures"]) == ("melun_77", ["TITRE_SEJOUR"])


def test_without_a_plan_targets_stay_and_the_plans_are_offered(
    camille: Person, alert_id: str, door: Door
) -> None:
    remove(Grant)
    status, said = edit(camille, alert_id, limits={"weekdays": [1]})
    assert (status, said["type"].rpartition(":")[2]) == (402, "plan-needed")
    assert [each["plan"] for each in said["plans"]] == ["URGENCE_24H", "URGENCE_7J", "URGENCE_TOTAL"]
    assert (rows(Alert)[0].limits_version, door.caught_up) == (1, [])
    assert edit(camille, alert_id, name="Papa")[0] == 200


def test_a_paused_alert_is_edited_without_a_plan_and_stays_paused(
    camille: Person, alert_id: str, door: Door
) -> None:
    camille.patch(f"/api/alerts/{alert_id}/toggle")
    remove(Grant)
    status, made = edit(camille, alert_id, limits={"weekdays": [1]})
    assert (status, made["isActive"], made["limitsVersion"]) == (200, False, 2)
    assert door.caught_up == []


def test_what_cannot_be_watched_is_refused_or_waits(camille: Person, alert_id: str, door: Door) -> None:
    status, said = edit(camille, alert_id, **HIDDEN)
    assert (status, said["errors"][0]["path"], said["errors"][0]["rule"]) == (
        422,
        "procedures.0",
        "not_watched",
    )
    status, made = edit(camille, alert_id, **HIDDEN, acceptWaiting=True)
    assert (status, made["isActive"], made["awaitsWatch"]) == (200, False, True)
    assert door.caught_up == []
    status, made = edit(camille, alert_id, limits={"weekdays": [1]})
    assert (status, made["awaitsWatch"], made["limitsVersion"]) == (200, True, 3)
    status, made = edit(camille, alert_id, procedures=["TITRE_SEJOUR"])
    assert (status, made["isActive"], made["awaitsWatch"]) == (200, True, False)
    assert door.caught_up == [UUID(alert_id)]


def test_an_alert_that_waits_for_a_watch_needs_a_plan_for_what_is_watched_beside_which_it_does_not_count(
    person: People,
) -> None:
    robin = person("robin@example.org")
    made = robin.post("/api/alerts", HIDDEN | {"acceptWaiting": True}).json
    assert edit(robin, made["id"], procedures=["TITRE_SEJOUR"])[0] == 402
    assert rows(Alert)[0].awaits_watch
    robin.holds(PlanName.URGENCE_24H)
    for change in ({"procedures": ["TITRE_SEJOUR"]}, {"limits": {"weekdays": [2]}}):
        assert edit(robin, made["id"], **change)[0] == 200


@in_turn(
    "limits, passes",
    [
        # 20 November 2026 is a Friday
        ({"dateFrom": "2026-11-21", "dateTo": "2026-11-22", "weekdays": [1]}, False),
        ({"dateFrom": "2026-11-16", "dateTo": "2026-11-20", "weekdays": [1]}, False),
        ({"dateTo": "2026-11-22", "weekdays": [1, 2, 3, 4]}, False),
        ({"dateFrom": "2026-11-21", "dateTo": "2026-11-23", "weekdays": [1]}, True),
        ({"dateTo": "2026-11-20", "weekdays": [5]}, True),
        ({"dateFrom": "2026-11-21", "dateTo": "9999-12-31", "weekdays": [3]}, True),
        ({"weekdays": [1]}, True),
    ],
)
def test_limits_that_exclude_everything_are_refused(
    frozen: time_machine.Traveller,
    camille: Person,
    limits: dict[str, Any],
    passes: bool,
) -> None:
    answer = camille.post("/api/alerts", WISH | {"limits": limits})
    remove(Alert)
    assert (answer.status_code == 201) is passes, answer.text
    if not passes:
        (error,) = (answer.json or {})["errors"]
        assert (error["path"], error["rule"]) == ("limits.weekdays", "excludes_everything")


def test_edits_at_once_all_count_and_leave_one_set_of_targets(camille: Person, alert_id: str) -> None:
    def act(number: int) -> int:
        change = {"limits": {"hourFrom": f"{number:02}:00"}, "name": str(number)}
        return edit(camille, alert_id, **change)[0]

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(act, range(1, 17))) == {200}
    (alert,), (target,) = rows(Alert), rows(AlertTarget)
    assert alert.limits_version == 17
    assert str(target.hour_from.hour) == alert.name


def test_an_edit_and_an_end_at_once_leave_the_alert_closed(camille: Person, alert_id: str) -> None:
    def act(number: int) -> int:
        if number == 4:
            return camille.post(f"/api/alerts/{alert_id}/found").status_code
        return edit(camille, alert_id, limits={"hourFrom": f"{number:02}:00"})[0]

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(act, range(8)))
    assert statuses[4] == 200
    assert {*statuses} <= {200, 409}
    assert rows(Alert)[0].closed_at is not None
