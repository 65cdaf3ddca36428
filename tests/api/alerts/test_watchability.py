"""Targets of alerts: wrong targets are named, and those whose slots no check can see are refused with the reason, or kept if the request accepts waiting."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import time_machine
from pydantic import ValidationError

from api.alerts.schemas import NewAlert
from api.alerts.targets import find_watched_desks, get_prefecture_id
from api.alerts.wishes import resolve_wish
from api.ground.errors import ApiError
from api.models.alert import Alert, AlertTarget
from api.models.base import session
from api.models.desk import DeskState, HostState
from api.models.discovery import Drift, DriftReason
from api.models.user import Grant
from api.web.problems import list_field_errors
from configs.ground.clock import clock
from configs.world.desk import Outcome, Procedure
from configs.world.plan import PlanName
from tests.api.world import PREFECTURES, TOWN_HALLS, Door, add_town_halls, watch_town_halls
from tests.clients import People, Person, problem
from tests.desk_proofs import prove_desks
from tests.factories import BOBIGNY, add_desk, change, remove, rows, save
from tests.in_turn import in_turn

PLAN = PlanName.URGENCE_TOTAL  # of Camille's
HIDDEN = {"prefectureId": "bobigny_93", "procedures": ["NATURALISATION"]}


def wish(person: Person, body: dict[str, Any]) -> tuple[int, Any]:
    answer = person.post("/api/alerts", body)
    return answer.status_code, answer.json


def toggled(person: Person, alert: str) -> tuple[int, dict[str, Any]]:
    answer = person.patch(f"/api/alerts/{alert}/toggle")
    return answer.status_code, answer.json


def close(desk_id: str) -> None:
    add_desk(desk_id, last_outcome=Outcome.CLOSED)


@in_turn(
    "body, path, reason",
    [
        (HIDDEN, "procedures.0", "a captcha stands before the slots for NATURALISATION at bobigny_93"),
        (
            {"deskIds": ["bobigny_93/naturalisation"]},
            "deskIds.0",
            "a captcha stands before the slots for bobigny_93/n",
        ),
        (
            {"deskIds": ["bobigny_93/visa"]},
            "deskIds.0",
            "bobigny_93/visa is not watched: its address is very old, or known to be dead; watched there",
        ),
        (
            {"prefectureId": "bobigny_93", "procedures": ["PASSEPORT"]},
            "procedures.0",
            "no page for PASSEPORT at bobigny_93 is known; watched there",
        ),
    ],
)
def test_what_cannot_be_watched_is_refused_with_the_reason_and_what_else_there_is(
    camille: Person, body: dict[str, Any], path: str, reason: str
) -> None:
    status, said = wish(camille, body)
    assert status == 422
    (error,) = said["errors"]
    assert (error["path"], error["rule"]) == (path, "not_watched")
    assert error["detail"].startswith(reason)
    assert f"watched there: desks {BOBIGNY}, procedures TITRE_SEJOUR" in error["detail"]
    assert "acceptWaiting" in error["detail"]
    assert rows(Alert) == []


def test_where_nothing_else_is_the_place_to_look_is_said(person: People) -> None:
    body = {"prefectureId": "cergy_95", "procedures": ["VISA"]}
    _, said = wish(person(plan=PlanName.URGENCE_TOTAL), body)
    assert (
        "no slots of cergy_95 are seen; where to look: https://www.val-doise.gouv.fr;"
        in said["errors"][0]["detail"]
    )


def test_a_page_that_the_prefecture_closed_is_out_of_sale_until_it_answers_again(camille: Person) -> None:
    close(BOBIGNY)
    status, said = wish(camille, {"deskIds": [BOBIGNY]})
    assert (status, said["errors"][0]["detail"].split(";")[0]) == (
        422,
        f"the prefecture has closed the page for {BOBIGNY}",
    )
    change(DeskState, last_outcome=Outcome.NO_SLOTS)
    assert wish(camille, {"deskIds": [BOBIGNY]})[0] == 201


def test_one_desk_whose_slots_are_seen_is_enough_but_not_for_what_has_no_page(camille: Person) -> None:
    assert wish(camille, HIDDEN | {"deskIds": [BOBIGNY]})[0] == 201
    assert wish(camille, {"deskIds": [BOBIGNY, "bobigny_93/visa"]})[0] == 201
    for more in ({}, {"acceptWaiting": True}):
        nowhere = {"prefectureId": "bobigny_93", "procedures": ["PASSEPORT"], "deskIds": [BOBIGNY]}
        status, said = wish(camille, nowhere | more)
        assert (status, [each["path"] for each in said["errors"]]) == (422, ["procedures.0"])


def test_who_accepts_to_wait_is_kept_without_a_plan_and_counted_by_none(person: People, door: Door) -> None:
    camille = person()
    status, made = wish(camille, HIDDEN | {"acceptWaiting": True})
    assert (status, made["isActive"], made["awaitsWatch"]) == (201, False, True)
    assert door.caught_up == []
    paying = person("dominique@example.org", plan=PlanName.URGENCE_24H)
    assert wish(paying, HIDDEN | {"acceptWaiting": True})[0] == 201
    assert wish(paying, {"deskIds": [BOBIGNY]})[0] == 201


def test_a_wish_that_can_be_watched_is_no_other_for_accepting_to_wait(person: People) -> None:
    body = {"deskIds": [BOBIGNY], "acceptWaiting": True}
    prove_desks()
    assert wish(person(), body)[0] == 402
    paying = person("dominique@example.org", plan=PlanName.URGENCE_24H)
    assert wish(paying, body)[1]["awaitsWatch"] is False


def test_a_kept_alert_begins_to_wait_only_where_slots_are_seen(person: People, door: Door) -> None:
    camille = person(plan=PlanName.URGENCE_24H)
    _, made = wish(camille, HIDDEN | {"acceptWaiting": True})
    status, said = toggled(camille, made["id"])
    assert (status, said["type"].rpartition(":")[2]) == (409, "not-watched")
    assert "captcha" in said["detail"]
    with session() as s:
        s.get_one(Alert, UUID(made["id"])).targets[0].procedure = Procedure.TITRE_SEJOUR
    status, woken = toggled(camille, made["id"])
    assert (status, woken["isActive"], woken["awaitsWatch"]) == (200, True, False)
    assert door.caught_up == [UUID(made["id"])]


def test_a_page_that_seems_to_have_moved_is_out_of_sale_until_it_is_found(person: People) -> None:
    someone = person(plan=PlanName.URGENCE_TOTAL)
    save(Drift(desk_id=BOBIGNY, reason=DriftReason.UNLINKED, detail="no longer linked", starts_at=clock()))
    status, said = wish(someone, {"deskIds": [BOBIGNY]})
    assert (status, "the prefecture seems to have moved the page for" in str(said)) == (422, True)
    change(Drift, ends_at=clock())
    assert wish(someone, {"deskIds": [BOBIGNY]})[0] == 201


def stop_host() -> None:
    change(HostState, stopped_at=clock(), stop_reason="they wrote to us")  # of the host that refused us


def fail() -> None:
    for _ in range(5):
        prove_desks(BOBIGNY, outcome=Outcome.UNREADABLE, times=1)


def pause() -> None:
    change(DeskState, DeskState.id == BOBIGNY, paused_at=clock(), pause_reason="they wrote to us")


@in_turn(
    "lose, reason",
    [
        (lambda: remove(DeskState), "it is being tried, and no check has proven anything yet"),
        (fail, "its last checks proved nothing"),
        (
            lambda: prove_desks(BOBIGNY, outcome=Outcome.CAPTCHA, times=1),
            "a captcha has appeared on its page",
        ),
        (lambda: prove_desks(BOBIGNY, outcome=Outcome.BLOCKED, times=1), "its checks are interrupted"),
        (stop_host, "an operator has stopped its checks"),
        (pause, "an operator has stopped its checks"),
    ],
)
def test_nothing_is_begun_about_a_desk_that_its_own_checks_do_not_prove(
    camille: Person, lose: Callable[[], None], reason: str
) -> None:
    prove_desks()
    assert wish(camille, {"deskIds": [BOBIGNY]})[0] == 201
    lose()
    status, said = wish(camille, {"deskIds": [BOBIGNY], "name": "another"})
    assert status == 422
    assert said["errors"][0]["detail"].startswith(f"{reason} for {BOBIGNY}; no slots of bobigny_93 are seen")


def test_a_proof_lasts_two_heartbeats_and_a_desk_that_was_lost_needs_two(
    camille: Person, frozen: time_machine.Traveller
) -> None:
    frozen.shift(timedelta(hours=12))
    assert wish(camille, {"deskIds": [BOBIGNY]})[0] == 201
    frozen.shift(timedelta(seconds=1))
    status, said = wish(camille, {"deskIds": [BOBIGNY], "name": "b"})
    assert (status, "its last proof is too old" in str(said)) == (422, True)
    prove_desks(BOBIGNY, times=1)
    status, said = wish(camille, {"deskIds": [BOBIGNY], "name": "b"})
    assert (status, "one more proof is waited for" in str(said)) == (422, True)
    prove_desks(BOBIGNY, times=1)
    assert wish(camille, {"deskIds": [BOBIGNY], "name": "b"})[0] == 201


def test_where_somebody_waits_a_proof_lasts_an_hour_or_twenty_intervals_and_overload_stops_nothing(
    camille: Person, frozen: time_machine.Traveller
) -> None:
    begun = clock() - timedelta(hours=1)
    change(DeskState, wished_seconds=60, share_seconds=240, fast_since=begun)
    frozen.shift(timedelta(minutes=80))
    prove_desks(BOBIGNY, outcome=Outcome.OVERLOADED, times=1)
    assert wish(camille, {"deskIds": [BOBIGNY]})[0] == 201
    frozen.shift(timedelta(seconds=1))
    assert wish(camille, {"deskIds": [BOBIGNY], "name": "b"})[0] == 422


def test_an_alert_that_runs_takes_other_limits_whatever_the_state_of_its_desks(camille: Person) -> None:
    _, made = wish(camille, {"deskIds": [BOBIGNY]})
    fail()
    answer = camille.patch(f"/api/alerts/{made['id']}", {"limits": {"weekdays": [1]}})
    assert (answer.status_code, answer.json["isActive"]) == (200, True)


def test_three_alerts_that_wait_need_no_plan_and_neither_a_new_nor_a_changed_one_is_a_fourth(
    camille: Person,
) -> None:
    _, ran = wish(camille, {"deskIds": [BOBIGNY]})
    remove(Grant)
    waits = HIDDEN | {"acceptWaiting": True}
    made = [wish(camille, waits | {"name": name}) for name in "abc"]
    assert [status for status, _ in made] == [201] * 3
    assert problem(camille.post("/api/alerts", waits | {"name": "d"})) == (409, "fair-use")
    assert problem(camille.patch(f"/api/alerts/{ran['id']}", waits | {"deskIds": []})) == (409, "fair-use")
    assert camille.patch(f"/api/alerts/{made[0][1]['id']}", {"limits": {"weekdays": [1]}}).status_code == 200


WISH: dict[str, Any] = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]}


@pytest.fixture(autouse=True)
def world(database: str, settings_env: Callable[..., None]) -> None:
    settings_env(PREFECTURES_DIR=PREFECTURES)


def refused(body: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with a body, by path."""
    try:
        with session() as s:
            resolve_wish(s, NewAlert.model_validate(body))
    except ValidationError as error:
        return {each.path: each.detail for each in list_field_errors(error)}
    except ApiError as error:
        return {each.path: each.detail for each in error.errors}
    return {}


