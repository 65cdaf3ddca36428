from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine

from api.models.notification import Notification, State
from api.models.user import Channel, Contact, Grant
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import People, Person, problem
from tests.factories import add_alert, add_contact, add_payment, change, remove, rows

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
        {"channels": ["email", "sms", "telegram"], "smsFrom": None},
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


def test_no_test_goes_by_sms_within_an_hour_after_an_order(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    alert = add_alert(camille.id)
    add_payment(camille.id)
    sms_from = clock() + timedelta(hours=1)
    change(Contact, Contact.channel != Channel.SMS, enabled=False)
    answer = ask(camille, alert)
    assert problem(answer) == (409, "sms-later"), "where an SMS is the only way"
    assert answer.json["availableFrom"] == f"{sms_from:%Y-%m-%dT%H:%M:%SZ}"
    change(Contact, enabled=True)
    frozen.shift(timedelta(minutes=59, seconds=59))
    assert ask(camille, alert).json == {
        "channels": ["email", "telegram"],
        "smsFrom": f"{sms_from:%Y-%m-%dT%H:%M:%SZ}",
    }
    frozen.shift(timedelta(seconds=1))
    assert ask(camille, alert).json == {"channels": ["email", "sms", "telegram"], "smsFrom": None}
