"""Devices for web push: added, renewed, listed, removed; refused where they lead elsewhere or are somebody else's."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from api.models.base import session
from api.models.contact_lookup import ContactLookup
from api.models.notification import Notification, Priority, State
from api.models.user import Channel, Contact, ContactState
from configs.clock import clock
from configs.plan import PlanName
from configs.push_keys import draw_keys
from configs.push_subscriptions import read_subscription
from tests.api.world import Door, Person, rows, wait_for
from tests.browser_keys import HOST, draw_p256dh, subscribe

People = Callable[..., Person]
DEVICES = "/api/users/push-devices"
_, PUBLIC_KEY = draw_keys()


@pytest.fixture(autouse=True)
def _push(app: Flask, settings_env: Callable[..., None]) -> None:
    settings_env(VAPID_PUBLIC_KEY=PUBLIC_KEY)


@pytest.fixture
def camille(person: People) -> Person:
    return person(plan=PlanName.URGENCE_24H)


def add(client: FlaskClient, who: Person, name: object = "Firefox", **subscription: Any) -> Any:
    body = (subscription or subscribe()) | {"name": name}
    return client.post(DEVICES, json=body, headers=who.headers)


def listed(client: FlaskClient, who: Person) -> list[dict[str, Any]]:
    shown: dict[str, Any] = client.get(DEVICES, headers=who.headers).json or {}
    assert (shown["publicKey"], shown["limit"]) == (PUBLIC_KEY, 5)
    devices: list[dict[str, Any]] = shown["devices"]
    return devices


def devices() -> list[Contact]:
    return [each for each in rows(Contact) if each.channel is Channel.PUSH]


def is_on(client: FlaskClient, who: Person) -> bool:
    shown: dict[str, Any] = client.get("/api/auth/me", headers=who.headers).json or {}
    return bool(shown["notifyPush"])


def write_sent(who: Person, device: Contact) -> None:
    now = clock()
    with session() as s:
        s.add(
            Notification(
                user_id=who.id, contact_id=device.id, channel=Channel.PUSH, kind="slot_detected", accepted_at=now,
                priority=Priority.CRITICAL, dedupe_key=f"test:{now}", state=State.SENT, next_attempt_at=now,
                next_nudge_at=now,
            )
        )  # fmt: skip


def test_a_device_is_added_and_listed(client: FlaskClient, camille: Person, door: Door) -> None:
    alert = wait_for(camille.id)
    assert listed(client, camille) == []
    assert not is_on(client, camille)
    wish = subscribe()
    answer = add(client, camille, "Firefox, Android", **wish)
    assert answer.status_code == 201
    assert listed(client, camille) == [answer.json]
    assert answer.json.keys() == {"id", "name", "endpointDigest", "createdAt", "lastSentAt"}
    assert answer.json["endpointDigest"] == hashlib.sha256(wish["endpoint"].encode()).hexdigest()[:16]
    assert (answer.json["name"], answer.json["lastSentAt"]) == ("Firefox, Android", None)
    (device,) = devices()
    assert read_subscription(device.address).endpoint == wish["endpoint"]
    assert device.reachable
    assert (device.consent or {})["alerts"]["place"] == "push_device"
    assert is_on(client, camille)
    assert door.caught_up == [alert]


def test_neither_the_subscription_nor_the_name_is_readable_in_the_table(
    client: FlaskClient, camille: Person
) -> None:
    add(client, camille, "Pixel de Camille", **subscribe(path="a@b"))
    with session() as s:
        columns = sa.type_coerce(Contact.address, sa.Text), sa.type_coerce(Contact.device_name, sa.Text)
        stored = s.execute(sa.select(*columns).where(Contact.channel == Channel.PUSH)).one()
    assert all(each.startswith("gAAAAA") for each in stored)
    assert read_subscription(devices()[0].address).endpoint == f"https://{HOST}/a@b"


def test_the_same_endpoint_renews_its_device(client: FlaskClient, camille: Person, door: Door) -> None:
    wait_for(camille.id)
    first = subscribe()
    made = add(client, camille, "Firefox", **first)
    renewed = first | {"keys": {"p256dh": draw_p256dh(), "auth": "A" * 22}}
    again = add(client, camille, "Firefox 2", **renewed)
    assert (again.status_code, again.json["id"]) == (200, made.json["id"])
    assert [each["name"] for each in listed(client, camille)] == ["Firefox 2"]
    assert read_subscription(devices()[0].address).auth == "A" * 22
    assert len(door.caught_up) == 1


def test_the_sixth_device_is_refused(client: FlaskClient, camille: Person) -> None:
    made = [add(client, camille, f"{number}") for number in range(5)]
    assert [each.status_code for each in made] == [201] * 5
    answer = add(client, camille)
    assert (answer.status_code, answer.json["type"].rpartition(":")[2]) == (409, "too-many-devices")
    assert client.delete(f"{DEVICES}/{made[2].json['id']}", headers=camille.headers).status_code == 204
    assert add(client, camille, "5").status_code == 201
    assert [each["name"] for each in listed(client, camille)] == ["0", "1", "3", "4", "5"]


def test_of_six_at_once_five_are_taken(app: Flask, camille: Person) -> None:
    def ask(number: int) -> int:
        return int(add(app.test_client(), camille, f"{number}").status_code)

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(ask, range(6))) == [201] * 5 + [409]
    assert sorted(each.number for each in devices()) == [0, 1, 2, 3, 4]


def test_the_same_subscription_twice_at_once_is_one_device(app: Flask, camille: Person) -> None:
    wish = subscribe()
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda _: add(app.test_client(), camille, **wish).status_code, range(4)))
    assert sorted(codes) == [200, 200, 200, 201]
    assert len(devices()) == 1


def test_a_removed_device_gets_nothing_and_its_messages_stay(client: FlaskClient, camille: Person) -> None:
    device_id = add(client, camille).json["id"]
    write_sent(camille, devices()[0])
    assert listed(client, camille)[0]["lastSentAt"] is not None
    assert client.delete(f"{DEVICES}/{device_id}", headers=camille.headers).status_code == 204
    assert listed(client, camille) == []
    assert rows(ContactLookup) == []
    (kept,) = rows(Notification)
    assert kept.contact_id is None
    assert client.delete(f"{DEVICES}/{device_id}", headers=camille.headers).status_code == 404
    assert not is_on(client, camille)


def test_nobody_sees_or_removes_another_user_s_device(
    client: FlaskClient, camille: Person, person: People
) -> None:
    other = person("other@example.org", plan=PlanName.URGENCE_24H)
    device_id = add(client, camille).json["id"]
    assert listed(client, other) == []
    assert client.delete(f"{DEVICES}/{device_id}", headers=other.headers).status_code == 404
    mail = next(each for each in rows(Contact) if each.channel is Channel.EMAIL)
    assert client.delete(f"{DEVICES}/{mail.id}", headers=camille.headers).status_code == 404
    assert len(listed(client, camille)) == 1


def test_a_browser_that_another_account_used_is_taken_over(
    client: FlaskClient, camille: Person, person: People
) -> None:
    other = person("other@example.org", plan=PlanName.URGENCE_24H)
    wish = subscribe()
    add(client, camille, **wish)
    write_sent(camille, devices()[0])
    assert add(client, other, "Firefox", **wish).status_code == 201
    assert listed(client, camille) == []
    assert len(listed(client, other)) == 1


def test_who_only_knows_an_endpoint_cannot_take_it(
    client: FlaskClient, camille: Person, person: People
) -> None:
    other = person("other@example.org", plan=PlanName.URGENCE_24H)
    wish = subscribe()
    add(client, camille, **wish)
    answer = add(client, other, **wish | {"keys": subscribe()["keys"]})
    assert (answer.status_code, answer.json["type"].rpartition(":")[2]) == (409, "device-taken")
    assert len(listed(client, camille)) == 1


def test_a_device_whose_subscription_ended_is_listed_no_more_and_counts_no_more(
    client: FlaskClient, camille: Person
) -> None:
    wishes = [subscribe() for _ in range(5)]
    for wish in wishes:
        add(client, camille, **wish)
    ended = devices()[0]
    with session() as s:
        s.execute(sa.update(Contact).where(Contact.id == ended.id).values(state=ContactState.BLOCKED))
    assert len(listed(client, camille)) == 4
    assert is_on(client, camille)
    assert add(client, camille).status_code == 201
    assert ended.id not in {each.id for each in devices()}


def test_devices_of_a_former_key_have_ended_and_a_renewed_one_comes_back(
    client: FlaskClient, camille: Person, settings_env: Callable[..., None]
) -> None:
    def use_new_keys() -> None:
        private, public = draw_keys()
        settings_env(VAPID_PRIVATE_KEY=private, VAPID_PUBLIC_KEY=public)

    def list_names() -> list[str]:
        answer: Any = client.get("/api/users/push-devices", headers=camille.headers).json
        return [each["name"] for each in answer["devices"]]

    use_new_keys()
    old = [subscribe() for _ in range(5)]
    for wish in old:
        assert (
            client.post(
                "/api/users/push-devices", json=wish | {"name": "old"}, headers=camille.headers
            ).status_code
            == 201
        )
    use_new_keys()
    assert list_names() == []
    again = client.post("/api/users/push-devices", json=old[0] | {"name": "new"}, headers=camille.headers)
    assert again.status_code in (200, 201), "those of the former key count no more"
    assert list_names() == ["new"]


def test_an_ended_subscription_that_comes_back_is_renewed(
    client: FlaskClient, camille: Person, door: Door
) -> None:
    wait_for(camille.id)
    wish = subscribe()
    made = add(client, camille, **wish)
    with session() as s:
        ended = sa.update(Contact).where(Contact.channel == Channel.PUSH)
        s.execute(ended.values(state=ContactState.BLOCKED, consented_at=None))
    again = add(client, camille, **wish)
    assert (again.status_code, again.json["id"]) == (200, made.json["id"])
    assert devices()[0].reachable
    assert devices()[0].consented_at is not None
    assert len(door.caught_up) == 2


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://push.example.org/x",
        "https://fcm.googleapis.com.example.org/x",
        "https://example.org/fcm.googleapis.com",
        "https://push.services.mozilla.com/x",  # only names below it
        "https://xpush.apple.com/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data",
    ],
)
def test_hosts_that_are_not_listed_are_refused(client: FlaskClient, camille: Person, endpoint: str) -> None:
    _refuse(client, camille, endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        f"http://{HOST}/x",
        f"https://{HOST}:8443/x",
        f"https://{HOST}",
        f"https://{HOST}/x#y",
        f"https://{HOST}/x y",
        f"https://{HOST}/x\\@127.0.0.1",
        f"https://user@{HOST}/x",
        f"https://127.0.0.1\\@{HOST}/x",
        f"https://{HOST.upper()}/x",
        f"https://{HOST}./x",
        f"https://{HOST}/x\r\nHost: 127.0.0.1",
        f"https://{HOST}/é",
        f"//{HOST}/x",
        "file:///etc/passwd",
        f"https://{HOST}/{'x' * 1000}",
        "",
    ],
)
def test_what_is_no_endpoint_is_refused(client: FlaskClient, camille: Person, endpoint: str) -> None:
    _refuse(client, camille, endpoint)


def _refuse(client: FlaskClient, who: Person, endpoint: str) -> None:
    answer = add(client, who, **subscribe() | {"endpoint": endpoint})
    assert answer.status_code == 422, endpoint
    assert {each["path"] for each in answer.json["errors"]} == {"endpoint"}
    assert devices() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("p256dh", "A" * 87),  # 65 bytes, and no point
        ("p256dh", "B" + "A" * 85),
        ("p256dh", "+" + "A" * 86),
        ("p256dh", ""),
        ("auth", "A" * 21),
        ("auth", "A" * 24),
        ("auth", "é" * 22),
    ],
)
def test_keys_that_cannot_encrypt_are_refused(
    client: FlaskClient, camille: Person, name: str, value: str
) -> None:
    wish = subscribe()
    keys: Any = wish["keys"]
    answer = add(client, camille, **wish | {"keys": keys | {name: value}})
    assert (answer.status_code, answer.json["errors"][0]["path"]) == (422, f"keys.{name}")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 81, None, 7])
def test_a_device_has_a_name_of_one_line(client: FlaskClient, camille: Person, name: Any) -> None:
    assert add(client, camille, name).status_code == 422


def test_without_a_plan_push_is_refused_with_the_plans_that_have_it(
    client: FlaskClient, person: People
) -> None:
    answer = add(client, person())
    assert (answer.status_code, answer.json["type"].rpartition(":")[2]) == (402, "plan-needed")
    assert [each["plan"] for each in answer.json["plans"]] == ["URGENCE_24H", "URGENCE_7J", "URGENCE_TOTAL"]


def test_where_no_keys_are_set_up_none_is_added(
    client: FlaskClient, camille: Person, settings_env: Callable[..., None]
) -> None:
    settings_env(VAPID_PUBLIC_KEY="")
    shown: dict[str, Any] = client.get(DEVICES, headers=camille.headers).json or {}
    assert shown["publicKey"] is None
    assert add(client, camille).status_code == 503


def switch(client: FlaskClient, who: Person, **body: Any) -> Any:
    return client.patch("/api/users/notifications", json=body, headers=who.headers)


def test_push_is_switched_for_all_devices(client: FlaskClient, camille: Person, door: Door) -> None:
    refused = switch(client, camille, notifyPush=True)
    assert (refused.status_code, refused.json["type"].rpartition(":")[2]) == (409, "not-linked")
    assert "push-devices" in refused.json["detail"]
    add(client, camille)
    add(client, camille)
    wait_for(camille.id)
    assert switch(client, camille, notifyPush=False).json["notifyPush"] is False
    assert not any(each.reachable for each in devices())
    assert switch(client, camille, notifyPush=True).json["notifyPush"] is True
    assert all(each.reachable for each in devices())
    assert len(door.caught_up) == 1


def test_a_new_device_switches_the_channel_on(client: FlaskClient, camille: Person) -> None:
    add(client, camille)
    switch(client, camille, notifyPush=False)
    add(client, camille)
    assert all(each.reachable and each.consented_at for each in devices())


def test_slot_alerts_are_switched_for_all_devices_and_new_ones_follow(
    client: FlaskClient, camille: Person
) -> None:
    add(client, camille)
    assert switch(client, camille, groups={"slots": {"push": False}}).status_code == 200
    add(client, camille)
    assert [each.stopped_groups for each in devices()] == [["slots"], ["slots"]]
    shown: dict[str, Any] = client.get("/api/users/notifications", headers=camille.headers).json or {}
    assert shown["notifyPush"] is True
    assert [shown["groups"][name]["push"] for name in ("slots", "reminders", "account")] == [
        False,
        None,
        None,
    ]
    assert switch(client, camille, groups={"reminders": {"push": True}}).status_code == 422
    switch(client, camille, groups={"slots": {"push": True}})
    assert [each.stopped_groups for each in devices()] == [[], []]


def test_devices_are_in_the_order_in_which_they_came(client: FlaskClient, camille: Person) -> None:
    with time_machine.travel(clock(), tick=False) as now:
        for name in ("a", "b", "c"):
            add(client, camille, name)
            now.shift(timedelta(minutes=1))
        first = listed(client, camille)[0]
        client.delete(f"{DEVICES}/{first['id']}", headers=camille.headers)
        add(client, camille, "d")
    assert [each["name"] for each in listed(client, camille)] == ["b", "c", "d"]


def test_a_test_message_names_the_channel_of_several_devices_once(
    client: FlaskClient, camille: Person
) -> None:
    add(client, camille)
    add(client, camille)
    answer = client.post(f"/api/alerts/{wait_for(camille.id)}/test", headers=camille.headers)
    assert (answer.status_code, answer.json) == (202, {"channels": ["email", "push"], "smsFrom": None})
    assert len(rows(Notification)) == 3