@in_turn(
    "fields, path, hint",
    [
        ({"prefectureId": "bobini_93"}, "prefectureId", "did you mean bobigny_93?"),
        ({"prefectureId": None}, "", "procedures need a prefectureId"),
        ({"procedures": []}, "", "name at least one"),
        ({"procedures": ["DANSE"]}, "procedures.0", "'TITRE_SEJOUR'"),
        ({"deskIds": ["bobigny_93/nope"]}, "deskIds.0", f"its desks: bobigny_93/naturalisation, {BOBIGNY}"),
        ({"deskIds": ["melun_77/titre-sejour"]}, "deskIds.0", "is no desk of bobigny_93"),
        ({"prefectureId": None, "procedures": [], "deskIds": ["x"]}, "deskIds.0", "no desk 'x'"),
        ({"name": "a\nb"}, "name", "line break"),
        ({"name": "a\0b"}, "", "NUL"),
        ({"limits": {"weekdays": [0]}}, "limits.weekdays.0", "greater than or equal to 1"),
        ({"limits": {"weekdays": ["1"]}}, "limits.weekdays.0", "valid integer"),
        ({"limits": {"dateFrom": "2099-02-01", "dateTo": "2099-01-01"}}, "limits", "dateFrom lies after"),
        ({"limits": {"dateTo": "2020-01-01"}}, "limits.dateTo", "is over"),
        ({"limits": {"dateFrom": 20990101}}, "limits.dateFrom", "2026-03-31"),
        ({"limits": {"hourFrom": "12:00", "hourTo": "12:00"}}, "limits", "before hourTo"),
        ({"limits": {"hourFrom": 36000}}, "limits.hourFrom", "09:30"),
        ({"limits": {"hourFrom": "25:00"}}, "limits.hourFrom", "hour"),
        ({"limits": {"sites": ["Lyon"]}}, "limits.sites.0", "their sites: Bobigny, Le Raincy"),
        ({"limits": {"colour": "red"}}, "limits.colour", "not permitted"),
    ],
)
def test_what_is_wrong_with_an_alert_is_named_with_what_exists(
    fields: dict[str, object], path: str, hint: str
) -> None:
    assert hint in refused(WISH | fields)[path]


