"""The main job end to end on real processes: due, checked, proven, detected, matched, delivered; once, also by a call."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import requests
import sqlalchemy as sa

from api.models.base import session
from api.models.check import Check
from api.models.slot import Detection
from configs.ground.clock import clock
from configs.world.desk import Outcome
from deploy.local.stack import Stack, is_healthy
from deploy.sandbox.addresses import INBOX
from tests.factories import rows
from tests.lab.bench.latency import CODE, open_slot, take_all
from tests.waiting import until
from tests.whole.conftest import STACK_JOURNEY, get, slot_messages
from tests.whole.visitor import LOOK, Visitor, grant_plan

pytestmark = STACK_JOURNEY
DESK = "evry-courcouronnes_91/naturalisation"
PHONE = "+33612345679"
WISH = {"prefectureId": "evry-courcouronnes_91", "procedures": ["NATURALISATION"], "name": "Maman"}


def checks(outcome: Outcome | None = None) -> int:
    with session() as s:
        query = sa.select(sa.func.count()).select_from(Check).where(Check.desk_id == DESK)
        return s.scalar(query if outcome is None else query.where(Check.outcome == outcome)) or 0


def test_everything_says_that_it_is_well(stack: Stack) -> None:
    # Each look asks every part: without a pause it would take its processor from the programs that start.
    until(lambda: is_healthy(stack), pause=0.5)
    until(lambda: get(f"http://127.0.0.1:{stack.ports.api}/api/health")[1]["status"] == "ok", pause=0.5)


@pytest.mark.rule("3.4")
def test_a_slot_is_told_once_on_each_channel_while_it_stays_open(stack: Stack) -> None:
    until(lambda: checks(Outcome.NO_SLOTS))
    before = len(slot_messages(stack))
    open_slot(stack)
    until(lambda: len(slot_messages(stack)) >= before + 4)
    seen = checks(Outcome.SLOTS)
    until(lambda: checks(Outcome.SLOTS) >= seen + 3)
    told = slot_messages(stack)[before:]
    assert sorted(each["channel"] for each in told) == ["email", "push", "sms", "telegram"]
    assert len(rows(Detection, Detection.desk_id == DESK)) == 1
    take_all(stack)


@pytest.mark.rule("3.8")
def test_nobody_took_a_slot(stack: Stack) -> None:
    open_slot(stack)
    before = checks(Outcome.SLOTS)
    until(lambda: checks(Outcome.SLOTS) > before)
    take_all(stack)
    _, asked = get(f"http://127.0.0.1:{stack.ports.inbox}/api/sites/{CODE}/requests")
    assert any("planning::assign" in each["path"] for each in asked)
    assert not [each for each in asked if re.search(r"/booking/create/\d+/[5-9]", each["path"])]
    assert not [each for each in asked if each["method"] == "POST" and each["path"].endswith("/4")]


def test_a_new_user_answers_a_call(stack: Stack) -> None:
    amina = Visitor(stack, "amina@example.org")
    amina.register()
    grant_plan(stack, amina.email)
    amina.sign_in()
    amina.link_phone(PHONE)
    amina.ask("PATCH", "/users/notifications", {"callHours": choose_hours_around_now()})
    alert = amina.ask("POST", "/alerts", WISH | {"voice": {"enabled": True}}, expect=201)
    until(lambda: amina.ask("GET", f"/alerts/{alert['id']}")["lastProvenAt"], pause=LOOK)
    open_slot(stack)
    until(lambda: amina.messages("voice", PHONE))
    act_in_call(stack, amina, "answer")
    until(lambda: list_own_calls(amina) == ["delivered"], pause=LOOK)
    assert "créneau est ouvert" in amina.messages("voice", PHONE)[-1]["text"]
    assert amina.ask("GET", f"/alerts/{alert['id']}")["isActive"]
    take_all(stack)


def choose_hours_around_now() -> dict[str, str]:
    """Return hours of calls that hold for a while from now on."""
    here = clock().astimezone(ZoneInfo("Europe/Paris"))
    begins, ends = here - timedelta(hours=1), here + timedelta(hours=2)
    return {"from": f"{begins:%H:%M}", "until": f"{ends:%H:%M}"}


def act_in_call(stack: Stack, user: Visitor, action: str) -> None:
    """Press a button of the inbox page below the user's last call."""
    call = user.messages("voice", PHONE)[-1]
    url = f"http://{INBOX}:{stack.ports.inbox}/api/calls/{call['provider_id']}"
    assert requests.post(url, json={"action": action}, timeout=60).status_code == 200


def list_own_calls(user: Visitor) -> list[str]:
    """Return the states of a user's calls."""
    items = user.ask("GET", "/notifications")["items"]
    return [each["status"] for each in items if each["channel"] == "voice"]
