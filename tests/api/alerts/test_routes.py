"""Alerts: created within what the plan carries, shown, paused, edited, deleted, also many times at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine

from api.models.alert import Alert, AlertTarget, ClosedBecause
from api.models.desk import DeskChange, DeskStatus
from api.models.notification import State
from api.models.user import Grant
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import People, Person, problem, read_json
from tests.desk_proofs import prove_desks
from tests.factories import BOBIGNY, add_alert, add_desk, add_match, add_message, change, remove, rows, see
from tests.in_turn import in_turn
from tests.waiting import at_once

PLAN = PlanName.URGENCE_24H  # of Camille's

WISH: dict[str, Any] = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]}


def create(person: Person, **fields: object) -> dict[str, Any]:
    return read_json(person.post("/api/alerts", WISH | fields), 201)


def test_an_alert_is_kept_told_to_the_planner_and_caught_up(person: People, door: Door) -> None:
    made = create(person(plan=PlanName.URGENCE_24H), name=" Maman ")
    (target,) = rows(AlertTarget)
    assert (target.prefecture_id, target.procedure) == ("bobigny_93", "TITRE_SEJOUR")
    assert made["name"] == "Maman"
    assert {(line.desk_id, line.reason) for line in rows(DeskChange)} == {
        (BOBIGNY, "alert created"),
        ("bobigny_93/naturalisation", "alert created"),
    }
    assert door.caught_up == [UUID(made["id"])]


def test_limits_reach_every_target_and_come_back_as_they_were_sent(person: People) -> None:
    limits = {
        "dateFrom": "2099-01-01", "dateTo": "2099-03-31", "weekdays": [1, 5],
        "hourFrom": "09:00", "hourTo": "12:30", "sites": ["Bobigny"],
    }  # fmt: skip
    camille = person(plan=PlanName.URGENCE_7J)
    made = create(camille, deskIds=[BOBIGNY], limits=limits)
    assert made["limits"] == limits
    assert made["deskIds"] == [BOBIGNY]
    targets = rows(AlertTarget)
    assert len(targets) == 2
    assert all(target.weekdays == [1, 5] and target.sites == ["Bobigny"] for target in targets)
    other = UUID(create(camille, limits={"hourFrom": "00:00", "weekdays": []})["id"])
    (target,) = rows(AlertTarget, AlertTarget.alert_id == other)
    assert (target.hour_from is None, target.weekdays) == (False, None), (
        "midnight is one, an empty list is none"
    )


def test_a_named_desk_gives_its_prefecture_and_one_procedure_may_stand_alone(person: People) -> None:
    camille = person(plan=PlanName.URGENCE_TOTAL)
    assert (
        camille.post("/api/alerts", {"deskIds": ["melun_77/titre-sejour"]}).json["prefectureId"] == "melun_77"
    )
    body = {"prefectureId": "melun_77", "procedure": "TITRE_SEJOUR"}
    assert camille.post("/api/alerts", body).json["procedures"] == ["TITRE_SEJOUR"]


def test_a_plan_that_is_over_or_not_begun_is_no_plan(person: People) -> None:
    camille = person()
    camille.holds(PlanName.URGENCE_7J, days=1, starts=-1.01)
    camille.holds(PlanName.URGENCE_7J, days=1, starts=0.5)
    assert camille.post("/api/alerts", WISH).status_code == 402
    toggle = f"/api/alerts/{add_alert(camille.id)}/toggle"
    assert camille.patch(toggle).status_code == 200, "pausing needs none"
    assert camille.patch(toggle).status_code == 402


def test_beyond_the_plan_larger_plans_are_offered_and_a_paused_alert_makes_room(camille: Person) -> None:
    first = create(camille)
    answer = camille.post("/api/alerts", WISH | {"name": "Papa"})
    assert answer.status_code == 402
    body = answer.json or {}
    assert body["type"].endswith(":plan-limit")
    assert "URGENCE_24H carries 1 alert at once" in body["detail"]
    assert [each["plan"] for each in body["plans"]] == ["URGENCE_7J", "URGENCE_TOTAL"]
    camille.patch(f"/api/alerts/{first['id']}/toggle")
    create(camille, name="Papa")
    assert camille.patch(f"/api/alerts/{first['id']}/toggle").status_code == 402


def test_creates_at_once_cannot_pass_a_limit_of_one(camille: Person) -> None:
    wishes = [WISH | {"name": f"{number}"} for number in range(8)]
    answers = at_once(lambda wish: camille.post("/api/alerts", wish).status_code, wishes)
    assert sorted(answers) == [201] + [402] * 7
    assert len(rows(Alert)) == 1


def test_a_request_that_is_repeated_makes_one_alert_in_the_language_that_was_asked_last(
    camille: Person, frozen: time_machine.Traveller
) -> None:
    wish = WISH | {"limits": {"weekdays": [1, 5]}}
    ids = at_once(lambda _: create(camille, **wish, language="ar")["id"], range(4))
    (alert,) = rows(Alert)
    assert (set(ids), alert.language) == ({str(alert.id)}, "ar")
    assert create(camille, **wish)["language"] == "ar"
    assert create(camille, **wish, language="en")["language"] == "en"
    frozen.shift(timedelta(minutes=10, seconds=1))
    assert camille.post("/api/alerts", wish).status_code == 402, "later it is another one"
    camille.delete(f"/api/alerts/{alert.id}")
    anew = create(camille, **wish)["id"]
    assert anew != ids[0], "one that is over is made anew"
    camille.patch(f"/api/alerts/{anew}/toggle")
    other = create(camille, **wish)
    assert (other["id"] != anew, other["isActive"]) == (True, True), "one that was paused does not watch"
    camille.patch(f"/api/alerts/{other['id']}/toggle")
    assert create(camille, **wish, language=None)["language"] is None


def test_toggles_at_once_cannot_pass_a_limit_of_one(camille: Person) -> None:
    paused = [add_alert(camille.id) for _ in range(6)]
    change(Alert, enabled=False)
    answers = at_once(lambda each: camille.patch(f"/api/alerts/{each}/toggle").status_code, paused)
    assert sorted(answers) == [200] + [402] * 5


def test_fair_use_bounds_the_prefectures_of_the_largest_plan(
    person: People, settings_env: Callable[..., None]
) -> None:
    settings_env(FAIR_USE_PREFECTURES="1")
    camille = person(plan=PlanName.URGENCE_TOTAL)
    for number in range(4):
        create(camille, name=f"{number}")
    answer = camille.post("/api/alerts", {"deskIds": ["melun_77/titre-sejour"]})
    assert problem(answer) == (409, "fair-use")


def test_paused_alerts_do_not_pile_up_without_end(
    person: People,
    settings_env: Callable[..., None],
    frozen: time_machine.Traveller,
) -> None:
    settings_env(FAIR_USE_ALERTS="2")
    camille = person(plan=PlanName.URGENCE_7J)
    for number in range(2):
        made = create(camille, name=f"{number}")
        camille.patch(f"/api/alerts/{made['id']}/toggle")
    answer = camille.post("/api/alerts", WISH)
    assert problem(answer) == (409, "fair-use")
    camille.delete(f"/api/alerts/{made['id']}")
    frozen.shift(timedelta(days=1, minutes=1))  # two can be made in a day
    camille.holds(PlanName.URGENCE_7J)
    create(camille)


def test_toggling_pauses_and_wakes(camille: Person, door: Door, frozen: time_machine.Traveller) -> None:
    made = create(camille, prefectureId="melun_77")
    frozen.shift(60)
    paused = camille.patch(f"/api/alerts/{made['id']}/toggle").json
    assert (paused["isActive"], made["updatedAt"], paused["updatedAt"]) == (
        False, "2026-11-20T09:00:00Z", "2026-11-20T09:01:00Z",
    )  # fmt: skip
    assert len(door.caught_up) == 1
    woken = camille.patch(f"/api/alerts/{made['id']}/toggle")
    assert (woken.json or {})["isActive"] is True
    assert door.caught_up == [UUID(made["id"])] * 2
    changes = sorted(rows(DeskChange), key=lambda line: line.id)
    assert [line.reason for line in changes] == ["alert created", "alert paused", "alert enabled"]


def test_deleting_closes_and_hides_and_the_alert_alone_says_so(camille: Person) -> None:
    made = create(camille)
    assert [camille.get(f"/api/alerts/{made['id']}").json] == camille.get("/api/alerts").json["items"]
    answer = camille.delete(f"/api/alerts/{made['id']}")
    assert (answer.status_code, answer.data) == (204, b"")
    (alert,) = rows(Alert)
    assert alert.closed_because is ClosedBecause.DELETED
    assert {line.reason for line in rows(DeskChange)} == {"alert created", "alert deleted"}
    assert camille.get("/api/alerts").json == {"items": [], "next": None}
    over = camille.get(f"/api/alerts/{made['id']}").json
    assert (over["closedBecause"], over["closedAt"] is None) == ("deleted", False)
    assert camille.delete(f"/api/alerts/{made['id']}").status_code == 404
    assert camille.patch(f"/api/alerts/{made['id']}/toggle").status_code == 404
    create(camille)


def test_an_alert_shows_how_well_it_is_served(person: People) -> None:
    camille = person(plan=PlanName.URGENCE_TOTAL)
    made = create(camille)
    now = clock()
    add_desk(
        status=DeskStatus.ACTIVE, status_reason="checked", last_check_at=now, last_proven_at=now,
        wished_seconds=30, feasible_seconds=40, achieved_seconds=41.5,
    )  # fmt: skip
    add_desk("bobigny_93/naturalisation", wished_seconds=60)
    detection, slots = see("2026-12-01T08:30:00+00:00", "2026-12-01T09:30:00+00:00")
    add_message(camille.id, add_match(UUID(made["id"]), detection, slots), state=State.SENT, accepted_at=now)
    shown = camille.get("/api/alerts").json["items"][0]
    assert (shown["slotsFound"], shown["notificationsSent"]) == (2, 1)
    assert (shown["wishedInterval"], shown["feasibleInterval"], shown["achievedInterval"]) == (30, 40, 41.5)
    assert shown["watchLevel"] == "full"
    assert shown["lastCheckedAt"] == shown["lastProvenAt"] == now.isoformat().replace("+00:00", "Z")
    assert [desk["status"] for desk in shown["desks"]] == ["PAUSED", "ACTIVE"]


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
    for each in changes:
        status, made = edit(camille, alert_id, **each)
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
    prove_desks()
    made = robin.post("/api/alerts", HIDDEN | {"acceptWaiting": True}).json
    assert edit(robin, made["id"], procedures=["TITRE_SEJOUR"])[0] == 402
    assert rows(Alert)[0].awaits_watch
    robin.holds(PlanName.URGENCE_24H)
    for each in ({"procedures": ["TITRE_SEJOUR"]}, {"limits": {"weekdays": [2]}}):
        assert edit(robin, made["id"], **each)[0] == 200


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
        wish = {"limits": {"hourFrom": f"{number:02}:00"}, "name": str(number)}
        return edit(camille, alert_id, **wish)[0]

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
