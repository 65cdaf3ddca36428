from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import time_machine
from flask import Flask

from api.models.alert import Alert, AlertTarget, ClosedBecause
from api.models.desk import DeskChange, DeskStatus
from api.models.notification import State
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import People, Person, problem, read_json
from tests.factories import BOBIGNY, add_alert, add_desk, add_match, add_message, change, rows, see

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
    answer = camille.post("/api/alerts", WISH)
    assert answer.status_code == 402
    body = answer.json or {}
    assert body["type"].endswith(":plan-limit")
    assert "URGENCE_24H carries 1 alert at once" in body["detail"]
    assert [each["plan"] for each in body["plans"]] == ["URGENCE_7J", "URGENCE_TOTAL"]
    camille.patch(f"/api/alerts/{first['id']}/toggle")
    create(camille)
    assert camille.patch(f"/api/alerts/{first['id']}/toggle").status_code == 402


def test_creates_at_once_cannot_pass_a_limit_of_one(app: Flask, camille: Person) -> None:

    def ask(_: int) -> int:
        return app.test_client().post("/api/alerts", json=WISH, headers=camille.headers).status_code

    with ThreadPoolExecutor(10) as threads:
        statuses = sorted(threads.map(ask, range(8)))
    assert statuses == [201] + [402] * 7
    assert len(rows(Alert)) == 1


def test_toggles_at_once_cannot_pass_a_limit_of_one(app: Flask, camille: Person) -> None:
    paused = [add_alert(camille.id) for _ in range(6)]
    change(Alert, enabled=False)

    def ask(alert_id: UUID) -> int:
        return app.test_client().patch(f"/api/alerts/{alert_id}/toggle", headers=camille.headers).status_code

    with ThreadPoolExecutor(10) as threads:
        assert sorted(threads.map(ask, paused)) == [200] + [402] * 5


def test_fair_use_bounds_the_prefectures_of_the_largest_plan(
    person: People, settings_env: Callable[..., None]
) -> None:
    settings_env(FAIR_USE_PREFECTURES="1")
    camille = person(plan=PlanName.URGENCE_TOTAL)
    for _ in range(4):
        create(camille)
    answer = camille.post("/api/alerts", {"deskIds": ["melun_77/titre-sejour"]})
    assert problem(answer) == (409, "fair-use")


def test_paused_alerts_do_not_pile_up_without_end(
    person: People,
    settings_env: Callable[..., None],
    frozen: time_machine.Traveller,
) -> None:
    settings_env(FAIR_USE_ALERTS="2")
    camille = person(plan=PlanName.URGENCE_7J)
    for _ in range(2):
        made = create(camille)
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


def test_pages_follow_each_other_without_gap_or_repetition(person: People) -> None:
    camille = person(plan=PlanName.URGENCE_TOTAL)
    made = [create(camille)["id"] for _ in range(5)]
    camille.delete(f"/api/alerts/{made[2]}")
    seen: list[str] = []
    before: dict[str, str] = {}
    while True:
        query = {"limit": 2, **before}
        page = camille.get("/api/alerts", **query).json
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert seen == [*made[:2], *made[3:]][::-1]
