"""Two nodes beneath a whole stack: one is cut off, stands still or is outdated, and comes back; at last it dies."""

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from api.health.status_report import read_machines
from api.models.base import session
from api.models.desk import DeskState
from api.pages.admin.status.line import BAD
from api.pages.admin.status.watching_lines import list_node_lines
from configs.clock import clock
from configs.node_report import NodeReport
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


@pytest.fixture
def second(stack: Stack, relay: Relay, tmp_path: Path) -> Iterator[House]:
    """Start the node b: a scrapyd, a keeper and desk files of its own. The stack is the node main."""
    server = urlsplit(stack.environment["REDIS_URL"])
    shutil.copytree(desk_files(stack), tmp_path / "prefectures")
    own = {
        "NODE": "b",
        "STATE_DIR": str(tmp_path / "state"),
        "PREFECTURES_DIR": str(tmp_path / "prefectures"),
        "SCRAPYD_URL": f"http://127.0.0.1:{free_port()}",
        "REDIS_URL": server._replace(netloc=f":{server.password}@127.0.0.1:{relay.port}").geturl(),
    }
    made = House(tmp_path, own)
    try:
        made.open("scrapyd", "keeper")
        yield made
    finally:
        made.close()


def desk_files(stack: Stack) -> Path:
    return Path(stack.environment["PREFECTURES_DIR"])


def read_report(name: str) -> NodeReport | None:
    return next((each.report for each in read_machines() if each.name == name), None)


def count_spiders(name: str) -> int | None:
    """Return how many spiders a node reports; None where it does not report."""
    report = read_report(name)
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


def wait_for_time(moment: datetime) -> None:
    until(lambda: clock() >= moment, seconds=3600, pause=0.5)


def measure_slowness(stack: Stack) -> timedelta:
    """Return how much longer than usual main's newest spider took to its first check: other programs' doing."""
    log = (stack.state / LOGS / "keeper.log").read_text("utf-8").splitlines()
    begun = datetime.fromisoformat([line for line in log if "started as job" in line][-1].split()[0])
    first = checked_by(checks()[-1].process)[0].started_at
    return max(timedelta(), first - begun - START)


def check_gaps(stack: Stack, what: str, since: datetime, settled: datetime) -> None:
    """Compare the longest gaps between two checks of the desk with what is allowed: until all has settled, and then."""
    longest, last = (
        max(after - before for before, after in pairwise(check_times(moment))) for moment in (since, settled)
    )
    sys.stderr.write(f"{what}: longest gap {longest}, then {last}\n")
    assert longest <= LATEST + measure_slowness(stack)
    assert last <= timedelta(seconds=1.5 * INTERVAL)


# ten minutes: longer than any lease, period or memory of reports that one keeper has of another
@pytest.mark.parametrize("seconds", [10, 100, 600])
def test_a_node_that_was_cut_off_from_redis_comes_back(
    stack: Stack, second: House, relay: Relay, seconds: int
) -> None:
    move_to_b(second)
    cut = clock()
    relay.mode = "hang"
    wait_for_time(cut + timedelta(seconds=seconds))
    has_moved = count_spiders("main") == 1
    relay.mode = "pass"
    settled = clock() + timedelta(seconds=2 * INTERVAL)
    until(lambda: (count_spiders("main"), count_spiders("b")) == ((1, 0) if has_moved else (0, 1)))
    wait_for_checks(settled)
    assert has_moved == (seconds > INTERVAL)
    check_gaps(stack, f"cut off for {seconds} s", cut, settled)
    assert overlaps() == []


