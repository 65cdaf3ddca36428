"""Journeys of a new user and a new operator through a whole stack, by the API alone."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from configs.ground.clock import clock
from deploy.local.seed import seed
from deploy.local.stack import Stack
from deploy.sample_desk_files import only
from deploy.sandbox.addresses import INBOX
from tests.lab.bench.latency import hasty, open_slot, take_all
from tests.waiting import until
from tests.whole.conftest import STACK_JOURNEY, appoint_admin, quiet_stack
from tests.whole.visitor import LOOK, Visitor

pytestmark = STACK_JOURNEY
PHONE, CHAT, OTHER_PHONE = "+33612345678", 100000042, "+33612345679"
WISH = {"prefectureId": "evry-courcouronnes_91", "procedures": ["NATURALISATION"], "name": "Maman"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    # A message without success is dead in seconds.
    soon = {"RETRY_SECONDS": "0.2", "RETRY_MAX_SECONDS": "1", "GIVE_UP_SECONDS": "3"}
    with quiet_stack(lambda text: only("ezbooking", hasty(text)), **soon) as made:
        seed(made)
        yield made


@pytest.fixture(scope="module")
def admin(stack: Stack) -> Visitor:
    """Make an admin beside the one that the stack has, who has no password."""
    one = Visitor(stack, "oscar@example.org")
    one.register()
    assert len(appoint_admin(one)) == 10
    return one


def search_user(admin: Visitor, email: str) -> str:
    """Return the page's address of the user whom an operator finds by an address."""
    found = admin.send("/admin/utilisateurs", "/recherche", email=email)
    (address,) = set(re.findall(r"/admin/utilisateurs/[0-9a-f-]{36}", found))
    return str(address)


def give_plan(admin: Visitor, email: str) -> None:
    """Have the admin give URGENCE_TOTAL."""
    user = search_user(admin, email)
    admin.prove()
    assert "est donnée" in admin.send(f"{user}/formule", "/formule", plan="URGENCE_TOTAL")


def slot_alerts(user: Visitor) -> dict[str, list[dict[str, Any]]]:
    """Return the alerts of slots that reached a user, by channel."""
    addresses = {"email": user.email, "sms": PHONE, "telegram": str(CHAT)}
    return {channel: user.messages(channel, to, slots=True) for channel, to in addresses.items()}


def test_a_new_user_is_told_of_a_slot_on_three_channels(stack: Stack, admin: Visitor) -> None:
    nadia = Visitor(stack, "nadia@example.org")
    nadia.register()
    nadia.sign_in()
    nadia.ask("POST", "/alerts", WISH, expect=402)
    give_plan(admin, nadia.email)
    nadia.link_telegram(CHAT)
    nadia.link_phone(PHONE)
    alert = nadia.ask("POST", "/alerts", WISH, expect=201)
    assert alert["isActive"]
    until(lambda: nadia.ask("GET", f"/alerts/{alert['id']}")["lastProvenAt"], pause=LOOK)
    open_slot(stack)
    until(lambda: all(slot_alerts(nadia).values()))
    assert {channel: len(found) for channel, found in slot_alerts(nadia).items()} == {
        "email": 1, "sms": 1, "telegram": 1,
    }  # fmt: skip
    check_detection(nadia, alert["id"])
    check_later_changes(nadia, alert["id"])
    take_all(stack)


def test_a_new_user_answers_a_call(stack: Stack, admin: Visitor) -> None:
    amina = Visitor(stack, "amina@example.org")
    amina.register()
    amina.sign_in()
    give_plan(admin, amina.email)
    amina.link_phone(OTHER_PHONE)
    amina.ask("PATCH", "/users/notifications", {"callHours": choose_hours_around_now()})
    alert = amina.ask("POST", "/alerts", WISH | {"voice": {"enabled": True}}, expect=201)
    until(lambda: amina.ask("GET", f"/alerts/{alert['id']}")["lastProvenAt"], pause=LOOK)
    open_slot(stack)
    until(lambda: amina.messages("voice", OTHER_PHONE))
    act_in_call(stack, amina, "answer")
    until(lambda: list_own_calls(amina) == ["delivered"], pause=LOOK)
    assert "créneau est ouvert" in amina.messages("voice", OTHER_PHONE)[-1]["text"]
    assert amina.ask("GET", f"/alerts/{alert['id']}")["isActive"]
    take_all(stack)


def choose_hours_around_now() -> dict[str, str]:
    """Return hours of calls that hold for a while from now on."""
    here = clock().astimezone(ZoneInfo("Europe/Paris"))
    begins, ends = here - timedelta(hours=1), here + timedelta(hours=2)
    return {"from": f"{begins:%H:%M}", "until": f"{ends:%H:%M}"}


def act_in_call(stack: Stack, user: Visitor, action: str) -> None:
    """Press a button of the inbox page below the user's last call."""
    call = user.messages("voice", OTHER_PHONE)[-1]
    url = f"http://{INBOX}:{stack.ports.inbox}/api/calls/{call['provider_id']}"
    assert requests.post(url, json={"action": action}, timeout=60).status_code == 200


def list_own_calls(user: Visitor) -> list[str]:
    """Return the states of a user's calls."""
    items = user.ask("GET", "/notifications")["items"]
    return [each["status"] for each in items if each["channel"] == "voice"]


def check_detection(nadia: Visitor, alert_id: str) -> None:
    """Read the detection, its slot, and the proof, which a process of its own uploads."""
    (listed,) = nadia.ask("GET", "/detections")["items"]
    assert listed["alertIds"] == [alert_id]
    path = f"/detections/{listed['id']}"
    proof = until(lambda: nadia.ask("GET", path)["proof"], pause=LOOK)
    page = until(lambda: answer if (answer := requests.get(proof, timeout=60)).ok else None, pause=LOOK)
    assert "Essonne" in page.text
    (slot,) = nadia.ask("GET", path)["slots"]
    assert slot["goneAt"] is None


def check_later_changes(nadia: Visitor, alert_id: str) -> None:
    """Change the limits, report the appointment, set up a second factor, end another login."""
    changed = nadia.ask("PATCH", f"/alerts/{alert_id}", {"limits": {"weekdays": [1, 5], "hourFrom": "09:00"}})
    assert (changed["limitsVersion"], changed["limits"]["weekdays"]) == (2, [1, 5])
    found = nadia.ask("POST", f"/alerts/{alert_id}/found", {"place": "Évry, guichet 4"})
    assert (found["closedBecause"], found["isActive"]) == ("found", False)
    nadia.enable_second_factor()
    before = nadia.token
    nadia.sign_in()
    logins = nadia.ask("GET", "/auth/logins")["items"]
    (other,) = [each["id"] for each in logins if not each["current"]]
    nadia.ask("DELETE", f"/auth/logins/{other}", expect=204)
    nadia.token, now = before, nadia.token
    nadia.ask("GET", "/auth/me", expect=401)
    nadia.token = now
    assert nadia.ask("GET", "/auth/me")["totpEnabled"]
