"""Calls of an alert: who may choose them, and that a change of something else leaves them."""

from typing import Any

import pytest

from api.models.alert import Alert
from api.models.user import Channel, ContactState, Grant
from configs.world.plan import PlanName
from tests.clients import People, Person
from tests.factories import add_contact, remove, rows

WISH: dict[str, Any] = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]}
ON = {"enabled": True}


@pytest.fixture
def camille(person: People) -> Person:
    who = person(plan=PlanName.URGENCE_TOTAL)
    add_contact(who.id, Channel.SMS)
    return who


def create(who: Person, **more: Any) -> tuple[int, dict[str, Any]]:
    answer = who.post("/api/alerts", WISH | more)
    return answer.status_code, answer.json or {}


def edit(who: Person, alert: str, **change: Any) -> tuple[int, dict[str, Any]]:
    answer = who.patch(f"/api/alerts/{alert}", change)
    return answer.status_code, answer.json or {}


def test_calls_are_chosen_at_once_or_later_and_switched_off_without_a_plan(camille: Person) -> None:
    status, made = create(camille)
    assert (status, made["voice"]) == (201, {"enabled": False})
    status, made = create(camille, voice=ON)
    assert (status, made["voice"]) == (201, ON)
    status, made = edit(camille, made["id"], name="Maman")
    assert (status, made["voice"]) == (200, ON)
    remove(Grant)
    status, made = edit(camille, made["id"], voice={"enabled": False})
    assert (status, made["voice"]["enabled"]) == (200, False)
    assert made["limitsVersion"] == 1, "what is watched did not change"
    assert edit(camille, made["id"], voice=ON)[0] == 402


def test_a_plan_without_calls_is_answered_with_the_one_that_has_them(person: People) -> None:
    who = person(plan=PlanName.URGENCE_7J)
    add_contact(who.id, Channel.SMS)
    _, made = create(who)
    status, refused = edit(who, made["id"], voice=ON)
    assert (status, [each["plan"] for each in refused["plans"]]) == (402, ["URGENCE_TOTAL"])


def test_without_a_number_that_works_calls_are_refused(person: People) -> None:
    numbers: list[dict[str, Any] | None] = [None, {"verified_at": None}, {"state": ContactState.BOUNCED}]
    for each, number in enumerate(numbers):
        who = person(f"p{each}@example.org", plan=PlanName.URGENCE_TOTAL)
        if number is not None:
            add_contact(who.id, Channel.SMS, f"+3361234560{each}", **number)
        status, refused = create(who, voice=ON)
        assert (status, refused["type"].rpartition(":")[2]) == (409, "not-linked")
    assert rows(Alert) == []