def waits_for_row(node: House) -> bool:
    """Whether a process of a node waits for a lock of PostgreSQL's."""
    ports = {port.laddr.port for each in node.processes() for port in each.net_connections("tcp")}
    with session() as s:
        waiting = sa.text("SELECT client_port FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return not ports.isdisjoint(s.scalars(waiting))


@contextmanager
def stopped_while_writing(node: House) -> Iterator[None]:
    """Stop all of a node, as a virtual machine that is paused, where it has just locked the desk's row."""
    with session() as s:
        s.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        s.execute(sa.select(DeskState).where(DeskState.id == DESK).with_for_update())
        until(lambda: waits_for_row(node))
        processes = node.processes()
        for each in processes:
            each.suspend()
    try:
        yield
    finally:
        for each in processes:
            each.resume()


def test_a_node_that_stood_still_in_a_transaction_goes_on(stack: Stack, second: House) -> None:
    """The others notify meanwhile. Then it learns that its lease and its lead are another's before it does anything."""
    move_to_b(second)
    assert overlaps() == []
    told = len(slot_messages(stack))
    with stopped_while_writing(second):
        stopped = clock()
        open_slot(stack)
        until(lambda: len(slot_messages(stack)) > told)
        late = clock() - stopped
        wait_for_time(stopped + timedelta(seconds=100))
    settled = clock() + timedelta(seconds=2 * INTERVAL)
    until(lambda: (count_spiders("main"), count_spiders("b")) == (1, 0))
    wait_for_checks(settled)
    sys.stderr.write(f"told {late} after the node stood still\n")
    assert late <= LATEST + measure_slowness(stack)
    check_gaps(stack, "stood still for 100 s", stopped, settled)
    assert len(slot_messages(stack)) == told + 4
    # Another desk's check may have stood still, too, its request made: it began before and ended 100 s later.
    assert overlaps(stopped) == []


def test_a_node_that_comes_back_with_old_desk_files_runs_nothing_until_it_has_the_new_ones(
    stack: Stack, second: House
) -> None:
    """Desk files count as code does."""
    begun = clock()
    move_to_b(second)
    old = read_report("b")
    assert old
    died = clock()
    second.close()
    newer = next(iter(desk_files(stack).glob("*.yaml")))
    newer.write_text(newer.read_text("utf-8") + "# newer\n", "utf-8")
    until(
        lambda: "the keeper ends, to be restarted" in (stack.state / LOGS / "keeper.log").read_text("utf-8")
    )
    ended = clock()
    until(lambda: (report := read_report("main")) and report.at > ended and report.version != old.version)
    started = second.log("keeper").count("started as job")
    second.open("scrapyd", "keeper")
    until(lambda: count_spiders("b") is not None)
    back = clock()
    wait_for_checks(back + timedelta(seconds=3 * INTERVAL))
    check_gaps(stack, "came back with old desk files", died, back + timedelta(seconds=INTERVAL))
    assert second.log("keeper").count("started as job") == started
    shutil.copy(newer, second.folder / "prefectures")
    move_to_b(second)
    assert overlaps(begun) == []


def test_a_node_dies_while_a_slot_is_open(stack: Stack, second: House) -> None:
    """The check that dies with it had asked already. The other node notifies the subscriber, once."""
    begun = clock()
    move_to_b(second)
    before = len(slot_messages(stack))
    site = f"http://127.77.0.{CODE}:{stack.ports.sites}/_control"
    get(f"{site}/mode", {"mode": "hang_forever"})
    asked = len(get(f"{site}/requests")[1])
    open_slot(stack)
    until(lambda: len(get(f"{site}/requests")[1]) > asked)
    second.close()
    died = clock()
    get(f"{site}/mode", {"mode": "normal"})
    until(lambda: len(slot_messages(stack)) > before)
    late = clock() - died
    sys.stderr.write(f"told {late} after the node died\n")
    assert late <= LATEST + measure_slowness(stack)
    wait_for_checks(clock(), 2)
    told = [each["channel"] for each in slot_messages(stack)[before:]]
    assert sorted(told) == ["email", "push", "sms", "telegram"]
    assert overlaps(begun) == []
    (line,) = (each for each in list_node_lines(read_machines()) if each.text.startswith("b "))
    assert (line.tone, "muette depuis" in line.text) == (BAD, True)
