"""Devices for web push: added, renewed, listed, removed; refused where they lead elsewhere or are somebody else's."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask import Flask

from api.commands import push_keys_command
from api.jobs import schedule as jobs
from api.models.base import session
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from configs.ground.push_keys import draw_keys, read_private_key, write_public_key
from configs.ground.push_subscriptions import read_subscription
from configs.settings import settings
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.browser_keys import HOST, draw_p256dh, subscribe
from tests.clients import People, Person, problem
from tests.factories import add_alert, add_message, change, rows
from tests.in_turn import in_turn
from tests.waiting import at_once

PLAN = PlanName.URGENCE_24H  # of Camille's
DEVICES = "/api/users/push-devices"
_, PUBLIC_KEY = draw_keys()


@pytest.fixture(autouse=True)
def _push(app: Flask, settings_env: Callable[..., None]) -> None:
    settings_env(VAPID_PUBLIC_KEY=PUBLIC_KEY)


def add(who: Person, name: object = "Firefox", **subscription: Any) -> Any:
    body = (subscription or subscribe()) | {"name": name}
    return who.post(DEVICES, body)


def listed(who: Person) -> list[dict[str, Any]]:
    shown: dict[str, Any] = who.get(DEVICES).json
    assert (shown["publicKey"], shown["limit"]) == (PUBLIC_KEY, 5)
    devices: list[dict[str, Any]] = shown["devices"]
    return devices


def devices() -> list[Contact]:
    return [each for each in rows(Contact) if each.channel is Channel.PUSH]


def is_on(who: Person) -> bool:
    shown: dict[str, Any] = who.get("/api/auth/me").json
    return bool(shown["notifyPush"])


def write_sent(who: Person, device: Contact) -> None:
    now = clock()
    add_message(who.id, contact_id=device.id, channel=Channel.PUSH, accepted_at=now, state=State.SENT)


def test_a_device_is_added_and_listed(camille: Person, door: Door) -> None:
    alert = add_alert(camille.id)
    assert listed(camille) == []
    assert not is_on(camille)
    wish = subscribe()
    answer = add(camille, "Firefox, Android", **wish)
    assert answer.status_code == 201
    assert listed(camille) == [answer.json]
    assert answer.json.keys() == {"id", "name", "endpointDigest", "createdAt", "lastSentAt"}
    assert answer.json["endpointDigest"] == hashlib.sha256(wish["endpoint"].encode()).hexdigest()[:16]
    assert (answer.json["name"], answer.json["lastSentAt"]) == ("Firefox, Android", None)
    (device,) = devices()
    assert read_subscription(device.address).endpoint == wish["endpoint"]
    assert device.reachable
    assert (device.consent or {})["alerts"]["place"] == "push_device"
    assert is_on(camille)
    assert door.caught_up == [alert]


def test_neither_the_subscription_nor_the_name_is_readable_in_the_table(camille: Person) -> None:
    add(camille, "Pixel de Camille", **subscribe(path="a@b"))
    with session() as s:
        columns = sa.type_coerce(Contact.address, sa.Text), sa.type_coerce(Contact.device_name, sa.Text)
        stored = s.execute(sa.select(*columns).where(Contact.channel == Channel.PUSH)).one()
    assert all(each.startswith("gAAAAA") for each in stored)
    assert read_subscription(devices()[0].address).endpoint == f"https://{HOST}/a@b"


def test_the_same_endpoint_renews_its_device_also_where_that_had_ended(camille: Person, door: Door) -> None:
    add_alert(camille.id)
    first = subscribe()
    made = add(camille, "Firefox", **first)
    for secret, ended in (("A" * 22, False), ("B" * 21 + "A", True)):
        if ended:
            change(Contact, Contact.channel == Channel.PUSH, state=ContactState.BLOCKED, consented_at=None)
        renewed = first | {"keys": {"p256dh": draw_p256dh(), "auth": secret}}
        again = add(camille, "Firefox 2", **renewed)
        assert (again.status_code, again.json["id"]) == (200, made.json["id"])
        assert [each["name"] for each in listed(camille)] == ["Firefox 2"]
        (device,) = devices()
        assert read_subscription(device.address).auth == secret
        assert (device.reachable, device.consented_at is not None) == (True, True)
        assert len(door.caught_up) == 1 + ended


def test_the_sixth_device_is_refused(camille: Person) -> None:
    made = [add(camille, f"{number}") for number in range(5)]
    assert [each.status_code for each in made] == [201] * 5
    answer = add(camille)
    assert problem(answer) == (409, "too-many-devices")
    assert camille.delete(f"{DEVICES}/{made[2].json['id']}").status_code == 204
    assert add(camille, "5").status_code == 201
    assert [each["name"] for each in listed(camille)] == ["0", "1", "3", "4", "5"]


def test_of_six_at_once_five_are_taken(camille: Person) -> None:
    statuses = at_once(lambda number: add(camille, f"{number}").status_code, range(6))
    assert sorted(statuses) == [201] * 5 + [409]
    assert sorted(each.number for each in devices()) == [0, 1, 2, 3, 4]


def test_a_removed_device_gets_nothing_and_its_messages_stay(camille: Person) -> None:
    device_id = add(camille).json["id"]
    write_sent(camille, devices()[0])
    assert listed(camille)[0]["lastSentAt"] is not None
    assert camille.delete(f"{DEVICES}/{device_id}").status_code == 204
    assert listed(camille) == []
    assert devices() == []
    (kept,) = rows(Notification)
    assert kept.contact_id is None
    (mail,) = rows(Contact)
    for key in (device_id, mail.id):  # which is no device
        assert camille.delete(f"{DEVICES}/{key}").status_code == 404
    assert not is_on(camille)


def test_a_browser_that_another_account_used_is_taken_over(camille: Person, person: People) -> None:
    other = person("other@example.org", plan=PlanName.URGENCE_24H)
    wish = subscribe()
    add(camille, **wish)
    write_sent(camille, devices()[0])
    answer = add(other, **wish | {"keys": subscribe()["keys"]})
    assert problem(answer) == (409, "device-taken"), "who only knows the endpoint"
    assert len(listed(camille)) == 1
    assert add(other, "Firefox", **wish).status_code == 201
    assert listed(camille) == []
    assert len(listed(other)) == 1


def test_a_device_whose_subscription_ended_is_listed_no_more_counts_no_more_and_goes_without_its_messages(
    camille: Person,
) -> None:
    wishes = [subscribe() for _ in range(5)]
    for wish in wishes:
        add(camille, **wish)
    ended, other = devices()[:2]
    for each in (ended, other):
        write_sent(camille, each)
    assert "contacts" not in jobs.apply_retention()
    change(Contact, Contact.id == ended.id, state=ContactState.BLOCKED)
    assert len(listed(camille)) == 4
    assert is_on(camille)
    assert add(camille).status_code == 201
    assert ended.id not in {each.id for each in devices()}
    change(Contact, Contact.id == other.id, state=ContactState.BLOCKED)
    assert jobs.apply_retention()["contacts"] == 1
    assert other.id not in {each.id for each in devices()}
    assert [row.contact_id for row in rows(Notification)] == [None, None]


def test_devices_of_a_former_key_have_ended_and_a_renewed_one_comes_back(
    camille: Person, settings_env: Callable[..., None]
) -> None:
    def use_new_keys() -> None:
        private, public = draw_keys()
        settings_env(VAPID_PRIVATE_KEY=private, VAPID_PUBLIC_KEY=public)

    def is_told_as_on() -> set[bool]:
        """Return what all doors say of push: settings, the account, and the operators' page reads the same."""
        settings: Any = camille.get("/api/users/notifications").json
        account: Any = camille.get("/api/auth/me").json
        return {
            settings["notifyPush"],
            account["notifyPush"],
            settings["groups"]["slots"]["push"] is not None,
        }

    def list_names() -> list[str]:
        answer: Any = camille.get("/api/users/push-devices").json
        return [each["name"] for each in answer["devices"]]

    use_new_keys()
    old = [subscribe() for _ in range(5)]
    for wish in old:
        assert camille.post("/api/users/push-devices", wish | {"name": "old"}).status_code == 201
    assert is_told_as_on() == {True}
    use_new_keys()
    assert (list_names(), is_told_as_on()) == ([], {False})
    switched = camille.patch("/api/users/notifications", {"notifyPush": True})
    assert problem(switched) == (409, "not-linked")
    again = camille.post("/api/users/push-devices", old[0] | {"name": "new"})
    assert again.status_code in (200, 201), "those of the former key count no more"
    assert (list_names(), is_told_as_on()) == (["new"], {True})


