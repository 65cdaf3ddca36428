import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import redis
from rq import Worker

import notifier
from api.models.notification import State
from api.models.user import CONTACT_CHANNELS
from tests.notifier.program import Program
from tests.notifier.world import alert, detection, notifications, person
from tests.samples import try_first

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.processes


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    started: list[Program] = []

    def make(*command: str) -> Program:
        started.append(Program(tmp_path / f"log-{len(started)}", sys.executable, "-m", *command))
        return started[-1]

    yield make
    for each in started:
        each.kill()


@pytest.fixture
def worker(start: Callable[..., Program], whole: "Running") -> Callable[..., Program]:
    """Give a function that starts a worker and waits until it takes work."""

    def make(*queues: str) -> Program:
        made = start("notifier.workers", *(queues or ("critical", "email-single", "email-rest")))
        made.until(lambda: "working" in made.said)
        return made

    return make


@pytest.mark.parametrize("signum", try_first([signal.SIGTERM, signal.SIGINT], 1))
def test_a_worker_tells_and_leaves_when_asked(
    signum: signal.Signals, worker: Callable[..., Program], whole: "Running"
) -> None:
    alert(person(channels=CONTACT_CHANNELS))
    running = worker("critical", "email-single", "sms-single", "telegram-single")
    notifier.detection_seen(detection())
    running.until(lambda: len(notifications(State.SENT, State.DELIVERED)) == 3)
    assert {each.channel for each in whole.messages()} == {"email", "sms", "telegram"}
    assert running.ends(signum) == 0
    assert "Traceback" not in running.said
    assert "example.org" not in running.said
    assert "+336" not in running.said


@pytest.mark.journey
def test_a_worker_that_is_asked_in_the_middle_of_a_message_leaves_in_time_and_says_so_in_the_row(
    worker: Callable[..., Program], whole: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="60", LEASE_SECONDS="100")
    alert(person())
    whole.provider_mode("email", "timeout")
    running = worker()
    notifier.detection_seen(detection())
    running.until(lambda: bool(notifications(State.SENDING)))
    assert running.ends(signal.SIGTERM) == 0
    (row,) = notifications()
    assert (row.state, row.reason) == (State.PENDING, "unknown: no answer before the job had to end")
    assert "Traceback" not in running.said


@pytest.fixture
def workers(start: Callable[..., Program], whole: "Running", settings_env: Callable[..., None]) -> Program:
    """Give the parent of two workers and of the sweep, all at work; leases and nudges are short."""
    settings_env(LEASE_SECONDS="1", SWEEP_SECONDS="0.2", NUDGE_SECONDS="0.5")
    chosen = [f"--only={name}" for name in ("worker-email", "worker-many", "sweep")]
    made = start("notifier.workers", *chosen)
    made.until(lambda: made.said.count(" working ") == 2 and " sweeping " in made.said)
    return made


@pytest.mark.rule("3.5")
@pytest.mark.journey
def test_a_worker_that_is_killed_is_replaced_and_loses_nothing(
    workers: Program, whole: "Running", redis_server: redis.Redis
) -> None:
    parent = psutil.Process(workers.process.pid)
    assert (parent.net_connections(), parent.num_threads()) == ([], 1)
    dying, *others = workers.children
    assert [dying.name(), *(each.name() for each in others)] == ["worker-email", "worker-many", "sweep"]
    both = {dying.pid, others[0].pid}
    workers.until(lambda: {each.pid for each in Worker.all(connection=redis_server)} == both)
    alert(person())
    whole.provider_mode("email", "timeout")
    notifier.detection_seen(detection())
    # a call that is still on its way would be accepted as soon as the provider answers again
    workers.until(lambda: whole.provider_calls("email") > 0)
    assert notifications(State.SENDING)
    dying.kill()
    whole.provider_mode("email", "normal")
    workers.until(lambda: bool(notifications(State.SENT)))
    assert len(whole.messages("email")) == 1
    workers.until(lambda: set(others) < set(workers.children))
    assert workers.ends(signal.SIGTERM) == 0
    assert "Traceback" not in workers.said
