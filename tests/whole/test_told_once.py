"""The main job end to end on real processes: due, checked, proven, detected, matched, delivered; once."""

import re
import urllib.request
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.models.alert import Alert
from api.models.base import session
from api.models.check import Check
from api.models.slot import Detection
from configs.world.outcome import Outcome
from deploy.local.seed import EMAIL
from deploy.local.stack import Stack, is_healthy
from deploy.local.state_dir import LOGS
from tests.factories import rows
from tests.lab.bench.latency import CODE, open_slot, take_all
from tests.waiting import until
from tests.whole.conftest import STACK_JOURNEY, get, slot_messages

pytestmark = STACK_JOURNEY
DESK = "evry-courcouronnes_91/naturalisation"


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


def find_events(folder: Path, key: str) -> dict[str, set[str]]:
    """Return, by log, the events of the lines that name a detection."""
    found: dict[str, set[str]] = {}
    for log in folder.glob("*.log"):
        for line in log.read_text("utf-8", "replace").splitlines():
            if key in line and (event := re.search(r"\b(check|matched|sent|delivered)\b", line)):
                found.setdefault(log.stem, set()).add(event[1])
    return found


def test_a_detection_is_followed_through_the_logs_of_all_programs(stack: Stack) -> None:
    with session() as s:
        key = str(s.scalar(sa.select(Detection.id).where(Detection.desk_id == DESK)))
    wanted = {"scrapyd": {"check"}, "notifier": {"matched", "sent", "delivered"}}
    logs = stack.state / LOGS
    until(lambda: find_events(logs, key) == wanted)


@pytest.mark.rule("3.8")
def test_nobody_took_a_slot(stack: Stack) -> None:
    open_slot(stack)
    before = checks(Outcome.SLOTS)
    until(lambda: checks(Outcome.SLOTS) > before)
    take_all(stack)
    _, asked = get(f"http://127.77.0.{CODE}:{stack.ports.sites}/_control/requests")
    assert any("planning::assign" in each["path"] for each in asked)
    assert not [each for each in asked if re.search(r"/booking/create/\d+/[5-9]", each["path"])]
    assert not [each for each in asked if each["method"] == "POST" and each["path"].endswith("/4")]


def test_the_mail_stops_the_alert_by_a_button_and_not_by_opening_it(stack: Stack) -> None:
    open_slot(stack)
    mail = until(lambda: next((each for each in slot_messages(stack) if each["channel"] == "email"), None))
    assert mail["to"] == EMAIL
    link = re.search(rf"http://127\.0\.0\.1:{stack.ports.api}/l/stop\.[^\s\"]+", mail["text"])
    assert link

    def open_alerts() -> int:
        with session() as s:
            return s.scalar(sa.select(sa.func.count()).where(Alert.closed_at.is_(None))) or 0

    alerts = open_alerts()
    page(link[0])
    assert open_alerts() == alerts
    page(link[0], post=True)
    assert open_alerts() == alerts - 1


def page(url: str, *, post: bool = False) -> None:
    with urllib.request.urlopen(url, data=b"" if post else None, timeout=60) as answer:
        assert answer.status == 200
        assert "text/html" in answer.headers["Content-Type"]
