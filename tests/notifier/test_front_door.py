"""The notifier's front door for other programs, its jobs, its dead letters, and its workers as processes."""

import signal
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psutil
import pytest
import redis
import time_machine
from rq import Worker
from structlog.testing import capture_logs

import notifier
from api.models.base import session
from api.models.notification import Notification, Priority, State
from api.models.slot import Detection, SlotRow
from api.models.user import CONTACT_CHANNELS, Channel
from configs.ground.clock import clock
from configs.programs.jobs import queue
from notifier.jobs import catch_up, deliver, match
from notifier.workers import get_ready
from tests.notifier import world
from tests.notifier.program import Program

if TYPE_CHECKING:
    from tests.running_sandbox import Running

Queued = Callable[[str], list[tuple[str, list[Any]]]]


def test_each_change_of_an_alert_asks_to_catch_up_again_and_no_job_stays_for_ever(
    queued: Queued, redis_server: redis.Redis
) -> None:
    changed = uuid4()
    notifier.ask_catch_up(changed)
    notifier.ask_catch_up(changed)
    assert queued("critical") == [("notifier.jobs.catch_up", [str(changed)])] * 2
    assert all(0 < redis_server.ttl(job.key) <= 3600 for job in queue("critical").get_jobs())


@pytest.mark.rule("6.6")
def test_redis_away_is_a_warning_each_and_leaves_all_to_the_sweep(
    database: str, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0")
    who = world.person(verified=False)
    ids = world.in_one_transaction(notifier.create_notifications, who.id, "verify_email", {}, "key")
    with capture_logs() as logs:
        notifier.detection_seen(uuid4())
        notifier.ask_catch_up(uuid4())
        notifier.ask_deliver(ids)
    assert {(each["log_level"], each["event"]) for each in logs} == {
        ("warning", "not nudged, the sweep will")
    }
    assert [each["what"] for each in logs] == ["match", "catch_up", "deliver", "wake_streams"]
    assert [row.state for row in world.notifications()] == [State.PENDING]


@pytest.mark.rule("6.6")
def test_a_database_that_goes_away_after_the_commit_leaves_a_notification_to_the_sweep(
    redis_server: redis.Redis, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{closed_port}/none")
    with capture_logs() as logs:
        notifier.ask_deliver([uuid4()])
    assert [(each["log_level"], each["event"]) for each in logs] == [
        ("warning", "not nudged, the sweep will")
    ]


def test_telling_writes_a_row_for_the_contact_the_kind_speaks_to(database: str) -> None:
    who = world.person(channels=(Channel.EMAIL, Channel.SMS), verified=False)
    ids = world.in_one_transaction(notifier.create_notifications, who.id, "verify_email", {"a": 1}, "key")
    (row,) = world.notifications()
    assert ids == [row.id]
    assert (row.contact_id, row.channel) == (who.contacts[Channel.EMAIL], Channel.EMAIL)
    assert (row.kind, row.params, row.priority) == ("verify_email", {"a": 1}, Priority.IMMEDIATE)


def test_an_unknown_kind_names_those_that_exist(database: str) -> None:
    who = world.person()
    with pytest.raises(LookupError, match="release_soon, renewal_soon, reports_decided, slot_answered"):
        world.in_one_transaction(notifier.create_notifications, who.id, "horoscope", {}, "key")


def test_what_somebody_waits_for_has_a_queue_of_its_own(database: str, queued: Queued) -> None:
    who = world.person(verified=False)
    (first,) = world.in_one_transaction(notifier.create_notifications, who.id, "verify_email", {}, "one")
    (second,) = world.in_one_transaction(notifier.create_notifications, who.id, "verify_email", {}, "two")
    world.change(Notification, second, priority=Priority.SCHEDULED)
    notifier.ask_deliver([first, second])
    assert queued("email-single") == [("notifier.jobs.deliver", [str(first)])]
    assert queued("email-rest") == [("notifier.jobs.deliver", [str(second)])]
    assert world.get(Notification, first).state is State.PENDING


def test_who_writes_a_message_needs_no_key_of_the_addresses(
    database: str, settings_env: Callable[..., None]
) -> None:
    """The planner and the background program have none, and tell people with a phone number all the same."""
    who = world.person(channels=(Channel.EMAIL, Channel.SMS, Channel.TELEGRAM))
    settings_env(JWT_SECRET="", LINK_KEY="", DATA_KEYS="", LOOKUP_KEY="")
    assert world.in_one_transaction(notifier.create_notifications, who.id, "test_message", {}, "key")


ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)


def test_mails_leave_by_the_job_that_wrote_them_and_all_else_by_the_workers_of_its_channel(
    whole: "Running", queued: Queued
) -> None:
    world.alert(world.person(channels=ALL))
    match(str(world.detection()))
    assert [each.channel for each in whole.messages()] == ["email"]
    waiting = {row.channel.value: [str(row.id)] for row in world.notifications(State.PENDING)}
    assert sorted(waiting) == ["sms", "telegram"]
    for name, key in waiting.items():
        assert queued(f"{name}-single") == [("notifier.jobs.deliver", key)]


@pytest.mark.rule("3.4")
def test_an_alert_catches_up_with_every_desk_it_is_about(whole: "Running", queued: Queued) -> None:
    world.detection()
    second = world.detection(
        world.slots(desk_id=world.OTHER_DESK), desk_id=world.OTHER_DESK, label="Titre de séjour"
    )
    late = world.alert(world.person(), world.for_procedure())
    catch_up(str(late))
    catch_up(str(late))
    world.deliver_queued()
    assert len(whole.messages("email")) == 2
    assert world.get(Detection, second).matched_at is None


def test_an_alert_that_is_gone_catches_up_with_nothing(whole: "Running") -> None:
    catch_up(str(uuid4()))
    assert whole.messages() == []


@pytest.mark.rule("6.6")
def test_a_database_that_is_away_is_one_line_and_no_traceback(
    sandbox: object, redis_server: object, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{closed_port}/none")
    with capture_logs() as logs:
        for job in (match, catch_up, deliver):
            job(str(uuid4()))
    assert [(each["log_level"], "away" in each["event"]) for each in logs] == [("warning", True)] * 3


@pytest.mark.journey
@pytest.mark.rule("6.6")
def test_a_worker_gets_ready_with_and_without_its_database_and_its_first_alert_is_like_the_others(
    whole: "Running", settings_env: Callable[..., None], closed_port: int
) -> None:
    get_ready(["critical"])
    world.alert(world.person(channels=(Channel.EMAIL,)))
    found = world.detection(world.slots())
    match(str(found))
    assert [(row.state, row.params["detection_id"]) for row in world.notifications()] == [
        (State.SENT, str(found))
    ]
    settings_env(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{closed_port}/none")
    get_ready(["critical"])  # raises nothing


# Dead letters


def dead(reason: str = "attempts used up: sendgrid answered 500", channel: Channel = Channel.EMAIL) -> UUID:
    """Write a slot alert that failed."""
    world.alert(world.person(channels=(channel,)))
    (made,) = world.matched(world.detection(world.slots()))
    unknown = 4 if reason.startswith("unknown: ") else 0
    ended = {"reason": reason, "failed_at": clock(), "attempts": 5, "unknown_attempts": unknown}
    world.change(Notification, made, state=State.FAILED, **ended)
    return made


def replay(*keys: UUID, unsure: bool = False) -> list[UUID]:
    with session() as opened:
        return notifier.replay(opened, keys, unsure=unsure)


@pytest.mark.usefixtures("database", "redis_server", "frozen")
def test_a_replayed_letter_arrives_with_all_its_attempts_before_it(sandbox: "Running") -> None:
    key = dead()
    assert replay(key) == [key]
    row = world.get(Notification, key)
    assert (row.state, row.attempts, row.failed_at, row.reason) == (State.PENDING, 0, None, None)
    deliver(str(key))
    assert world.get(Notification, key).state is State.SENT
    assert len(sandbox.messages("email")) == 1
    assert replay(key) == []


@pytest.mark.usefixtures("database", "redis_server", "frozen")
@pytest.mark.parametrize(("unsure", "replayed"), [(False, 0), (True, 1)])
@pytest.mark.parametrize("reason", ["unknown: twilio did not answer: ReadTimeout", "twilio 21612: no route"])
def test_what_may_have_arrived_is_replayed_only_on_demand(reason: str, unsure: bool, replayed: int) -> None:
    key = dead(reason, Channel.SMS)
    world.change(Notification, key, unknown_attempts=3)
    assert len(replay(key, unsure=unsure)) == replayed


@pytest.mark.usefixtures("database", "redis_server", "frozen")
@pytest.mark.rule("3.4")
def test_an_alert_that_no_provider_took_is_told_anew_after_half_an_hour_and_not_replayed_then(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key = dead()
    opened = [each.id for each in world.all_of(SlotRow)]
    for minutes, fresh in ((29, 0), (2, 1), (2, 0)):
        frozen.shift(timedelta(minutes=minutes))
        world.confirm(opened)
        assert len(world.rearm()) == fresh
    replay(key)
    for row in world.notifications(State.PENDING):
        deliver(str(row.id))
    assert world.get(Notification, key).state is State.FAILED  # what it spoke of is the other's to tell
    assert len(sandbox.messages("email")) == 1


@pytest.mark.usefixtures("database", "redis_server", "frozen")
@pytest.mark.rule("6.5")
def test_what_another_message_of_another_check_tells_stays_dead(frozen: time_machine.Traveller) -> None:
    key = dead()
    opened = [each.id for each in world.all_of(SlotRow)]
    frozen.shift(timedelta(minutes=31))
    world.confirm(opened)
    (other,) = world.matched(world.detection(opened))
    for state in (State.PENDING, State.SENT):
        world.change(Notification, other, state=state, accepted_at=clock())
        replay(key)
        assert world.get(Notification, key).state is State.FAILED
    world.change(Notification, other, state=State.FAILED, reason="attempts used up: x", failed_at=clock())
    replay(key)
    assert world.get(Notification, key).state is State.PENDING


@pytest.mark.usefixtures("database", "redis_server", "frozen")
@pytest.mark.rule("6.5")
def test_an_alert_that_may_have_arrived_is_not_told_anew(frozen: time_machine.Traveller) -> None:
    dead("unknown: sendgrid did not answer: ReadTimeout")
    frozen.shift(timedelta(minutes=31))
    world.confirm([each.id for each in world.all_of(SlotRow)])
    assert world.rearm() == []


@pytest.mark.usefixtures("database", "redis_server", "frozen")
def test_the_front_door_replays_dead_letters_and_nothing_else_and_two_at_once_replay_one_once(
    frozen: time_machine.Traveller,
) -> None:
    key = dead()
    with session() as one, session() as two:
        assert notifier.replay(one, [key, uuid4()]) == [key]
        assert notifier.replay(two, [key]) == []
    assert world.get(Notification, key).state is State.PENDING
    assert world.in_one_transaction(notifier.replay, [key]) == []


# The workers as processes


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
    """Give a function that starts workers and waits until they take work."""

    def make(*names: str) -> Program:
        made = start("notifier.workers", *(f"--only=worker-{each}" for each in names))
        made.until(lambda: made.said.count(" working ") == len(names))
        return made

    return make


@pytest.mark.processes
@pytest.mark.journey
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_tells_and_leaves_when_asked(
    signum: signal.Signals, worker: Callable[..., Program], whole: "Running"
) -> None:
    world.alert(world.person(channels=CONTACT_CHANNELS))
    running = worker("critical", "email", "sms", "telegram")
    notifier.detection_seen(world.detection())
    running.until(lambda: len(world.notifications(State.SENT, State.DELIVERED)) == 3)
    assert {each.channel for each in whole.messages()} == {"email", "sms", "telegram"}
    assert running.ends(signum) == 0
    assert "Traceback" not in running.said
    assert "example.org" not in running.said
    assert "+336" not in running.said


@pytest.mark.processes
@pytest.mark.journey
def test_a_worker_that_is_asked_in_the_middle_of_a_message_leaves_in_time_and_says_so_in_the_row(
    worker: Callable[..., Program], whole: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="60", LEASE_SECONDS="100")
    world.alert(world.person())
    whole.provider_mode("email", "timeout")
    running = worker("critical", "email")
    notifier.detection_seen(world.detection())
    running.until(lambda: bool(world.notifications(State.SENDING)))
    assert running.ends(signal.SIGTERM) == 0
    (row,) = world.notifications()
    assert (row.state, row.reason) == (State.PENDING, "unknown: no answer before the job had to end")
    assert "Traceback" not in running.said


@pytest.fixture
def workers(start: Callable[..., Program], whole: "Running", settings_env: Callable[..., None]) -> Program:
    """Give the parent of two workers and of the sweep, all at work; leases and nudges are short."""
    settings_env(LEASE_SECONDS="5", SWEEP_SECONDS="0.2", NUDGE_SECONDS="0.5")
    chosen = [f"--only={name}" for name in ("worker-email", "worker-many", "sweep")]
    made = start("notifier.workers", *chosen)
    made.until(lambda: made.said.count(" working ") == 2 and " sweeping " in made.said)
    return made


@pytest.mark.processes
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
    world.alert(world.person())
    whole.provider_mode("email", "timeout")
    notifier.detection_seen(world.detection())
    # a call that is still on its way would be accepted as soon as the provider answers again
    workers.until(lambda: whole.provider_calls("email") > 0)
    assert world.notifications(State.SENDING)
    dying.kill()
    whole.provider_mode("email", "normal")
    workers.until(lambda: bool(world.notifications(State.SENT)))
    assert len(whole.messages("email")) == 1
    workers.until(lambda: set(others) < set(workers.children))
    assert workers.ends(signal.SIGTERM) == 0
    assert "Traceback" not in workers.said