def test_every_wrong_field_is_named_at_once() -> None:
    found = refused(WISH | {"deskIds": ["x", BOBIGNY, "y"]})
    assert sorted(found) == ["deskIds.0", "deskIds.2"]


def test_what_is_named_twice_is_one_target() -> None:
    wish = NewAlert.model_validate(WISH | {"procedures": ["TITRE_SEJOUR"] * 2, "deskIds": [BOBIGNY] * 2})
    with session() as s:
        targets = resolve_wish(s, wish).targets
    assert [(target.procedure, target.desk_id) for target in targets] == [
        (Procedure.TITRE_SEJOUR, None),
        (None, BOBIGNY),
    ]


def test_a_procedure_is_about_every_watched_desk_that_serves_it_and_one_that_left_the_files_about_none() -> (
    None
):
    target = AlertTarget(prefecture_id="bobigny_93", procedure=Procedure.TITRE_SEJOUR)
    assert [desk.id for desk in find_watched_desks([target])] == ["bobigny_93/naturalisation", BOBIGNY]
    gone = AlertTarget(desk_id="melun_77/gone")
    assert (find_watched_desks([gone]), get_prefecture_id([gone])) == ([], "melun_77")


ID, ROUND = TOWN_HALLS, {"deskIds": [TOWN_HALLS]}


