"""Locks are taken in one order, messages before users before contacts: programs that meet never wait in a circle."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import time, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from rq.timeouts import JobTimeoutException
from sqlalchemy.exc import OperationalError

from api.alerts.plan_limits import pause_excess_alerts
from api.alerts.service import stop_alerts
from api.models.base import session
from api.models.notification import HeldFor, Notification, State
from api.models.provider_event import ProviderEvent
from api.models.user import CONTACT_CHANNELS, Channel, Contact, ContactState, SlotRhythm, User
from api.privacy.access import _delete
from api.users.preference_schemas import NotificationChanges
from api.users.schemas import ProfileChange
from api.users.service import change_notifications, change_profile
from configs.ground.clock import clock
from deploy.sandbox.providers.receipts import make_public_key
from notifier import applied_receipts
from notifier.applied_receipts import apply_due_receipts, expire_receipts
from notifier.channels.provider_base import NotAttempted
from notifier.content import message_kind_base
from notifier.delivery import claiming, delivery
from notifier.delivery.message_writer import change_state
from notifier.jobs import apply_receipts, deliver
from tests.notifier import world
from tests.notifier.receipts.receipts_world import (
    SECRET,
    call_twilio_hook,
    event_of,
    query_of,
    send_events,
)
from tests.notifier.receipts.test_receipts import losses, sent, state_of, stored
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("whole")
PEOPLE, ROUNDS = 4, 8
Act = Callable[[random.Random], object]


def claim_and_put_back(luck: random.Random) -> None:
    with session() as s:
        ids = list(s.scalars(sa.select(Notification.id)))
    luck.shuffle(ids)
    if claimed := delivery.claim(ids[:8]):
        delivery.record_answer(delivery.Sent(claimed, NotAttempted("test")))


def lose_contact(contacts: list[UUID], luck: random.Random) -> None:
    state = luck.choice([ContactState.BOUNCED, ContactState.UNSUBSCRIBED])
    with session() as s:
        if contact := s.get(Contact, luck.choice(contacts)):  # its user may be deleted
            change_state(s, contact.id, state, contact.address)


def stop(people: list[world.Person], alerts: list[UUID], luck: random.Random) -> None:
    number = luck.randrange(len(people))
    world.in_one_transaction(stop_alerts, people[number].id, [alerts[number]])


def change_plan(people: list[world.Person], luck: random.Random) -> None:
    world.in_one_transaction(pause_excess_alerts, luck.choice(people).id)


def delete(left: list[world.Person], _luck: random.Random) -> None:
    if left:
        _delete(left.pop().id, understood=True)


def run_together(acts: dict[str, Act]) -> list[str]:
    """Do each act some times on a thread of its own; return what ended in a deadlock."""
    deadlocks = list[str]()

    def work(name: str, act: Act) -> None:
        luck = random.Random(name)
        for _ in range(ROUNDS):
            try:
                act(luck)
            except OperationalError as error:
                if getattr(error.orig, "pgcode", None) != "40P01":
                    raise
                deadlocks.append(f"{name}: {error}")

    world.at_once(*(partial(work, *each) for each in acts.items()))
    return deadlocks


@pytest.mark.parametrize(
    ("act", "wish", "others"),
    [
        (change_notifications, NotificationChanges.model_validate({"slotRhythm": "at_once"}), ()),
        (change_profile, ProfileChange.model_validate({"timeZone": "Indian/Reunion"}), ("127.0.0.1",)),
        (change_profile, ProfileChange.model_validate({"telegram": None}), ("127.0.0.1",)),
        (change_profile, ProfileChange.model_validate({"phone": None}), ("127.0.0.1",)),
    ],
)
def test_a_change_of_wishes_and_a_claim_never_wait_in_a_circle(
    act: Callable[..., object], wish: object, others: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    who = world.person(channels=CONTACT_CHANNELS)
    world.alert(who)
    keys = world.matched(world.detection())
    with session() as s:
        s.execute(sa.update(Notification).values(held_for=HeldFor.DIGEST))
        s.execute(
            sa.update(User).values(slot_rhythm=SlotRhythm.AT_ONCE, quiet_from=time(3), quiet_until=time(4))
        )
    claimed, read_turns = threading.Event(), claiming.read_turns
    with ThreadPoolExecutor(2) as threads:

        def read_turns_later(*arguments: Any) -> claiming.Turns:
            claimed.set()
            until(lambda: changing and (changing[0].done() or world.is_anyone_blocked()))
            return read_turns(*arguments)

        changing: list[Future[object]] = []
        monkeypatch.setattr(claiming, "read_turns", read_turns_later)
        claim = threads.submit(delivery.claim, keys)
        assert claimed.wait(60)
        changing.append(threads.submit(world.in_one_transaction, act, who.id, wish, *others))
        assert len(claim.result()) == len(keys)
        changing[0].result()


def test_what_meets_at_a_users_rows_never_waits_in_a_circle(settings_env: Callable[..., None]) -> None:
    settings_env(EMAIL_PER_HOUR="4")
    people = [world.person(channels=CONTACT_CHANNELS) for _ in range(PEOPLE)]
    alerts = [world.alert(each) for each in people]
    for number in range(3):
        world.matched(world.detection(world.slots(place=str(number))))
    contacts = [contact for each in people for contact in each.contacts.values()]
    acts: dict[str, Act] = {
        "claim": claim_and_put_back,
        "claim too": claim_and_put_back,
        "lose": partial(lose_contact, contacts),
        "stop": partial(stop, people, alerts),
        "plan": partial(change_plan, people),
        "delete": partial(delete, people[:2]),
    }
    assert run_together(acts) == []


# Receipts beside what else locks the same rows


@pytest.fixture(autouse=True)
def _keys(whole: Any, settings_env: Callable[..., None]) -> None:
    settings_env(SENDGRID_WEBHOOK_KEY=make_public_key(SECRET), API_URL="http://127.0.0.1:4000")


def apply_once() -> None:
    apply_due_receipts(clock())


def expire_later() -> None:
    expire_receipts(clock() + timedelta(hours=1))


@pytest.mark.parametrize("act", [apply_once, expire_later])
def test_a_loss_that_is_applied_while_the_account_is_deleted_waits_and_finds_nothing(
    act: Callable[[], None],
) -> None:
    key = sent(Channel.SMS, Channel.TELEGRAM)
    form = {
        "MessageSid": world.get(Notification, key).provider_id,
        "MessageStatus": "undelivered",
        "ErrorCode": "30005",
    }
    call_twilio_hook(form | {"To": "+33612345678"}, query_of([key]))
    with ThreadPoolExecutor(1) as threads, session() as s:
        user = s.scalars(sa.select(User).with_for_update()).one()
        applied = threads.submit(act)
        until(world.is_anyone_blocked)
        s.delete(user)
        s.commit()
        applied.result()
    assert world.all_of(Notification) == []


def test_a_receipt_of_a_message_that_a_claim_holds_is_tried_again_a_second_later() -> None:
    key = sent()
    send_events(event_of(key, "bounce", type="blocked"), event_of(key))
    now = clock()
    with session() as s:
        s.get_one(Notification, key, with_for_update=True)
        assert world.in_one_transaction(applied_receipts.apply_delivered, now) == 0, (
            "the usual kind waits for nobody"
        )
        apply_due_receipts(now)
    assert {(each.applied_at, each.next_attempt_at) for each in stored()} == {
        (None, now + timedelta(seconds=1))
    }
    apply_due_receipts(now + timedelta(seconds=1))
    assert state_of(key) is State.BOUNCED


def test_a_receipt_of_an_sms_that_carries_more_alerts_than_it_names_is_about_all_of_them() -> None:
    first = sent(Channel.SMS)
    keys = [
        first,
        *(
            world.matched(world.detection(world.slots(place=uuid4().hex)))[0]
            for _ in range(message_kind_base.MOST_IDS + 3)
        ),
    ]
    deliver(*map(str, keys[1:]))
    together = keys[1:]
    assert {world.get(Notification, key).state for key in together} == {State.SENT}
    sid = world.get(Notification, together[0]).provider_id
    form = {"MessageSid": sid, "MessageStatus": "delivered", "To": "+33612345678"}
    call_twilio_hook(form, query_of(together))
    apply_receipts()
    assert {state_of(key) for key in together} == {State.DELIVERED}
    assert state_of(first) is State.SENT


def test_a_job_that_ends_halfway_has_applied_nothing_and_the_next_one_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = sent(Channel.EMAIL, Channel.TELEGRAM)
    send_events(event_of(key, "spamreport"))
    with monkeypatch.context() as patched:
        patched.setattr(applied_receipts, "change_state", raise_timeout)
        with pytest.raises(JobTimeoutException):
            apply_receipts()
    assert state_of(key) is State.SENT
    assert not any(each.applied_at for each in stored())
    apply_receipts()
    assert state_of(key) is State.DELIVERED
    assert len(losses()) == 1


def raise_timeout(*_: object) -> None:
    raise JobTimeoutException


def test_a_receipt_that_cannot_be_applied_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    key = sent(Channel.EMAIL)
    send_events(event_of(key, "dropped", reason="Spam Reporting Address"), event_of(key))

    def fail(*_: object) -> None:
        raise ValueError("of this kind")

    with monkeypatch.context() as patched:
        patched.setattr(applied_receipts, "change_state", fail)
        apply_receipts()
    row = world.get(Notification, key)
    assert (row.state, bool(row.delivered_at)) == (State.DELIVERED, True)
    delivered, stopped = sorted(stored(), key=lambda each: each.kind)
    assert (stopped.applied_at, bool(delivered.applied_at)) == (None, True)
    world.change(ProviderEvent, stopped.id, next_attempt_at=clock())
    apply_receipts()
    assert state_of(key) is State.BOUNCED
