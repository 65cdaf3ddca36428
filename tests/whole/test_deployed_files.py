"""Desk files that change beneath a stack that runs: no program is restarted by hand."""

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.models.base import session
from api.models.check import Check
from configs.clock import clock
from deploy.local.seed import seed
from deploy.local.stack import Stack, is_healthy
from deploy.sample_desk_files import only
from tests.lab.bench.latency import hasty
from tests.waiting import until
from tests.whole.conftest import STACK_JOURNEY, get, quiet_stack

pytestmark = STACK_JOURNEY
DESK, FORM = "bobigny_93/titre-sejour-remise", 16105
SHIPPED = Path(__file__).parents[2] / "deploy" / "sandbox" / "prefectures" / "bobigny_93.yaml"
LONG = 600.0  # seconds; on a busy machine a trial start and a start take a minute each


def leave_out(text: str) -> str:
    """Return Bobigny's file without the desk that is added later."""
    return re.sub(r"  - slug: titre-sejour-remise\n(    .*\n)+", "", text)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    short = {"DEPLOY_SETTLE_SECONDS": "1", "FILES_SECONDS": "0.5"}
    with quiet_stack(lambda text: only("ezbooking", hasty(leave_out(text))), **short) as made:
        seed(made)
        yield made


def file_of(stack: Stack) -> Path:
    return stack.state / "prefectures" / "bobigny_93.yaml"


def count_checks(since: object = None) -> int:
    query = sa.select(sa.func.count()).select_from(Check).where(Check.desk_id == DESK)
    with session() as rows:
        return rows.scalar(query if since is None else query.where(Check.started_at > since)) or 0


def read_files_part(stack: Stack) -> tuple[str, str]:
    part = get(f"http://127.0.0.1:{stack.ports.api}/api/health")[1]["parts"]["files"]
    return part["status"], part["reason"]


def test_a_desk_that_is_added_is_planned_checked_told_and_shown(stack: Stack) -> None:
    until(lambda: is_healthy(stack), LONG)
    assert count_checks() == 0
    port = str(stack.ports.sites)
    whole = only("ezbooking", hasty(SHIPPED.read_text("utf-8"))).replace(":8800", f":{port}")
    file_of(stack).write_text(whole, "utf-8")
    until(count_checks, LONG)
    address = f"http://127.77.0.93:{port}/_control/open"
    body = json.dumps({"form": FORM, "count": 1})
    opened = urllib.request.Request(address, body.encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(opened, timeout=60).close()

    def told() -> bool:
        _, messages = get(f"http://127.0.0.1:{stack.ports.inbox}/api/messages")
        return any(each["seen_at"] for each in messages)  # nothing opens by itself

    until(told, LONG)
    until(lambda: DESK in str(get(f"http://127.0.0.1:{stack.ports.api}/api/prefectures/bobigny_93")[1]), LONG)
    until(lambda: read_files_part(stack)[0] == "ok", LONG)


def test_a_wrong_file_changes_nothing_and_is_named_by_health(stack: Stack) -> None:
    path = file_of(stack)
    text = path.read_text("utf-8")
    path.write_text(text.replace("tier: 1", "tier: 9"), "utf-8")
    programs = {"api", "background", "notifier", "planner"}

    def named() -> bool:
        state, reason = read_files_part(stack)
        return state == "degraded" and all(each in reason for each in programs)

    until(named, LONG)
    assert "bobigny_93.yaml:" in read_files_part(stack)[1]
    assert str(stack.state) not in read_files_part(stack)[1]
    now = clock()
    until(lambda: count_checks(now) >= 2, LONG)
    assert DESK in str(get(f"http://127.0.0.1:{stack.ports.api}/api/prefectures/bobigny_93")[1])
    path.write_text(text, "utf-8")
    until(lambda: read_files_part(stack)[0] == "ok", LONG)
