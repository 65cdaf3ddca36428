"""Messages and jobs while the database answers and takes no writes: a standby after a failover, a full disk."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack

import pytest
import sqlalchemy as sa
import time_machine
from rq.timeouts import JobTimeoutException
from structlog.testing import capture_logs

from api.models.base import engine, session
from api.models.notification import State
from api.models.user import Channel
from notifier import jobs
from notifier.channels import batch_sender
from notifier.channels.provider_base import Acceptance, OneCallProvider
from notifier.content.outgoing_message import OutgoingMessage
from notifier.delivery import delivery
from notifier.sweep import Sweep
from tests.notifier.world import after, waiting
from tests.refused_writes import REFUSALS, disk_full, read_only

pytestmark = [pytest.mark.usefixtures("database", "sandbox", "redis_server", "_new_connections")]
Refusal = Callable[[], AbstractContextManager[None]]


class Counting(OneCallProvider):
    """A provider that takes everything, and knows what it was given."""

    def __init__(self) -> None:
        self.sent: list[OutgoingMessage] = []

    def warm_up(self) -> None:
        """Need nothing."""

    def send(self, messages: Sequence[OutgoingMessage]) -> Acceptance:
        self.sent += messages
        return Acceptance("test", "1")


@pytest.fixture
def _new_connections() -> Iterator[None]:
    yield
    engine().dispose()  # one may have been opened to what took no writes


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Counting:
    made = Counting()
    for name in ("sendgrid", "twilio"):
        monkeypatch.setitem(batch_sender.providers(), name, made)
    return made


@pytest.mark.rule("3.5")
@pytest.mark.parametrize("seconds", [10, 100, 3600])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_message_that_left_does_not_leave_again(
    monkeypatch: pytest.MonkeyPatch,
    frozen: time_machine.Traveller,
    provider: Counting,
    refusal: Refusal,
    seconds: int,
) -> None:
    key = waiting()
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
        assert delivery.record(sent), "the lease ran out, and nobody could take the row over"
    jobs.deliver(str(key))
    assert len(provider.sent) == 1
    assert after(key) == (State.SENT, None)


@pytest.mark.rule("3.5")
@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS])
def test_a_message_does_not_leave_again_while_only_its_answer_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    frozen: time_machine.Traveller,
    provider: Counting,
    channel: Channel,
) -> None:
    key = waiting(channel)
    rounds, refusing = iter(range(4)), ExitStack()

    def sleep(_seconds: float) -> None:
        if next(rounds, None) is None:
            refusing.close()
        else:
            frozen.shift(700)  # its lease is over
            jobs.deliver(str(key))

    monkeypatch.setattr("notifier.delivery.delivery.time.sleep", sleep)
    (sent,) = delivery.send(delivery.claim([key]))
    with refusing:
        refusing.enter_context(disk_full(for_answers_only=True))
        assert delivery.record(sent)
    jobs.deliver(str(key))
    assert len(provider.sent) == 1
    assert after(key) == (State.SENT, None)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_job_ends_in_one_line_and_its_message_leaves_later(provider: Counting, refusal: Refusal) -> None:
    key = waiting()
    with capture_logs() as logs, refusal():
        jobs.deliver(str(key))
    assert [(each["log_level"], each["event"]) for each in logs] == [
        ("warning", "database away, the sweep will ask again")
    ]
    assert provider.sent == []
    jobs.deliver(str(key))
    assert len(provider.sent) == 1


@pytest.mark.rule("3.5")
def test_the_sweep_gives_workers_their_head_start_when_writes_are_taken_again(
    frozen: time_machine.Traveller,
) -> None:
    waiting()
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
    waiting()
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
