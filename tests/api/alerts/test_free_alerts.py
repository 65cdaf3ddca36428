"""Alerts at desks that people watch cost nothing: three per person, told of reports alone; no plan counts them."""

from datetime import timedelta
from uuid import UUID

import pytest

from api.alerts.plan_limits import find_users_over_limit
from api.models.alert import Alert
from api.models.base import session
from api.models.desk import DeskStatus, HostState, Outage, OutageReason
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.clients import Person, problem, read_json
from tests.desk_proofs import prove_desks
from tests.factories import add_desk, change, get, save

PEOPLE, WATCHED = "melun_77/visa", "melun_77/titre-sejour"
HOST = "127.77.9.77:8800"


@pytest.fixture(autouse=True)
def behind_captcha(database: str) -> None:
    add_desk(PEOPLE, status=DeskStatus.CAPTCHA)


def create(person: Person, *desk_ids: str, name: str | None = None) -> dict[str, object]:
    return read_json(person.post("/api/alerts", {"deskIds": list(desk_ids) or [PEOPLE], "name": name}), 201)


def test_an_alert_there_needs_no_plan_and_runs_at_once(camille: Person) -> None:
    answer = create(camille)
    shown = {key: answer[key] for key in ("isActive", "isFree", "awaitsWatch", "watchLevel")}
    assert shown == {"isActive": True, "isFree": True, "awaitsWatch": False, "watchLevel": "people"}


def test_three_per_person_and_those_that_wait_count(camille: Person) -> None:
    add_desk(WATCHED)
    create(camille)
    create(camille, name="Maman")
    waiting = {"deskIds": [WATCHED], "acceptWaiting": True}
    assert read_json(camille.post("/api/alerts", waiting), 201)["awaitsWatch"]
    assert problem(camille.post("/api/alerts", {"deskIds": [PEOPLE], "name": "4"})) == (409, "fair-use")
    camille.holds(PlanName.URGENCE_TOTAL)
    assert problem(camille.post("/api/alerts", {"deskIds": [PEOPLE], "name": "4"})) == (409, "fair-use")


def test_a_plan_is_needed_as_soon_as_one_target_can_be_watched(camille: Person) -> None:
    prove_desks(WATCHED)
    answer = camille.post("/api/alerts", {"deskIds": [PEOPLE, WATCHED]})
    assert problem(answer) == (402, "plan-needed")


def test_no_plan_counts_it(camille: Person) -> None:
    prove_desks(WATCHED)
    create(camille)
    camille.holds(PlanName.URGENCE_24H)
    assert not create(camille, WATCHED)["isFree"]
    with session() as s:
        assert find_users_over_limit(s) == []


def test_a_paused_one_is_resumed_without_a_plan(camille: Person) -> None:
    path = f"/api/alerts/{create(camille)['id']}/toggle"
    assert not read_json(camille.patch(path))["isActive"]
    assert read_json(camille.patch(path))["isFree"]


def test_one_that_waited_is_never_enrolled_and_begins_by_its_owners_press(camille: Person) -> None:
    alert = create(camille)["id"]
    change(Alert, Alert.id == UUID(str(alert)), enabled=False, is_free=False, awaits_watch=True)
    assert read_json(camille.patch(f"/api/alerts/{alert}/toggle"))["isFree"]
    assert not get(Alert, UUID(str(alert))).awaits_watch


def test_an_edit_to_a_watched_desk_needs_a_plan(camille: Person) -> None:
    alert = create(camille)["id"]
    prove_desks(WATCHED)
    assert problem(camille.patch(f"/api/alerts/{alert}", {"deskIds": [WATCHED]})) == (402, "plan-needed")
    camille.holds(PlanName.URGENCE_24H)
    assert not read_json(camille.patch(f"/api/alerts/{alert}", {"deskIds": [WATCHED]}))["isFree"]


def test_a_stopped_host_has_no_desk_that_people_watch(camille: Person) -> None:
    save(HostState(host=HOST, stopped_at=clock(), stop_reason="asked to", updated_at=clock()))
    answer = camille.post("/api/alerts", {"deskIds": [PEOPLE]})
    assert problem(answer) == (422, "invalid")
    (tile,) = [
        each
        for each in read_json(camille.get("/api/prefectures/map", procedure="VISA"))["items"]
        if each["department"] == "77"
    ]
    assert (tile["watchLevel"], tile["notWatchable"]) == ("presence", "stopped")


@pytest.mark.parametrize("state", ["free", "paused", "waiting"])
def test_no_plan_is_refunded_for_an_alert_that_no_check_served(camille: Person, state: str) -> None:
    add_desk(WATCHED)
    wish = {"deskIds": [WATCHED if state == "waiting" else PEOPLE], "acceptWaiting": state == "waiting"}
    made = read_json(camille.post("/api/alerts", wish), 201)
    assert (made["isFree"], made["awaitsWatch"]) == (state != "waiting", state == "waiting")
    alert = made["id"]
    camille.holds(PlanName.URGENCE_TOTAL)
    if state == "paused":
        camille.patch(f"/api/alerts/{alert}/toggle")
    if state == "waiting":
        past = clock() - timedelta(days=2)
        save(Outage(desk_id=WATCHED, reason=OutageReason.CLOSED, starts_at=past))
    assert problem(camille.post("/api/billing/closed-desk-refund", {"alertId": alert})) == (409, "desk-open")
