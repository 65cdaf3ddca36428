import signal
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import redis
from rq import Worker

import notifier
from api.models.notification import State
from api.models.user import CONTACT_CHANNELS, Channel
from deploy.local.valkey import start_valkey
from tests.notifier.calls_world import callee
from tests.notifier.program import Program
from tests.notifier.world import alert, detection, matched, notifications, person
from tests.samples import try_first

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.processes
_MESSAGES = 9


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


@pytest.mark.rule("3.5")
@pytest.mark.journey
def test_two_workers_of_one_channel_send_each_message_once_and_share_its_rate(
    worker: Callable[..., Program],
    start: Callable[..., Program],
    whole: "Running",
    redis_server: redis.Redis,
    settings_env: Callable[..., None],
) -> None:
    settings_env(SMS_PER_SECOND="2", SWEEP_SECONDS="0.2", NUDGE_SECONDS="0.2")
    for number in range(_MESSAGES):
        alert(person(channels=(Channel.SMS,), addresses={Channel.SMS: f"+3361234{number:04}"}))
    both = [worker("sms-single", "sms-rest") for _ in range(2)]
    matched(detection())
    sweep = start("notifier.sweep")
    sweep.until(lambda: len(notifications(State.SENT)) == _MESSAGES)
    messages = whole.messages("sms")
    assert len({each.to for each in messages}) == len(messages) == _MESSAGES
    times = sorted(each.received_at for each in messages)
    assert times[-1] - times[0] > timedelta(seconds=3), "each took a rate of its own"
    assert all(each.successful_job_count for each in Worker.all(connection=redis_server))
    assert all(each.ends(signal.SIGTERM) == 0 for each in both)


@pytest.mark.rule("3.5")
@pytest.mark.journey
def test_a_worker_that_is_killed_after_a_phone_rang_does_not_make_it_ring_twice_at_once(
    worker: Callable[..., Program],
    start: Callable[..., Program],
    whole: "Running",
    settings_env: Callable[..., None],
) -> None:
    settings_env(
        PROVIDER_TIMEOUT_SECONDS="1", CALL_RING_SECONDS="5", CALL_GAP_SECONDS="1", LEASE_SECONDS="3", SWEEP_SECONDS="0.2",
        API_URL="http://127.0.0.1:4000",
    )  # fmt: skip
    whole.call_answers("rings")
    whole.provider_mode("twilio_calls", "yes_without_answer")
    dying, _ = worker("voice-single"), start("notifier.sweep")
    callee()
    matched(detection())
    dying.until(lambda: len(whole.messages("voice")) == 1)
    dying.kill()
    whole.provider_mode("twilio_calls", "normal")
    worker("voice-single").until(lambda: len(whole.messages("voice")) == 2)
    first, second = whole.messages("voice")
    assert second.received_at - first.received_at > timedelta(seconds=5), "it had ceased to ring"
    (row,) = [each for each in notifications() if each.channel is Channel.VOICE]
    assert row.unknown_attempts == 1


@pytest.mark.rule("3.5")
@pytest.mark.journey
def test_the_sweep_brings_to_a_worker_what_no_nudge_brought(
    worker: Callable[..., Program],
    start: Callable[..., Program],
    whole: "Running",
    settings_env: Callable[..., None],
) -> None:
    settings_env(SWEEP_SECONDS="0.2", NUDGE_SECONDS="0.2")
    alert(person())
    detection()
    running, sweep = worker(), start("notifier.sweep")
    running.until(lambda: len(whole.messages("email")) == 1)
    assert sweep.ends(signal.SIGINT) == 0


@pytest.mark.journey
def test_a_worker_is_replaced_by_age(
    worker: Callable[..., Program], settings_env: Callable[..., None]
) -> None:
    settings_env(WORKER_AGE_SECONDS="1")
    assert worker().ends(within=30) == 0


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


@pytest.mark.journey
def test_a_worker_that_starts_without_redis_waits_for_it(
    start: Callable[..., Program], database: str, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0")
    running = start("notifier.workers", "critical")
    running.until(lambda: "redis away, trying again" in running.said)
    assert running.ends(signal.SIGTERM) == 0
    assert "Traceback" not in running.said
