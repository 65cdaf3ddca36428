"""Clocks that are off, and a database that takes no writes: no message is delayed, doubled or lost."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import time_machine
from rq.timeouts import JobTimeoutException
from structlog.testing import capture_logs

import notifier
from api.models.base import database_clock, engine, replace_database_clock, session
from api.models.notification import HeldFor, Notification, State
from api.models.provider_event import ProviderEvent
from api.models.user import Channel
from configs.ground.clock import clock, override_clock
from configs.programs.jobs import queue
from configs.programs.matching_queues import nudge_seconds
from deploy.sandbox.providers.receipts import make_public_key
from notifier import jobs
from notifier.channels import batch_sender
from notifier.channels.provider_base import Acceptance
from notifier.delivery import claiming, delivery
from notifier.delivery.nudges import lease_seconds, no_receipt_seconds
from notifier.jobs import apply_receipts, deliver
from notifier.sweep import Sweep
from tests.notifier import world
from tests.notifier.conftest import Answering
from tests.notifier.receipts.receipts_world import SECRET, event_of, send_events
from tests.refused_writes import REFUSALS, disk_full, read_only

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole", "frozen")
STEPS = [timedelta(minutes=10), timedelta(minutes=-10)]
SECOND = timedelta(seconds=1)
off = pytest.mark.parametrize("step", STEPS, ids=["ahead", "behind"])


@contextmanager
def stepped(step: timedelta) -> Iterator[None]:
    """Let this machine's clock be off; the database's goes on."""
    with override_clock(lambda: datetime.now(UTC) + step):
        assert clock() - database_clock() == step
        yield


@contextmanager
def database_ahead() -> Iterator[None]:
    """Let the database's clock be ten minutes ahead."""
    replace_database_clock(lambda: clock() + STEPS[0])
    try:
        yield
    finally:
        replace_database_clock(partial(datetime.now, UTC))


@off
def test_an_alert_whose_provider_fails_is_tried_again_in_time(
    step: timedelta, whole: "Running", frozen: time_machine.Traveller
) -> None:
    world.alert(world.person())
    opened = world.slots()
    whole.provider_mode("email", "error_500", count=1)
    with stepped(step):
        world.match(str(world.detection(opened)))
        (row,) = world.notifications(State.PENDING)
        assert timedelta(0) < row.next_attempt_at - database_clock() <= timedelta(seconds=45)
    frozen.shift(46)
    world.confirm(opened)
    world.sweep()
    assert len(whole.messages("email")) == 1


@off
def test_a_lease_lasts_its_time_and_no_machine_takes_it_over_before(
    step: timedelta, whole: "Running", frozen: time_machine.Traveller
) -> None:
    world.alert(world.person())
    opened = world.slots()
    (key,) = world.matched(world.detection(opened))
    with stepped(step):
        assert delivery.claim([key])
        assert world.get(Notification, key).lease_until == database_clock() + lease_seconds() * SECOND
    with stepped(-step):
        frozen.shift(lease_seconds() - 1)
        deliver(str(key))
    assert whole.messages("email") == []
    frozen.shift(1)
    world.confirm(opened)
    world.sweep()
    assert len(whole.messages("email")) == 1


