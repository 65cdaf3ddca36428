import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import redis
import sqlalchemy as sa
from rq import Worker

import notifier
from api.models.base import engine, session
from api.models.notification import Notification, State
from api.models.user import CONTACT_CHANNELS
from deploy.local.valkey import start_valkey
from notifier.channels.batch_sender import most_in_job
from tests.lab.bench.people import Crowd
from tests.notifier.program import Program
from tests.notifier.world import DESK, alert, detection, notifications, person
from tests.samples import try_first
from tests.waiting import PATIENCE, until

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


@pytest.mark.journey
def test_a_worker_outlives_a_redis_that_is_away(
    worker: Callable[..., Program], whole: "Running", settings_env: Callable[..., None], tmp_path: Path
) -> None:
    server = start_valkey(tmp_path / "valkey", durable=False)
    try:
        settings_env(REDIS_URL=server.url())
        alert(person())
        running = worker()
        server.stop()
        running.until(lambda: "redis away" in running.said or "could not connect" in running.said)
        server = start_valkey(tmp_path / "valkey", port=server.port, durable=False)
        notifier.detection_seen(detection())
        running.until(lambda: len(whole.messages("email")) == 1)
        assert running.ends(signal.SIGTERM) == 0
        assert "Traceback" not in running.said
    finally:
        server.stop()


# Many messages, and a worker that dies

_PEOPLE = 250
_LEAST_TAKEN = 30  # of a batch of 100, when its worker dies
_PATIENCE = 400.0


@pytest.fixture
def family(start: Callable[..., Program]) -> Callable[..., Program]:
    """Give a function that starts workers by their names, and waits until they work."""

    def make(*names: str) -> Program:
        made = start("notifier.workers", *(f"--only={name}" for name in names))
        made.until(
            lambda: made.said.count(" working ") + made.said.count(" sweeping ") == len(names), PATIENCE
        )
        return made

    return make


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
@pytest.mark.journey
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("provider", "mode"), [("smtp", "slow"), ("sendgrid", "yes_without_answer")])
def test_a_worker_that_dies_in_a_batch_has_one_batch_told_twice_at_most(
    provider: str,
    mode: str,
    whole: "Running",
    family: Callable[..., Program],
    settings_env: Callable[..., None],
) -> None:
    settings_env(
        MAIL_PROVIDERS=provider, PROVIDER_TIMEOUT_SECONDS="5", LEASE_SECONDS="15", SWEEP_SECONDS="0.2",
        NUDGE_SECONDS="0.5", CROWD_ALERTS="1000",
    )  # fmt: skip
    Crowd("batch", _PEOPLE, f"NULL, NULL, '{DESK}'").write(engine())
    seen = detection()
    running = family("worker-critical", "worker-email", "sweep")
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
