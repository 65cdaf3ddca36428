"""Claims: leases of workers that die, and rows that no worker can read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import time_machine
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from api.models.database_clock import replace_database_clock
from api.models.notification import Notification, State
from api.models.user import Channel
from configs.ground.clock import clock
from notifier import jobs
from notifier.channels.provider_base import NotAttempted
from notifier.content.message_kind_base import MessageKind, Seen
from notifier.delivery import delivery
from notifier.delivery.retry_policy import ATTEMPTS
from notifier.jobs import deliver
from notifier.sweep import undelivered
from tests.notifier.delivery.slot_alerts import after, verification, waiting
from tests.notifier.world import (
    alert,
    change,
    confirm,
    deliver_queued,
    detection,
    get,
    matched,
    notifications,
    person,
    slots,
)

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "sandbox", "redis_server")


@pytest.mark.rule("3.5")
def test_a_lease_that_ran_out_is_taken_over_and_the_late_result_is_nobodys(
    frozen: time_machine.Traveller,
) -> None:
    key = waiting()
    (dead,) = delivery.claim([key])
    assert delivery.claim([key]) == []
    frozen.shift(timedelta(seconds=31))
    (heir,) = delivery.claim([key])
    assert heir.first.attempts == 2
    with capture_logs() as logs:
        assert not any(delivery.record(sent) for sent in delivery.send([dead]))
    assert logs[-1]["event"].startswith("lease lost")
    assert get(Notification, key).lease_token == heir.token
    assert all(delivery.record(sent) for sent in delivery.send([heir]))
    assert after(key) == (State.SENT, None)


def test_a_worker_whose_estimate_of_the_clock_is_behind_that_of_the_writer_finds_its_job_due(
    frozen: time_machine.Traveller,
) -> None:
    replace_database_clock(lambda: clock() + timedelta(milliseconds=200))
    alert(person(channels=(Channel.TELEGRAM,)))
    jobs.match(str(detection()))
    frozen.shift(timedelta(milliseconds=5))
    replace_database_clock(partial(datetime.now, UTC))
    deliver_queued()
    assert len(notifications(State.DELIVERED)) == 1


def test_a_program_without_redis_sends_its_messages(settings_env: Callable[..., None]) -> None:
    key = waiting()
    settings_env(REDIS_URL="")
    deliver(str(key))
    assert after(key) == (State.SENT, None)


@pytest.mark.rule("6.1")
def test_what_was_put_back_untried_costs_no_attempt() -> None:
    key = waiting()
    (message,) = delivery.claim([key])
    assert delivery.record(delivery.Sent([message], NotAttempted("the lease was too short")))
    row = get(Notification, key)
    assert (row.state, row.attempts, row.next_attempt_at <= clock()) == (State.PENDING, 0, True)


def test_workers_that_die_each_time_get_a_message_rarely(frozen: time_machine.Traveller) -> None:
    key = waiting(slot_ids=(opened := slots()))
    began, claimed = clock(), []
    for second in (*range(0, 218, 31), 1984, 2015, 2046, 3844, 3875):
        frozen.move_to(began + timedelta(seconds=second))
        confirm(opened)
        if delivery.claim([key]):
            claimed.append(second)
    assert claimed == [0, 31, 62, 93, 124, 155, 1984, 3844]
    assert after(key) == (State.SENDING, "unknown: no worker lived to record an answer")


def test_workers_that_die_each_time_do_not_send_an_sms_for_ever(frozen: time_machine.Traveller) -> None:
    key = waiting(Channel.SMS, slot_ids=(opened := slots()))
    for wait in (600, 1800, 1800, 1800):
        assert delivery.claim([key])
        frozen.shift(timedelta(seconds=wait - 1))
        confirm(opened)
        assert delivery.claim([key]) == []
        assert undelivered(clock()) == []
        frozen.shift(timedelta(seconds=1))
        assert [each.id for each in undelivered(clock())] == [key]
    assert delivery.claim([key]) == []
    assert after(key) == (State.FAILED, "unknown: attempts used up, no worker lived to record an answer")


def test_workers_that_die_each_time_do_not_send_another_kind_for_ever(frozen: time_machine.Traveller) -> None:
    key = verification()
    for _ in range(ATTEMPTS[get(Notification, key).priority]):
        assert delivery.claim([key])
        frozen.shift(timedelta(seconds=31))
    assert delivery.claim([key]) == []
    assert after(key) == (State.FAILED, "unknown: attempts used up, no worker lived to record an answer")


@pytest.mark.rule("6.4")
def test_a_kind_that_this_worker_does_not_know_waits_for_a_newer_one_and_keeps_no_other(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    bad, good = verification(), waiting()
    change(Notification, bad, kind="kind_of_a_newer_release")
    for _ in range(6):
        deliver(str(bad), str(good))
        row = get(Notification, bad)
        assert (row.state, row.attempts) == (State.PENDING, 0)
        assert row.reason == "unknown kind kind_of_a_newer_release: waits for a newer worker"
        frozen.shift(46)
    assert after(good) == (State.SENT, None)
    change(Notification, bad, kind="verify_email")
    deliver(str(bad))
    assert after(bad) == (State.SENT, None)


@pytest.mark.rule("6.4")
@pytest.mark.parametrize("broken", ["python", "sql"])
def test_a_row_that_cannot_be_read_keeps_no_other_of_its_kind(
    broken: str, sandbox: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert(person()), alert(person(addresses={Channel.EMAIL: "b@example.org"}))
    bad, good = matched(detection(opened := slots()))
    prepare_all = MessageKind.prepare_all

    def prepare(kind: MessageKind, s: Session, rows: Seen, now: datetime) -> Any:
        if any(row.id == bad for row, _ in rows):
            s.execute(sa.text("SELECT 1/0")) if broken == "sql" else 1 / 0
        return prepare_all(kind, s, rows, now)

    monkeypatch.setattr(MessageKind, "prepare_all", prepare)
    for wait in (60, 86400, 300, 300, 300, 300, 300):
        deliver(str(bad), str(good))
        frozen.shift(wait)
        confirm(opened)
    assert after(good) == (State.SENT, None)
    state, reason = after(bad)
    assert state is State.FAILED
    assert str(reason).startswith("attempts used up: could not be read: ")
    assert len(sandbox.messages()) == 1


def test_malformed_params_keep_no_other_row(sandbox: "Running") -> None:
    alert(person()), alert(person(addresses={Channel.EMAIL: "b@example.org"}))
    bad, good = matched(detection())
    change(Notification, bad, params=["no object"])
    deliver(str(bad), str(good))
    assert after(good) == (State.SENT, None)
    assert sandbox.messages()
