"""Two nodes beneath a whole stack: one is cut off and comes back, then it dies while a slot is open."""

import re
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from urllib.parse import urlsplit

import pytest

from api.health.status_report import read_machines
from api.pages.admin.status.line import BAD
from api.pages.admin.status.watching_lines import list_node_lines
from configs.clock import clock
from deploy.bench.latency import CODE, open_slot
from deploy.local.processes import free_port
from deploy.local.seed import seed
from deploy.local.stack import Stack, is_healthy
from deploy.local.state_dir import LOGS
from deploy.sample_desk_files import only
from tests.crawler.house import SYSTEM, House, checked_by, checks, overlaps
from tests.deploy.metrics.relay import Relay
from tests.waiting import until
from tests.whole.conftest import get, quiet_stack, slot_messages

pytestmark = [
    pytest.mark.journey,
    pytest.mark.processes,
    pytest.mark.xdist_group("stacks"),
    pytest.mark.timeout(1800),
]
DESK = "evry-courcouronnes_91/naturalisation"
DEADLINE, INTERVAL = 20, 30  # seconds; both as shipped
LATEST = timedelta(seconds=DEADLINE + 2 * INTERVAL)
START = timedelta(seconds=10)  # of a spider, where the machine has nothing else to do


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    def slow_down(text: str) -> str:
        return only("ezbooking", re.sub(r"interval: \d+", f"interval: {INTERVAL}", text))

    with quiet_stack(slow_down) as made:
        seed(made)
        until(lambda: is_healthy(made))
        yield made


@pytest.fixture(scope="module")
def relay(stack: Stack) -> Iterator[Relay]:
    """Stand between the second node and Redis."""
    server = urlsplit(stack.environment["REDIS_URL"])
    with Relay(("127.0.0.1", server.port or 0)) as made:
        yield made


@pytest.fixture(scope="module")
def second(stack: Stack, relay: Relay) -> Iterator[House]:
    """Start the node b: a scrapyd and a keeper of its own. The stack is the node main."""
    folder = stack.state / "b"
    folder.mkdir()
    server = urlsplit(stack.environment["REDIS_URL"])
    own = {
        "NODE": "b",
        "STATE_DIR": str(folder / "state"),
        "SCRAPYD_URL": f"http://127.0.0.1:{free_port()}",
        "REDIS_URL": server._replace(netloc=f":{server.password}@127.0.0.1:{relay.port}").geturl(),
    }
    made = House(folder, own)
    try:
        made.open("scrapyd", "keeper")
        yield made
    finally:
        made.close()


def count_spiders(name: str) -> int | None:
    """Return how many spiders a node reports; None where it does not report."""
    report = next((each.report for each in read_machines() if each.name == name), None)
    return report.running.get(SYSTEM, 0) if report else None


def move_to_b(second: House) -> None:
    """Let the stack's only spider run at b: it stays there when main takes work again."""
    until(lambda: count_spiders("b") is not None)
    second.run("nodes", "--drain", "main", "--reason", "a move")
    until(lambda: (count_spiders("main"), count_spiders("b")) == (0, 1))
    second.run("nodes", "--go", "main")
    wait_for_checks(clock())


def check_times(since: datetime) -> list[datetime]:
    """Return when the desk's checks began, beginning with the last one before `since`."""
    began = [each.started_at for each in checks() if each.desk_id == DESK]
    return began[max(0, sum(each < since for each in began) - 1) :]


def wait_for_checks(since: datetime, number: int = 1) -> None:
    until(lambda: sum(each > since for each in check_times(since)) >= number, pause=0.5)


def longest_gap(times: list[datetime]) -> timedelta:
    return max(after - before for before, after in pairwise(times))


def measure_slowness(stack: Stack) -> timedelta:
    """Return how much longer than usual main's newest spider took to its first check: other programs' doing."""
    log = (stack.state / LOGS / "keeper.log").read_text("utf-8").splitlines()
    begun = datetime.fromisoformat([line for line in log if "started as job" in line][-1].split()[0])
    first = checked_by(checks()[-1].process)[0].started_at
    return max(timedelta(), first - begun - START)


@pytest.mark.parametrize("seconds", [10, 100])
def test_a_node_that_was_cut_off_from_redis_comes_back(
    stack: Stack, second: House, relay: Relay, seconds: int
) -> None:
    move_to_b(second)
    cut, end = clock(), time.monotonic() + seconds
    relay.mode = "hang"
    until(lambda: time.monotonic() > end, pause=0.5)
    has_moved = count_spiders("main") == 1
    relay.mode = "pass"
    settled = clock() + timedelta(seconds=2 * INTERVAL)
    until(lambda: (count_spiders("main"), count_spiders("b")) == ((1, 0) if has_moved else (0, 1)))
    wait_for_checks(settled)
    longest, last = longest_gap(check_times(cut)), longest_gap(check_times(settled))
    sys.stderr.write(f"cut off for {seconds} s: longest gap {longest}, then {last}\n")
    assert has_moved == (seconds > INTERVAL)
    assert longest <= LATEST + measure_slowness(stack)
    assert last <= timedelta(seconds=1.5 * INTERVAL)
    assert overlaps() == []


def test_a_node_dies_while_a_slot_is_open(stack: Stack, second: House) -> None:
    """The check that dies with it had asked already. The other node notifies the subscriber, once."""
    move_to_b(second)
    site = f"http://127.77.0.{CODE}:{stack.ports.sites}/_control"
    get(f"{site}/mode", {"mode": "hang_forever"})
    asked = len(get(f"{site}/requests")[1])
    open_slot(stack)
    until(lambda: len(get(f"{site}/requests")[1]) > asked)
    second.close()
    died = clock()
    get(f"{site}/mode", {"mode": "normal"})
    until(lambda: slot_messages(stack))
    late = clock() - died
    sys.stderr.write(f"told {late} after the node died\n")
    assert late <= LATEST + measure_slowness(stack)
    wait_for_checks(clock(), 2)
    told = [each["channel"] for each in slot_messages(stack)]
    assert sorted(told) == ["email", "push", "sms", "telegram"]
    assert overlaps() == []
    (line,) = (each for each in list_node_lines(read_machines()) if each.text.startswith("b "))
    assert (line.tone, "muette depuis" in line.text) == (BAD, True)