@off
def test_what_the_hourly_cap_holds_back_leaves_in_its_turn(
    step: timedelta,
    whole: "Running",
    frozen: time_machine.Traveller,
    settings_env: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings_env(SMS_PER_HOUR="2")
    monkeypatch.setattr(claiming, "write_cap_notices", lambda *_: None)
    world.alert(world.person(channels=(Channel.SMS,)))
    seen = world.slots(place="1")
    world.match(str(world.detection(seen)))
    with stepped(step):
        opened = world.slots(place="2")
        world.match(str(world.detection(opened)))
        world.sweep()
        (held,) = world.notifications(State.PENDING)
        assert held.held_for is HeldFor.CAP
        assert held.next_attempt_at == database_clock() + timedelta(hours=1)
    frozen.shift(timedelta(hours=1))
    world.confirm(seen + opened)
    world.sweep()
    assert len(whole.messages("sms")) == 2


@off
def test_a_receipt_is_awaited_and_applied_in_its_time(
    step: timedelta, whole: "Running", frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(SENDGRID_WEBHOOK_KEY=make_public_key(SECRET))
    world.alert(world.person())
    with stepped(step):
        world.match(str(world.detection()))
        (row,) = world.notifications(State.SENT)
        assert row.receipt_due_at == database_clock() + no_receipt_seconds() * SECOND
    send_events(event_of(row.id))
    with stepped(-step):
        (event,) = world.all_of(ProviderEvent)
        assert event.next_attempt_at == database_clock()
        apply_receipts()
    assert world.get(Notification, row.id).state is State.DELIVERED


@off
def test_a_message_of_a_request_is_nudged_in_time_though_its_nudge_was_lost(
    step: timedelta, whole: "Running", frozen: time_machine.Traveller
) -> None:
    who = world.person()
    with stepped(step), session() as s:
        notifier.create_notifications(s, who.id, "account_exists", {}, "exists:1", priority="immediate")
    frozen.shift(nudge_seconds())
    with stepped(-step):
        world.sweep()
    assert len(whole.messages("email")) == 1


def test_rounds_of_desks_go_on_in_time_though_the_databases_clock_was_ahead(
    queued: Callable[[str], list[Any]], frozen: time_machine.Traveller
) -> None:
    world.matched(world.detection())
    watch = Sweep()
    with database_ahead():
        watch.turn()
    for job in queue("many").get_jobs():
        queue("many").remove(job)
        job.delete()
    watch.turn()
    assert [name for name, _ in queued("many")] == ["notifier.jobs.rearm"]


def test_what_is_seen_once_the_databases_clock_is_right_again_is_told_at_once(whole: "Running") -> None:
    world.alert(world.person())
    with database_ahead():
        world.match(str(world.detection()))
    world.match(str(world.detection(world.slots(place="2"))))
    assert len(whole.messages("email")) == 2


# Messages and jobs while the database answers and takes no writes: a standby after a failover, a full disk


Refusal = Callable[[], AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def _new_connections(whole: object) -> Iterator[None]:
    yield
    engine().dispose()  # one may have been opened to what took no writes


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Answering:
    made = Answering(Acceptance("test", "1"))
    for name in ("sendgrid", "twilio"):
        monkeypatch.setitem(batch_sender.providers(), name, made)
    return made


@pytest.mark.rule("3.5")
@pytest.mark.parametrize("seconds", [10, 100, 3600])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_message_that_left_does_not_leave_again(
    monkeypatch: pytest.MonkeyPatch,
    frozen: time_machine.Traveller,
    provider: Answering,
    refusal: Refusal,
    seconds: int,
) -> None:
    key = world.waiting()
    naps, refusing = iter([seconds / 4] * 4), ExitStack()

    def sleep(_seconds: float) -> None:
        if nap := next(naps, None):
            frozen.shift(nap)
            raise JobTimeoutException  # the job may have to end meanwhile
        refusing.close()

    monkeypatch.setattr("notifier.delivery.delivery.time.sleep", sleep)
    (sent,) = delivery.send(delivery.claim([key]))
    with refusing:
        refusing.enter_context(refusal())
        assert delivery.record_answer(sent), "the lease ran out, and nobody could take the row over"
    jobs.deliver(str(key))
    assert len(provider.taken) == 1
    assert world.after(key) == (State.SENT, None)


@pytest.mark.rule("3.5")
@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS])
def test_a_message_does_not_leave_again_while_only_its_answer_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    frozen: time_machine.Traveller,
    provider: Answering,
    channel: Channel,
) -> None:
    key = world.waiting(channel)
    rounds, refusing = iter(range(4)), ExitStack()

    def sleep(_seconds: float) -> None:
        if next(rounds, None) is None:
            refusing.close()
        else:
            frozen.shift(700)  # its lease is over
            world.sweep()

    monkeypatch.setattr("notifier.delivery.delivery.time.sleep", sleep)
    (sent,) = delivery.send(delivery.claim([key]))
    with refusing:
        refusing.enter_context(disk_full(for_answers_only=True))
        assert delivery.record_answer(sent)
    jobs.deliver(str(key))
    assert len(provider.taken) == 1
    assert world.after(key) == (State.SENT, None)


@pytest.mark.rule("3.5")
@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS])
def test_an_answer_is_written_though_its_job_had_to_end_while_the_database_told_no_time(
    monkeypatch: pytest.MonkeyPatch, provider: Answering, channel: Channel
) -> None:
    key, untold = world.waiting(channel), [JobTimeoutException("time is up")]

    def tell() -> datetime:
        if untold and provider.taken:
            raise untold.pop()
        return clock()

    monkeypatch.setattr("notifier.delivery.delivery.time.sleep", lambda _seconds: None)
    replace_database_clock(tell)
    try:
        jobs.deliver(str(key))
    finally:
        replace_database_clock(partial(datetime.now, UTC))
    assert (untold, world.after(key)) == ([], (State.SENT, None))


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_job_ends_in_one_line_and_its_message_leaves_later(provider: Answering, refusal: Refusal) -> None:
    key = world.waiting()
    with capture_logs() as logs, refusal():
        jobs.deliver(str(key))
    assert [(each["log_level"], each["event"]) for each in logs] == [
        ("warning", "database away or busy, the sweep will ask again")
    ]
    assert provider.taken == []
    jobs.deliver(str(key))
    assert len(provider.taken) == 1


@pytest.mark.rule("3.5")
def test_the_sweep_gives_workers_their_head_start_when_writes_are_taken_again(
    frozen: time_machine.Traveller,
) -> None:
    world.waiting()
    frozen.shift(60)
    sweep = Sweep()
    with capture_logs() as logs:
        with read_only():
            for _ in range(3):
                sweep.turn_safely()
                frozen.shift(10)
        sweep.turn_safely()
    said = [each["event"] for each in logs]
    assert said == ["database away, trying again", "database back"], (
        "workers write first what they heard meanwhile"
    )


def test_two_transactions_that_met_are_no_outage(frozen: time_machine.Traveller) -> None:
    world.waiting()
    frozen.shift(60)
    sweep = Sweep()
    with capture_logs() as logs, session() as other:
        other.execute(sa.text("LOCK notifications"))
        sa.event.listen(engine(), "begin", _wait_briefly)
        try:
            sweep.turn_safely()
        finally:
            sa.event.remove(engine(), "begin", _wait_briefly)
    assert [each["event"] for each in logs] == ["a round met others, the next one begins anew"]
    assert not sweep.database.is_open


def _wait_briefly(connection: sa.Connection) -> None:
    connection.exec_driver_sql("SET LOCAL lock_timeout = '10ms'")
