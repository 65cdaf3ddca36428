"""Alerts whose slots no check can see are refused with the reason, or kept if the request accepts waiting."""

from typing import Any
from uuid import UUID

from api.models.alert import Alert
from api.models.base import session
from api.models.desk import DeskState
from api.models.discovery import Drift, DriftReason
from configs.ground.clock import clock
from configs.world.outcome import Outcome
from configs.world.plan import PlanName
from configs.world.prefecture import Procedure
from tests.api.world import Door
from tests.clients import People, Person
from tests.factories import BOBIGNY, add_desk, change, rows, save
from tests.in_turn import in_turn

PLAN = PlanName.URGENCE_TOTAL  # of Camille's
HIDDEN = {"prefectureId": "bobigny_93", "procedures": ["NATURALISATION"]}


def wish(person: Person, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
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


def test_one_desk_whose_slots_are_seen_is_enough_but_nothing_unchecked_is_sold_beside_it(
    camille: Person,
) -> None:
    assert wish(camille, HIDDEN | {"deskIds": [BOBIGNY]})[0] == 201
    for more in ({}, {"acceptWaiting": True}):
        status, said = wish(camille, {"deskIds": [BOBIGNY, "bobigny_93/visa"]} | more)
        assert (status, [each["path"] for each in said["errors"]]) == (422, ["deskIds.1"])


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
