"""A second machine beside the first, which is cut off and dies while slots open: nothing is lost, nothing told twice."""

from collections.abc import Iterator

import psutil
import pytest
import redis
import sqlalchemy as sa

from api.models.base import session
from deploy.local.stack import Stack
from deploy.sample_desk_files import only
from tests.lab.bench.latency import hasty, open_slot, seed_by_mail_only, take_all
from tests.waiting import until
from tests.whole.conftest import STACK_JOURNEY, any_ports, get, quiet_stack_on, slot_messages
from tests.whole.second_machine import SECOND, SecondMachine, joined, why_not

pytestmark = [*STACK_JOURNEY, pytest.mark.skipif(bool(why_not()), reason=why_not())]
# What a lost machine held is taken up again after these, not after the quarter of a minute of a server.
SHORT = {
    "SPEAKS_SECONDS": "3", "RENEWED_SECONDS": "1", "LEASE_SECONDS": "3", "NUDGE_SECONDS": "0.5",
    "SWEEP_SECONDS": "0.5", "REARM_SECONDS": "2",
}  # fmt: skip
# How often each slot that opened was told, in messages that the provider accepted.
TOLD = sa.text("""
SELECT s.id, count(DISTINCT n.id) FROM slots s
  LEFT JOIN detection_slots d ON d.slot_id = s.id
  LEFT JOIN matches m ON m.detection_id = d.detection_id
  LEFT JOIN notifications n ON n.announcement_id = m.announcement_id AND n.accepted_at IS NOT NULL
GROUP BY s.id""")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    ports = any_ports()
    urls = f"http://127.0.0.1:{ports.scrapyd},http://{SECOND}:{ports.scrapyd}"
    with quiet_stack_on(
        ports, lambda text: only("ezbooking", hasty(text)), {"SCRAPYD_URLS": urls} | SHORT
    ) as made:
        seed_by_mail_only(made)
        yield made


@pytest.fixture(scope="module")
def second(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondMachine]:
    with joined(stack, tmp_path_factory.mktemp("second")) as made:
        yield made


def serving(stack: Stack) -> set[int]:
    """Return the process ids of the spiders that claim desks."""
    client = redis.Redis.from_url(stack.environment["REDIS_URL"], decode_responses=True)
    entries = {key: client.hget(key, "state") for key in client.scan_iter("crawler:process:*")}
    return {int(key.rpartition(":")[2]) for key, state in entries.items() if state == "serving"}


def inside(second: SecondMachine) -> set[int]:
    return {each.pid for each in second.list_processes()}


def is_shared(stack: Stack, second: SecondMachine) -> bool:
    """Whether one spider serves on each machine."""
    found = serving(stack)
    return len(found) == 2 and len(found & inside(second)) == 1


def count_told() -> list[int]:
    with session() as s:
        return [told for _, told in s.execute(TOLD)]


def health(stack: Stack) -> tuple[str, str]:
    part = get(f"http://127.0.0.1:{stack.ports.api}/api/health")[1]["parts"]["scrapyd"]
    return part["status"], part["reason"]


def test_both_machines_check_and_tell(stack: Stack, second: SecondMachine) -> None:
    until(lambda: is_shared(stack, second))
    # A worker has its name a moment after its start
    until(
        lambda: (
            {"worker-critical", "worker-email", "sweep"}
            <= {psutil.Process(pid).name() for pid in inside(second)}
        )
    )
    open_slot(stack)
    until(lambda: count_told() == [1])


@pytest.mark.rule("3.5")
def test_one_of_two_that_dies_loses_nothing_and_doubles_nothing(stack: Stack, second: SecondMachine) -> None:
    until(lambda: is_shared(stack, second))
    opened = len(count_told())
    for number in range(6):
        open_slot(stack)
        if number == 2:
            second.kill()
    opened += 6
    until(lambda: count_told() == [1] * opened)
    until(lambda: len(serving(stack)) == 1)
    assert inside(second) == set()
    until(lambda: health(stack)[0] == "degraded" and SECOND in health(stack)[1])
    open_slot(stack)  # the first one goes on alone
    until(lambda: count_told() == [1] * (opened + 1))
    with session() as s:
        accepted = s.scalar(
            sa.text(
                "SELECT count(*) FROM notifications WHERE accepted_at IS NOT NULL AND kind = 'slot_detected'"
            )
        )
    assert len(slot_messages(stack)) == accepted  # as the provider counts
    take_all(stack)


def test_one_that_is_back_takes_its_part_again(stack: Stack, second: SecondMachine) -> None:
    second.mend_cable()
    second.start()
    until(lambda: is_shared(stack, second))
    until(lambda: health(stack)[0] == "ok")
