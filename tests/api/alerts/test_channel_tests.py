from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from api.models.alert import Alert
from api.models.base import session
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, Grant
from configs.clock import clock
from configs.plan import PlanName
from tests.api.world import Door, Person, add_payment, rows, wait_for

ADDRESSES = {Channel.SMS: "+33639980017", Channel.TELEGRAM: "100000017"}


@pytest.fixture
def camille(person: Callable[..., Person]) -> Person:
    """Make a person with a plan and three verified channels."""
    made = person(plan=PlanName.URGENCE_24H)
    with session() as s:
        s.add_all(Contact(user_id=made.id, channel=each, address=to) for each, to in ADDRESSES.items())
        s.flush()
        s.execute(sa.update(Contact).values(verified_at=clock(), enabled=True))
    return made


def ask(client: FlaskClient, person: Person, alert: UUID) -> Any:
    return client.post(f"/api/alerts/{alert}/test", headers=person.headers)


def test_a_test_leaves_on_each_linked_channel(client: FlaskClient, camille: Person, door: Door) -> None:
    alert = wait_for(camille.id)
    answer = ask(client, camille, alert)
    assert (answer.status_code, answer.json) == (
        202,
        {"channels": ["email", "sms", "telegram"], "smsFrom": None},
    )
    written = rows(Notification)
    assert {(row.kind, row.params["alert"]) for row in written} == {("test_message", str(alert))}
    assert sorted(door.nudged) == sorted(row.id for row in written)


def test_a_channel_that_is_off_or_not_proven_gets_none(client: FlaskClient, camille: Person) -> None:
    with session() as s:
        s.execute(sa.update(Contact).where(Contact.channel == Channel.SMS).values(enabled=False))
        s.execute(sa.update(Contact).where(Contact.channel == Channel.TELEGRAM).values(verified_at=None))
    assert ask(client, camille, wait_for(camille.id)).json["channels"] == ["email"]


def test_without_a_channel_it_says_what_to_do(client: FlaskClient, camille: Person) -> None:
    with session() as s:
        s.execute(sa.update(Contact).values(enabled=False))
    answer = ask(client, camille, wait_for(camille.id))
    assert (answer.status_code, answer.json["type"].rpartition(":")[2]) == (409, "no-channel")


def test_an_sms_needs_a_plan_as_it_costs(client: FlaskClient, camille: Person) -> None:
    with session() as s:
        s.execute(sa.delete(Grant))
    assert ask(client, camille, wait_for(camille.id)).json["channels"] == ["email", "telegram"]


def test_three_tests_a_day_go_by_sms(client: FlaskClient, camille: Person) -> None:
    alert = wait_for(camille.id)

    def ask_after(wait: timedelta) -> bool:
        with session() as s:
            s.execute(sa.update(Notification).values(created_at=Notification.created_at - wait))
        return "sms" in ask(client, camille, alert).json["channels"]

    by_sms = [ask_after(timedelta(minutes=30)) for _ in range(5)]
    assert by_sms == [True, True, True, False, False]
    assert ask_after(timedelta(days=1))


def test_no_test_goes_by_sms_once_the_day_s_sms_cost_their_ceiling(
    client: FlaskClient, camille: Person, settings_env: Callable[..., None]
) -> None:
    settings_env(SMS_DAY_STOP="1")
    alert = wait_for(camille.id)
    assert "sms" in ask(client, camille, alert).json["channels"]
    with session() as s:
        paid = sa.update(Notification).where(Notification.channel == Channel.SMS)
        s.execute(paid.values(cost=1, accepted_at=clock(), state=State.SENT))
    assert ask(client, camille, alert).json["channels"] == ["email", "telegram"]


def test_it_speaks_the_language_of_the_alert(client: FlaskClient, camille: Person) -> None:
    alert = wait_for(camille.id)
    with session() as s:
        s.execute(sa.update(Alert).values(language="en"))
    ask(client, camille, alert)
    assert {row.language for row in rows(Notification)} == {"en"}


def test_three_an_hour_whatever_the_alert(client: FlaskClient, camille: Person) -> None:
    answers = [ask(client, camille, wait_for(camille.id)) for _ in range(4)]
    assert [each.status_code for each in answers] == [202, 202, 202, 429]
    assert answers[3].json["type"].endswith(":too-many-requests")
    assert 3500 < int(answers[3].headers["Retry-After"]) <= 3601
    first = rows(Notification)[0].params["test"]
    with session() as s:
        older = sa.update(Notification).where(Notification.params["test"].astext == first)
        s.execute(older.values(created_at=Notification.created_at - timedelta(hours=1)))
    alert = wait_for(camille.id)
    assert [ask(client, camille, alert).status_code for _ in range(2)] == [202, 429]


def test_ten_at_once_are_three(app: Flask, camille: Person) -> None:
    alert = wait_for(camille.id)
    with ThreadPoolExecutor(10) as threads:
        statuses = threads.map(lambda _: ask(app.test_client(), camille, alert).status_code, range(10))
        assert sorted(statuses) == [202] * 3 + [429] * 7
    assert len(rows(Notification)) == 9


def test_no_test_goes_by_sms_within_an_hour_after_an_order(
    frozen: time_machine.Traveller, client: FlaskClient, camille: Person
) -> None:
    alert = wait_for(camille.id)
    add_payment(camille.id)
    sms_from = clock() + timedelta(hours=1)
    frozen.shift(timedelta(minutes=59, seconds=59))
    assert ask(client, camille, alert).json == {
        "channels": ["email", "telegram"],
        "smsFrom": f"{sms_from:%Y-%m-%dT%H:%M:%SZ}",
    }
    frozen.shift(timedelta(seconds=1))
    assert ask(client, camille, alert).json == {"channels": ["email", "sms", "telegram"], "smsFrom": None}


def test_where_an_sms_is_the_only_way_it_says_when(
    frozen: time_machine.Traveller, client: FlaskClient, camille: Person
) -> None:
    alert = wait_for(camille.id)
    add_payment(camille.id)
    with session() as s:
        s.execute(sa.update(Contact).where(Contact.channel != Channel.SMS).values(enabled=False))
    answer = ask(client, camille, alert)
    assert (answer.status_code, answer.json["type"].rpartition(":")[2]) == (409, "sms-later")
    assert answer.json["availableFrom"] == f"{clock() + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
