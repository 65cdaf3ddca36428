"""Messages that a user asks for to try an alert, and calls of an alert."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api.models.alert import Alert
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState, Grant
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import People, Person, problem
from tests.factories import add_alert, add_contact, change, remove, rows

ADDRESSES = {Channel.SMS: "+33639980017", Channel.TELEGRAM: "100000017"}


@pytest.fixture
def camille(person: People) -> Person:
    """Make a person with a plan and three verified channels."""
    made = person(plan=PlanName.URGENCE_24H)
    for channel, address in ADDRESSES.items():
        add_contact(made.id, channel, address)
    return made


def ask(person: Person, alert: UUID) -> Any:
    return person.post(f"/api/alerts/{alert}/test")


def test_a_test_leaves_on_each_linked_channel_that_is_on_and_proven(camille: Person, door: Door) -> None:
    alert = add_alert(camille.id)
    answer = ask(camille, alert)
    assert (answer.status_code, answer.json) == (
        202,
        {"channels": ["email", "sms", "telegram"]},
    )
    written = rows(Notification)
    assert {(row.kind, row.params["alert"]) for row in written} == {("test_message", str(alert))}
    assert sorted(door.nudged) == sorted(row.id for row in written)
    change(Contact, Contact.channel == Channel.SMS, enabled=False)
    change(Contact, Contact.channel == Channel.TELEGRAM, verified_at=None)
    assert ask(camille, alert).json["channels"] == ["email"]
    change(Contact, enabled=False)
    assert problem(ask(camille, alert)) == (409, "no-channel")


def test_an_sms_needs_a_plan_as_it_costs_and_a_test_speaks_the_language_of_the_alert(camille: Person) -> None:
    remove(Grant)
    alert = add_alert(camille.id, language="en")
    assert ask(camille, alert).json["channels"] == ["email", "telegram"]
    assert {row.language for row in rows(Notification)} == {"en"}


def test_three_tests_a_day_go_by_sms(camille: Person) -> None:
    alert = add_alert(camille.id)

    def ask_after(wait: timedelta) -> bool:
        change(Notification, created_at=Notification.created_at - wait)
        return "sms" in ask(camille, alert).json["channels"]

    by_sms = [ask_after(timedelta(minutes=30)) for _ in range(5)]
    assert by_sms == [True, True, True, False, False]
    assert ask_after(timedelta(days=1))


def test_no_test_goes_by_sms_once_the_day_s_sms_cost_their_ceiling(
    camille: Person, settings_env: Callable[..., None]
) -> None:
    settings_env(SMS_DAY_STOP="1")
    alert = add_alert(camille.id)
    assert "sms" in ask(camille, alert).json["channels"]
    change(Notification, Notification.channel == Channel.SMS, cost=1, accepted_at=clock(), state=State.SENT)
    assert ask(camille, alert).json["channels"] == ["email", "telegram"]


def test_three_an_hour_whatever_the_alert(camille: Person) -> None:
    answers = [ask(camille, add_alert(camille.id)) for _ in range(4)]
    assert [each.status_code for each in answers] == [202, 202, 202, 429]
    assert answers[3].json["type"].endswith(":too-many-requests")
    assert 3500 < int(answers[3].headers["Retry-After"]) <= 3601
    first = rows(Notification)[0].params["test"]
    change(
        Notification,
        Notification.params["test"].astext == first,
        created_at=Notification.created_at - timedelta(hours=1),
    )
    alert = add_alert(camille.id)
    assert [ask(camille, alert).status_code for _ in range(2)] == [202, 429]


def test_ten_at_once_are_three(camille: Person) -> None:
    alert = add_alert(camille.id)
    with ThreadPoolExecutor(10) as threads:
        statuses = threads.map(lambda _: ask(camille, alert).status_code, range(10))
        assert sorted(statuses) == [202] * 3 + [429] * 7
    assert len(rows(Notification)) == 9


WISH: dict[str, Any] = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]}
ON = {"enabled": True}


def create(who: Person, **more: Any) -> tuple[int, dict[str, Any]]:
    answer = who.post("/api/alerts", WISH | more)
    return answer.status_code, answer.json or {}


def edit(who: Person, alert: str, **change: Any) -> tuple[int, dict[str, Any]]:
    answer = who.patch(f"/api/alerts/{alert}", change)
    return answer.status_code, answer.json or {}


def test_calls_are_chosen_at_once_or_later_and_switched_off_without_a_plan(person: People) -> None:
    caller = person(plan=PlanName.URGENCE_TOTAL)
    add_contact(caller.id, Channel.SMS)
    status, made = create(caller)
    assert (status, made["voice"]) == (201, {"enabled": False})
    status, made = create(caller, voice=ON)
    assert (status, made["voice"]) == (201, ON)
    status, made = edit(caller, made["id"], name="Maman")
    assert (status, made["voice"]) == (200, ON)
    remove(Grant)
    status, made = edit(caller, made["id"], voice={"enabled": False})
    assert (status, made["voice"]["enabled"]) == (200, False)
    assert made["limitsVersion"] == 1, "what is watched did not change"
    assert edit(caller, made["id"], voice=ON)[0] == 402


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
