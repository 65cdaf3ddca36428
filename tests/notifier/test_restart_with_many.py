"""Many messages and a restart: a worker or a machine killed in the middle of a crowd, and 50,000 that wait."""

import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import sqlalchemy as sa

import notifier
from api.models.base import engine, new_id, session
from api.models.notification import Notification, Priority, State
from configs.ground.clock import clock
from notifier.channels.batch_sender import most_at_once, most_in_job
from tests.lab.bench.people import Crowd
from tests.notifier.program import Program
from tests.notifier.world import DESK, detection, matched
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = [pytest.mark.processes, pytest.mark.journey, pytest.mark.timeout(600)]
MB = 1024**2
_PEOPLE, _CROWD, _MANY = 250, 3_000, 50_000
_LEAST_TAKEN = 30  # of a batch of 100, when its worker dies
_DIED = 1_000  # of the many, claimed by workers that died
_STRAGGLERS = 500
_GROWTH = 60 * MB
_PATIENCE = 400.0
# Those that are due longest have the lowest priority.
_MIX = sa.text("""
UPDATE notifications n SET priority = m.priority, next_attempt_at = :now - m.waits
FROM (
  SELECT id, CASE WHEN number % 5 < 2 THEN 'critical' WHEN number % 5 = 2 THEN 'immediate'
    WHEN number % 5 = 3 THEN 'scheduled' ELSE 'bulk' END AS priority, number % 5 * interval '1 minute' AS waits
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM notifications) numbered
) m WHERE m.id = n.id
""")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Give a function that starts workers by their names, and waits until they work."""
    started: list[Program] = []

    def make(*names: str) -> Program:
        chosen = [f"--only={name}" for name in names]
        made = Program(tmp_path / f"log-{len(started)}", sys.executable, "-m", "notifier.workers", *chosen)
        started.append(made)
        made.until(
            lambda: made.said.count(" working ") + made.said.count(" sweeping ") == len(names), PATIENCE
        )
        return made

    yield make
    for each in started:
        each.kill()


def count_copies(whole: "Running") -> Counter[str]:
    """Return how often each notification was accepted."""
    return Counter(
        key
        for message in whole.messages()
        for key in (message.custom.get("notification_ids") or message.custom["notification_id"]).split(",")
    )


def count_states() -> dict[State, int]:
    with session() as s:
        counted = s.execute(sa.select(Notification.state, sa.func.count()).group_by(Notification.state))
        return {row[0]: row[1] for row in counted}


def unknown_attempts() -> dict[str, int]:
    with session() as s:
        return {
            str(key): count
            for key, count in s.execute(sa.select(Notification.id, Notification.unknown_attempts))
        }


@pytest.mark.rule("3.5", "6.2")
@pytest.mark.parametrize(("provider", "mode"), [("smtp", "slow"), ("sendgrid", "yes_without_answer")])
def test_a_worker_that_dies_in_a_batch_has_one_batch_told_twice_at_most(
    provider: str,
    mode: str,
    whole: "Running",
    start: Callable[..., Program],
    settings_env: Callable[..., None],
) -> None:
    settings_env(
        MAIL_PROVIDERS=provider, PROVIDER_TIMEOUT_SECONDS="5", LEASE_SECONDS="15", SWEEP_SECONDS="0.2",
        NUDGE_SECONDS="0.5", CROWD_ALERTS="1000",
    )  # fmt: skip
    Crowd("batch", _PEOPLE, f"NULL, NULL, '{DESK}'").write(engine())
    seen = detection()
    running = start("worker-critical", "worker-email", "sweep")
    dying = running.children[0]
    assert dying.name() == "worker-critical", "which sends the mails that it wrote"
    parameters: dict[str, float] = {"seconds": 0.02} if mode == "slow" else {}
    whole.provider_mode(provider, mode, **parameters)  # type: ignore[arg-type] # `count` is none of them
    notifier.detection_seen(seen)
    running.until(lambda: len(whole.messages("email")) >= _LEAST_TAKEN)
    dying.kill()
    whole.provider_mode(provider, "normal")
    taken = len(whole.messages("email"))
    until(lambda: count_states() == {State.SENT: _PEOPLE}, _PATIENCE)
    copies, unknown = count_copies(whole), unknown_attempts()
    assert set(copies) == set(unknown)
    twice = sum(copies.values()) - _PEOPLE
    assert taken <= twice <= most_in_job("email"), "what the dead worker had handed over: its first call"
    assert all(count <= 1 + unknown[key] for key, count in copies.items())


@pytest.mark.rule("3.5")
def test_of_two_machines_with_workers_one_dies_and_a_whole_crowd_is_told(
    whole: "Running", start: Callable[..., Program], settings_env: Callable[..., None]
) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="5", LEASE_SECONDS="7", SWEEP_SECONDS="0.2", NUDGE_SECONDS="0.5")
    Crowd("machines", _CROWD, f"NULL, NULL, '{DESK}'").write(engine())
    machines = [start("worker-critical", "worker-many", "worker-email", "sweep") for _ in range(2)]
    notifier.detection_seen(detection())
    until(lambda: count_states().get(State.SENT, 0) >= _CROWD // 5, _PATIENCE, pause=0.1)
    dying = psutil.Process(machines[0].process.pid)
    for each in (dying, *dying.children(recursive=True)):
        each.kill()
    until(lambda: count_states() == {State.SENT: _CROWD}, _PATIENCE, pause=0.2)
    copies, unknown = count_copies(whole), unknown_attempts()
    assert set(copies) == set(unknown)
    assert all(count <= 1 + unknown[key] for key, count in copies.items())
    twice = sum(copies.values()) - _CROWD
    sys.stderr.write(f"{_CROWD} told, {twice} of them twice\n")
    assert twice <= 3 * most_at_once("email"), "one batch of each worker that died"


def accepted_times() -> dict[Priority, list[datetime]]:
    """Return when the messages of each priority were accepted."""
    found: dict[Priority, list[datetime]] = defaultdict(list)
    with session() as s:
        accepted = sa.select(Notification.priority, Notification.accepted_at)
        for priority, at in s.execute(accepted.where(Notification.accepted_at.is_not(None))):
            found[priority] += [at] if at else []
    return found


def watch_memory(children: list[psutil.Process], stop: threading.Event) -> dict[str, list[int]]:
    """Return the memory that each process had first and at most, until stopped."""
    found = {each.name(): [each.memory_full_info().uss] * 2 for each in children}

    def look() -> None:
        while not stop.wait(0.5):
            for each in children:
                found[each.name()][1] = max(found[each.name()][1], each.memory_full_info().uss)

    threading.Thread(target=look, daemon=True).start()
    return found


@pytest.mark.rule("3.5", "6.8")
def test_fifty_thousand_that_wait_leave_after_a_restart_by_priority_and_once(
    whole: "Running",
    start: Callable[..., Program],
    settings_env: Callable[..., None],
    record_property: Callable[[str, object], None],
) -> None:
    settings_env(CROWD_ALERTS="1000000", REARM_SECONDS="3600", UNCONFIRMED_SECONDS="3600")
    Crowd("many", _MANY, f"NULL, NULL, '{DESK}'").write(engine())
    assert len(matched(detection())) == _MANY
    with session() as s:
        s.execute(_MIX, {"now": clock()})
        few = sa.select(Notification.id).where(Notification.priority == Priority.CRITICAL).limit(_DIED)
        died = {"lease_token": new_id(), "lease_until": clock() - timedelta(seconds=1), "attempts": 1}
        s.execute(sa.update(Notification).where(Notification.id.in_(few)).values(state=State.SENDING, **died))
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM (ANALYZE) notifications"))
    running = start("worker-critical", "worker-many", "worker-email", "sweep")
    stop = threading.Event()
    memory = watch_memory(running.children, stop)
    until(lambda: count_states() == {State.SENT: _MANY}, _PATIENCE, pause=1)
    stop.set()
    copies = count_copies(whole)
    assert (len(copies), max(copies.values())) == (_MANY, 1)
    assert sum(unknown_attempts().values()) == _DIED
    times = accepted_times()
    for higher, lower in pairwise(times[each] for each in Priority):
        late = sum(at > min(lower) for at in higher)
        assert late <= _STRAGGLERS, "whose call failed at first"
    growth = {name: most - before for name, (before, most) in memory.items()}
    record_property("growth in MB", {name: each // MB for name, each in growth.items()})
    ends = max(times[Priority.BULK]), min(times[Priority.CRITICAL])
    record_property("seconds", (ends[0] - ends[1]).total_seconds())
    assert max(growth.values()) < _GROWTH, {name: each // MB for name, each in growth.items()}