@pytest.fixture
def offer(tmp_path: Path, settings_env: Callable[..., None]) -> Callable[..., None]:
    return partial(add_town_halls, tmp_path, settings_env)


def test_a_round_of_a_quarter_of_an_hour_is_sold_and_shown_with_its_town_halls(
    offer: Callable[..., None], person: People
) -> None:
    offer()
    camille = person(plan=PlanName.URGENCE_7J)
    watch_town_halls(15)
    assert wish(camille, ROUND)[0] == 201
    found = {desk["id"]: desk for desk in camille.get("/api/prefectures/bobigny_93").json["desks"]}
    assert found[ID]["townHalls"] == ["Aubervilliers (93300) n° 2"]
    assert (found[ID]["feasibleInterval"], found[ID]["achievedInterval"]) == (900, None)
    assert found["bobigny_93/titre-sejour"]["townHalls"] is None


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (15.1, "asking all its town halls takes 16 minutes, more than 15 for bobigny_93/mairies"),
        (None, "how long asking all its town halls takes is not known yet for bobigny_93/mairies"),
    ],
)
def test_a_longer_one_is_not_and_its_alert_costs_nothing_until_it_is(
    offer: Callable[..., None], person: People, minutes: float | None, said: str
) -> None:
    offer()
    watch_town_halls(minutes)
    camille = person()
    status, refused = wish(camille, ROUND)
    assert (status, refused["errors"][0]["detail"].split(";")[0]) == (422, said)
    status, kept = wish(camille, ROUND | {"acceptWaiting": True})
    assert (status, kept["awaitsWatch"], kept["isActive"]) == (201, True, False)
    paying = person("dominique@example.org", plan=PlanName.URGENCE_7J)
    _, made = wish(paying, ROUND | {"acceptWaiting": True})
    assert paying.patch(f"/api/alerts/{made['id']}/toggle").status_code == 409
    change(DeskState, feasible_seconds=60)
    assert paying.patch(f"/api/alerts/{made['id']}/toggle").status_code == 200


def test_nothing_is_sold_where_no_operator_has_decided(offer: Callable[..., None], person: People) -> None:
    offer("https://rendezvousonline.fr/")
    watch_town_halls(1)
    _, refused = wish(person(plan=PlanName.URGENCE_7J), ROUND)
    assert (
        "is not watched: its host is not asked before an operator has decided"
        in refused["errors"][0]["detail"]
    )
    assert rows(Alert) == []
