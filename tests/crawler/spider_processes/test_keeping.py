"""Spiders under a keeper as real processes: whatever is killed, the desks go on being checked, none by two at once."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import redis

from api.models.check import Check
from configs.ground.clock import clock
from configs.world.prefecture import desks
from crawler.scheduling import due_queue
from deploy.local.environment import write_desk_files
from deploy.local.processes import free_port
from deploy.local.short_periods import gather
from tests.factories import rows
from tests.sample_desk_files import only
from tests.waiting import until

if TYPE_CHECKING:
    from tests.running_sandbox import Running


ROOT = Path(__file__).parents[3]
SHORT = {
    "HTTP_DEADLINE_SECONDS": "4",
    "CLAIM_MARGIN_SECONDS": "1",
    "SPEAKS_SECONDS": "4",
    "RENEWED_SECONDS": "0.5",
    "FEEDER_SLEEP_SECONDS": "0.2",
    "STOP_GRACE_SECONDS": "1",
    "PLANNER_SECONDS": "0.2",
    "KEEPER_SECONDS": "0.3",
    "START_PAUSE_SECONDS": "1",
    "TIER_1_SECONDS": "1",
    "TIER_2_SECONDS": "1",
    "TIER_3_SECONDS": "1",
    "HEARTBEAT_SECONDS": "1",
}
COMMANDS = {  # scrapyd starts the spider
    "planner": ["crawler.loops"],
    "scrapyd": ["deploy.scrapyd"],
}


class House:
    """Programs that run, each started again when it ends, as a supervisor would; `log(name)` is what one wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._supervisor: threading.Thread | None = None
        self._spiders: set[int] = set()

    def open(self) -> None:
        """Start programs and look after them; also after `close`."""
        with self._lock:
            for name in COMMANDS:
                self._start(name)
        if self._supervisor is None:
            self._closed.clear()
            self._supervisor = threading.Thread(target=self._supervise, name="supervisor")
            self._supervisor.start()

    def close(self) -> None:
        """Leave no process behind, neither orphans nor programs."""
        self._closed.set()
        if self._supervisor:
            self._supervisor.join()
            self._supervisor = None
        self._note_spiders()
        for process in self._running.values():
            process.kill()
            process.wait()
        for pid in self._spiders:
            if psutil.pid_exists(pid) and "prefenligne" in psutil.Process(pid).cmdline():
                psutil.Process(pid).kill()

    def pid(self, name: str) -> int:
        """Return a program's process id now."""
        with self._lock:
            return self._running[name].pid

    def kill(self, name: str, number: int) -> int:
        """Send a program a signal; return the process id it had."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def log(self, name: str) -> str:
        """Return what a program wrote; scrapyd's has its spiders' too."""
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def serving(self) -> str | None:
        """Return the name of the spider process that claims, if one does."""
        with due_queue.connect() as client:
            found = {str(key): client.hget(key, "state") for key in client.scan_iter("crawler:process:*")}
        names = [key.removeprefix("crawler:process:") for key, state in found.items() if state == "serving"]
        return names[0] if names else None

    def _start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as sink:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", *COMMANDS[name]],
                cwd=ROOT,
                env=gather({**os.environ}),
                stdout=sink,
                stderr=sink,
            )

    def _supervise(self) -> None:
        while not self._closed.wait(0.05):
            with self._lock:
                for name, process in self._running.items():
                    if process.poll() is not None:
                        self._start(name)
            self._note_spiders()

    def _note_spiders(self) -> None:
        """Remember scrapyd's children: they outlive it."""
        if "scrapyd" in self._running and psutil.pid_exists(pid := self._running["scrapyd"].pid):
            try:
                self._spiders |= {child.pid for child in psutil.Process(pid).children()}
            except psutil.NoSuchProcess:
                return


@contextmanager
def a_house(
    folder: Path, sandbox: "Running", settings_env: Callable[..., None], **variables: object
) -> Iterator[House]:
    """Give a house of the sandbox's desks on short periods, not yet open; leave no process behind."""
    short: dict[str, object] = {**SHORT, "PREFECTURES_DIR": hasty_desks(sandbox, folder / "prefectures")}
    settings_env(**short | variables)
    made = House(folder)
    try:
        yield made
    finally:
        made.close()


def hasty_desks(sandbox: "Running", folder: Path) -> Path:
    """Write the EZBooking desks of the sandbox for one on free ports, each due every second; return their folder.

    One system, so that there is one spider.
    """
    port = sandbox.site("91").rpartition(":")[2]

    def hasty(whole: str) -> str:
        text = re.sub(r"interval: \d+", "interval: 1", whole.replace(":8800", f":{port}"))
        return only("ezbooking", re.sub(r"budget: \d+", "budget: 60000", text))

    write_desk_files(ROOT / "deploy" / "sandbox" / "prefectures", folder, hasty)
    return folder


def checks() -> list[Check]:
    """Return all checks, oldest first."""
    return sorted(rows(Check), key=lambda each: each.started_at)


def all_checked_anew() -> None:
    """Wait until every desk was checked after this moment."""
    now = clock()
    until(lambda: desks().keys() == {each.desk_id for each in checks() if each.started_at > now})


