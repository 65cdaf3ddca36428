from typing import Any
from uuid import UUID, uuid4

import time_machine

from api.models.answer import AnswerVia, MatchAnswer
from api.models.appointment import Appointment
from configs.world.plan import PlanName
from tests.api.answers.announcing import read_answer
from tests.clients import Person
from tests.factories import add_match, announce, rows, see
from tests.in_turn import in_turn

PLAN = PlanName.URGENCE_TOTAL  # of Camille's
AT = "2026-12-01T08:30:00Z"


def post(who: Person, alert: UUID, value: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = who.post(f"/api/alerts/{alert}/answers", {"value": value} | body)
    return answer.status_code, answer.json


def test_an_answer_is_stored_for_the_newest_announcement(camille: Person) -> None:
    older = announce(camille.id)
    with time_machine.travel("2026-11-20T09:01:00+00:00", tick=False):
        newer = announce(camille.id, older.alert)
        status, said = post(camille, older.alert, "too_late")
    assert status == 200
    assert (said["value"], said["answeredAt"], said["changeableUntil"]) == (
        "too_late",
        "2026-11-20T09:01:00Z",
        "2026-11-20T10:01:00Z",
    )
    assert said["alert"]["isActive"]
    kept = read_answer(newer)
    assert kept is not None
    assert kept.via is AnswerVia.API
    assert read_answer(older) is None


def test_what_was_never_sent_is_not_the_newest_announcement(camille: Person) -> None:
    told = announce(camille.id)
    detection_id, slots = see("2027-02-05T09:00:00+00:00")
    waits = add_match(told.alert, detection_id, slots)
    assert post(camille, told.alert, "too_late")[0] == 200
    assert {each.match_id for each in rows(MatchAnswer)} == {told.match}
    assert post(camille, told.alert, "found", detectionId=str(detection_id))[0] == 200
    assert waits in {each.match_id for each in rows(MatchAnswer)}


def test_another_announcement_is_named_by_its_detection(camille: Person) -> None:
    older = announce(camille.id)
    newer = announce(camille.id, older.alert)
    assert post(camille, older.alert, "nothing_there", detectionId=str(older.detection))[0] == 200
    assert [each.match_id for each in rows(MatchAnswer)] == [older.match]
    assert post(camille, newer.alert, "too_late", detectionId=str(uuid4()))[0] == 404


def test_found_takes_the_appointment_and_closes_the_alert(camille: Person) -> None:
    told = announce(camille.id)
    appointment = {"at": AT, "place": "Bobigny, guichet 4"}
    for _ in range(2):
        status, said = post(camille, told.alert, "found", appointment=appointment)
        assert (status, said["alert"]["closedBecause"], said["alert"]["appointment"]["at"]) == (
            200,
            "found",
            AT,
        )
    assert len(rows(Appointment)) == 1


@in_turn(
    "body, path",
    [
        ({"value": ["found"]}, "value"),
        ({"value": "found", "at": AT}, "at"),
        ({"value": "too_late", "appointment": {"at": AT}}, ""),
    ],
)
def test_what_is_no_answer_is_named(camille: Person, body: dict[str, Any], path: str) -> None:
    told = announce(camille.id)
    answer = camille.post(f"/api/alerts/{told.alert}/answers", body)
    said: dict[str, Any] = answer.json or {}
    assert (answer.status_code, [each["path"] for each in said["errors"]]) == (422, [path])
    assert rows(MatchAnswer) == []