@in_turn(
    "path, value",
    [
        ("endpoint", "https://fcm.googleapis.com.example.org/x"),
        ("endpoint", "https://169.254.169.254/latest/meta-data"),
        ("endpoint", f"http://{HOST}/x"),
        ("endpoint", f"https://{HOST}:8443/x"),
        ("endpoint", f"https://{HOST}/x\\@127.0.0.1"),
        ("endpoint", f"https://user@{HOST}/x"),
        ("endpoint", f"https://{HOST}/x\r\nHost: 127.0.0.1"),
        ("endpoint", f"https://{HOST}/{'x' * 1000}"),
        ("keys.p256dh", "A" * 87),  # 65 bytes, and no point
        ("keys.auth", "A" * 21),
        ("name", "a\nb"),
    ],
)
def test_what_leads_elsewhere_cannot_encrypt_or_has_no_name_is_refused(
    camille: Person, path: str, value: str
) -> None:
    wish: dict[str, Any] = subscribe() | {"name": "Firefox"}
    (wish["keys"] if path.startswith("keys.") else wish)[path.removeprefix("keys.")] = value
    answer = camille.post(DEVICES, wish)
    assert answer.status_code == 422, value
    assert {each["path"] for each in answer.json["errors"]} == {path}
    assert devices() == []