def checked_by(process: str) -> list[Check]:
    """Return the checks of one process (host:pid), oldest first."""
    return [each for each in checks() if each.process == process]


def overlaps() -> list[str]:
    """Name checks of one desk that began before the one before them had ended."""
    last: dict[str, Check] = {}
    found = list[str]()
    for each in checks():
        before = last.get(each.desk_id)
        if before and (each.started_at - before.started_at).total_seconds() * 1000 < before.milliseconds:
            found.append(" then ".join(_describe(check) for check in (before, each)))
        last[each.desk_id] = each
    return found


def _describe(check: Check) -> str:
    return f"{check.desk_id} at {check.started_at} for {check.milliseconds} ms by {check.process}"


pytestmark = [pytest.mark.journey, pytest.mark.processes, pytest.mark.timeout(1200)]
HOLD = 5  # seconds: deadline and margin


@pytest.fixture
def house(
    sandbox: "Running",
    database: str,
    redis_server: redis.Redis,
    tmp_path: Path,
    settings_env: Callable[..., None],
) -> Iterator[House]:
    own = {"STATE_DIR": tmp_path / "state", "SCRAPYD_URL": f"http://127.0.0.1:{free_port()}"}
    with a_house(tmp_path, sandbox, settings_env, LOG_FORMAT="json", **own) as made:
        yield made
    assert overlaps() == []


def test_a_spider_that_is_old_ends_in_order_and_another_serves(
    house: House, settings_env: Callable[..., None]
) -> None:
    settings_env(SPIDER_AGE_SECONDS="30")
    house.open()
    old = until(house.serving)
    another_serves(house, old)
    all_checked_anew()
    until(lambda: not psutil.pid_exists(pid_of(old)))
    new = until(house.serving)
    gap = checked_by(new)[0].started_at - checked_by(old)[-1].started_at
    sys.stderr.write(f"from the last check of the old to the first of the new: {gap.total_seconds():.3f} s\n")
    log = house.log("scrapyd")
    assert "closespider_timeout" in log
    assert "Traceback" not in log + house.log("planner")
    assert "could not be recorded" not in log


def test_a_spider_that_hangs_ends_itself_and_another_serves(
    house: House, settings_env: Callable[..., None]
) -> None:
    """Nothing of it runs for longer than its event loop may stand still."""
    settings_env(SILENT_SECONDS="10")
    house.open()
    old, begun = until(house.serving), time.monotonic()
    os.kill(pid_of(old), signal.SIGSTOP)
    until(lambda: time.monotonic() > begun + 12)
    os.kill(pid_of(old), signal.SIGCONT)
    another_serves(house, old)
    all_checked_anew()
    assert "Timeout (0:00:10)!" in house.log("scrapyd"), "where it hung"


@pytest.mark.rule("3.5")
def test_whoever_is_killed_the_desks_are_checked_again_and_none_by_two_at_once(
    house: House, sandbox: "Running", redis_server: redis.Redis
) -> None:
    house.open()
    all_checked_anew()
    kill_a_spider_in_the_middle_of_a_check(house, sandbox)
    kill_the_planner(house)
    for number in (signal.SIGKILL, signal.SIGTERM):
        kill_scrapyd(house, number)
    spider = until(house.serving)
    redis_server.flushdb()
    all_checked_anew()
    assert until(house.serving) == spider
    assert "Traceback" not in house.log("scrapyd") + house.log("planner")


def kill_a_spider_in_the_middle_of_a_check(house: House, sandbox: "Running") -> None:
    sandbox.mode("77", "hang_forever")
    before = len(sandbox.requests("77"))
    until(lambda: len(sandbox.requests("77")) > before)
    asked, begun, old = len(sandbox.requests("77")), time.monotonic(), until(house.serving)
    os.kill(pid_of(old), signal.SIGKILL)
    sandbox.mode("77", "normal")
    until(lambda: len(sandbox.requests("77")) > asked)
    # As far as others know, the holder of a desk may still be asking.
    assert time.monotonic() - begun > HOLD - 1
    another_serves(house, old)
    all_checked_anew()


def kill_the_planner(house: House) -> None:
    """Spiders do not notice, and the next planner finds them."""
    spider, planner = until(house.serving), house.kill("planner", signal.SIGKILL)
    until(lambda: house.pid("planner") != planner)
    all_checked_anew()
    assert until(house.serving) == spider
    os.kill(pid_of(spider), signal.SIGKILL)
    another_serves(house, spider)
    all_checked_anew()


def kill_scrapyd(house: House, number: signal.Signals) -> None:
    """Its spiders are orphans then, whom no new scrapyd knows."""
    words = "claims no more: its parent process died"
    old, said = until(house.serving), house.log("scrapyd").count(words)
    house.kill("scrapyd", number)
    until(lambda: not psutil.pid_exists(pid_of(old)))
    another_serves(house, old)
    all_checked_anew()
    assert house.log("scrapyd").count(words) == said + 1


def pid_of(name: str) -> int:
    return int(name.rpartition(":")[2])


def another_serves(house: House, name: str) -> None:
    until(lambda: house.serving() not in {None, name})
