"""Receipts beside what else locks the same rows: account deletion, claims."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
import sqlalchemy as sa
from psycopg2.errors import DeadlockDetected
from rq.timeouts import JobTimeoutException
from sqlalchemy.exc import OperationalError

from api.models.base import session
from api.models.notification import Notification, State
from api.models.provider_event import ProviderEvent
from api.models.user import Channel, User
from configs.ground.clock import clock
from deploy.sandbox.receipts.signatures import make_public_key
from notifier.content import outgoing_message
from notifier.jobs import apply_receipts, deliver
from notifier.receipts import applied_receipts
from notifier.receipts.applied_receipts import apply_due, expire_receipts
from tests.notifier.receipts_world import SECRET, call_twilio_hook, event_of, query_of, send_events
from tests.notifier.test_receipts import losses, sent, state_of, stored
from tests.notifier.world import all_of, change, detection, get, is_anyone_blocked, matched, slots
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("whole")


@pytest.fixture(autouse=True)
def _keys(whole: Any, settings_env: Callable[..., None]) -> None:
    settings_env(SENDGRID_WEBHOOK_KEY=make_public_key(SECRET), API_URL="http://127.0.0.1:4000")


@contextmanager
def beside(act: Callable[[], object]) -> Iterator[list[Exception]]:
    """Run something in a thread until the block ends; the list then has what it failed with."""
    failed: list[Exception] = []

    def run() -> None:
        try:
            act()
        except sa.exc.SQLAlchemyError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield failed
    thread.join()


def apply_once() -> None:
    apply_due(clock())


def expire_later() -> None:
    expire_receipts(clock() + timedelta(hours=1))


@pytest.mark.parametrize("act", [apply_once, expire_later])
def test_a_loss_that_is_applied_while_the_account_is_deleted_waits_and_finds_nothing(
    act: Callable[[], None],
) -> None:
    key = sent(Channel.SMS, Channel.TELEGRAM)
    form = {
        "MessageSid": get(Notification, key).provider_id,
        "MessageStatus": "undelivered",
        "ErrorCode": "30005",
    }
    call_twilio_hook(form | {"To": "+33612345678"}, query_of([key]))
    with session() as s:
        user = s.scalars(sa.select(User).with_for_update()).one()
        with beside(act) as failed:
            until(is_anyone_blocked)
            s.delete(user)
            s.commit()
    assert failed == []
    assert all_of(Notification) == []


def test_a_receipt_of_a_message_that_a_claim_holds_is_tried_again_a_second_later() -> None:
    key = sent()
    send_events(event_of(key, "bounce", type="blocked"))
    now = clock()
    with session() as s:
        s.get_one(Notification, key, with_for_update=True)
        apply_due(now)
    (waiting,) = stored()
    assert (waiting.applied_at, waiting.next_attempt_at) == (None, now + timedelta(seconds=1))
    apply_due(now + timedelta(seconds=1))
    assert state_of(key) is State.BOUNCED


def test_a_receipt_that_meets_others_is_tried_again_a_second_later(monkeypatch: pytest.MonkeyPatch) -> None:
    key = sent()
    send_events(event_of(key, "bounce", type="bounce"), event_of(key))
    deadlock = OperationalError("UPDATE", {}, DeadlockDetected())
    with monkeypatch.context() as patched:
        patched.setattr(applied_receipts, "change_state", Mock(side_effect=deadlock))
        now = clock()
        apply_due(now)
    assert state_of(key) is State.DELIVERED
    assert {each.next_attempt_at for each in stored()} == {None, now + timedelta(seconds=1)}
    apply_due(now + timedelta(seconds=1))
    assert state_of(key) is State.BOUNCED


def test_a_receipt_of_an_sms_that_carries_more_alerts_than_it_names_is_about_all_of_them() -> None:
    first = sent(Channel.SMS)
    keys = [
        first,
        *(matched(detection(slots(place=uuid4().hex)))[0] for _ in range(outgoing_message.MOST_IDS + 3)),
    ]
    deliver(*map(str, keys[1:]))
    together = keys[1:]
    assert {get(Notification, key).state for key in together} == {State.SENT}
    sid = get(Notification, together[0]).provider_id
    form = {"MessageSid": sid, "MessageStatus": "delivered", "To": "+33612345678"}
    call_twilio_hook(form, query_of(together))
    apply_receipts()
    assert {state_of(key) for key in together} == {State.DELIVERED}
    assert state_of(first) is State.SENT


def test_a_job_that_ends_halfway_has_applied_nothing_and_the_next_one_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = sent(Channel.EMAIL, Channel.TELEGRAM)
    send_events(event_of(key, "bounce", type="bounce"), event_of(key, "spamreport"))
    with monkeypatch.context() as patched:
        patched.setattr(applied_receipts, "change_state", raise_timeout)
        with pytest.raises(JobTimeoutException):
            apply_receipts()
    assert state_of(key) is State.SENT
    assert not any(each.applied_at for each in stored())
    apply_receipts()
    assert state_of(key) is State.BOUNCED
    assert len(losses()) == 1


def raise_timeout(*_: object) -> None:
    raise JobTimeoutException


def test_a_receipt_that_cannot_be_applied_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    key = sent(Channel.EMAIL)
    send_events(event_of(key, "bounce", type="bounce"), event_of(key))

    def fail(*_: object) -> None:
        raise ValueError("of this kind")

    with monkeypatch.context() as patched:
        patched.setattr(applied_receipts, "change_state", fail)
        apply_receipts()
    row = get(Notification, key)
    assert (row.state, bool(row.delivered_at)) == (State.DELIVERED, True)
    bounce, delivered = sorted(stored(), key=lambda each: each.kind)
    assert (bounce.applied_at, bool(delivered.applied_at)) == (None, True)
    change(ProviderEvent, bounce.id, next_attempt_at=clock())
    apply_receipts()
    assert state_of(key) is State.BOUNCED