def test_push_needs_no_plan_for_what_people_report_costs_nothing(person: People) -> None:
    assert add(person()).status_code == 201


def test_where_no_keys_are_set_up_none_is_added(camille: Person, settings_env: Callable[..., None]) -> None:
    settings_env(VAPID_PUBLIC_KEY="")
    shown: dict[str, Any] = camille.get(DEVICES).json
    assert shown["publicKey"] is None
    assert add(camille).status_code == 503


def switch(who: Person, **body: Any) -> Any:
    return who.patch("/api/users/notifications", body)


def test_push_is_switched_for_all_devices(camille: Person, door: Door) -> None:
    refused = switch(camille, notifyPush=True)
    assert problem(refused) == (409, "not-linked")
    assert "push-devices" in refused.json["detail"]
    add(camille)
    add(camille)
    add_alert(camille.id)
    assert switch(camille, notifyPush=False).json["notifyPush"] is False
    assert not any(each.reachable for each in devices())
    add(camille)
    assert all(each.reachable and each.consented_at for each in devices()), (
        "a new one switches the channel on"
    )
    assert switch(camille, notifyPush=False).status_code == 200
    assert switch(camille, notifyPush=True).json["notifyPush"] is True
    assert all(each.reachable for each in devices())
    assert len(door.caught_up) == 2


def test_slot_alerts_are_switched_for_all_devices_and_new_ones_follow(camille: Person) -> None:
    add(camille)
    assert switch(camille, groups={"slots": {"push": False}}).status_code == 200
    add(camille)
    assert [each.stopped_groups for each in devices()] == [["slots"], ["slots"]]
    shown: dict[str, Any] = camille.get("/api/users/notifications").json
    assert shown["notifyPush"] is True
    assert [shown["groups"][name]["push"] for name in ("slots", "reminders", "account")] == [
        False,
        None,
        None,
    ]
    assert switch(camille, groups={"reminders": {"push": True}}).status_code == 422
    switch(camille, groups={"slots": {"push": True}})
    assert [each.stopped_groups for each in devices()] == [[], []]


def test_a_test_message_names_the_channel_of_several_devices_once(camille: Person) -> None:
    add(camille)
    add(camille)
    answer = camille.post(f"/api/alerts/{add_alert(camille.id)}/test")
    assert (answer.status_code, answer.json) == (202, {"channels": ["email", "push"]})
    assert len(rows(Notification)) == 3


def test_what_is_drawn_is_taken_as_settings(settings_env: Callable[..., None]) -> None:
    done = CliRunner().invoke(push_keys_command)
    assert done.exit_code == 0
    settings_env(**dict(line.split("=", 1) for line in done.output.splitlines()))
    assert settings().vapid_private_key is not None
    private_key = read_private_key(settings().require("vapid_private_key"))
    assert write_public_key(private_key) == settings().vapid_public_key
