"""Locks are taken in one order, messages before users before contacts: programs that meet never wait in a circle."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import time
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from api.alerts.plan_limits import pause_excess_alerts
from api.alerts.service import stop_alerts
from api.deletion.access import _delete
from api.models.base import session
from api.models.notification import HeldFor, Notification
from api.models.user import CONTACT_CHANNELS, ContactState, SlotRhythm, User
from api.users.preference_schemas import NotificationChanges
from api.users.schemas import ProfileChange
from api.users.service import change_notifications, change_profile
from notifier.channels.provider_base import NotAttempted
from notifier.delivery import delivery, hourly_cap
from notifier.delivery.message_writer import change_state
from tests.notifier.world import (
    Person,
    alert,
    detection,
    in_one_transaction,
    is_anyone_blocked,
    matched,
    person,
    slots,
)
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("whole")
PEOPLE, ROUNDS = 4, 15
Act = Callable[[random.Random], object]


def claim_and_put_back(luck: random.Random) -> None:
    with session() as s:
        ids = list(s.scalars(sa.select(Notification.id)))
    luck.shuffle(ids)
    if claimed := delivery.claim(ids[:8]):
        delivery.record(delivery.Sent(claimed, NotAttempted("test")))


def lose_contact(contacts: list[UUID], luck: random.Random) -> None:
    state = luck.choice([ContactState.BOUNCED, ContactState.UNSUBSCRIBED])
    in_one_transaction(change_state, luck.choice(contacts), state)


def stop(people: list[Person], alerts: list[UUID], luck: random.Random) -> None:
    number = luck.randrange(len(people))
    in_one_transaction(stop_alerts, people[number].id, [alerts[number]])


def change_plan(people: list[Person], luck: random.Random) -> None:
    in_one_transaction(pause_excess_alerts, luck.choice(people).id)


def delete(left: list[Person], _luck: random.Random) -> None:
    if left:
        _delete(left.pop().id, understood=True)


def run_together(acts: dict[str, Act]) -> list[str]:
    """Do each act some times on a thread of its own; return what ended in a deadlock."""
    start, deadlocks = threading.Barrier(len(acts)), list[str]()

    def work(name: str, act: Act) -> None:
        luck = random.Random(name)
        start.wait()
        for _ in range(ROUNDS):
            try:
                act(luck)
            except OperationalError as error:
                if getattr(error.orig, "pgcode", None) != "40P01":
                    raise
                deadlocks.append(f"{name}: {error}")

    threads = [threading.Thread(target=work, args=each) for each in acts.items()]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
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
    who = person(channels=CONTACT_CHANNELS)
    alert(who)
    keys = matched(detection())
    with session() as s:
        s.execute(sa.update(Notification).values(held_for=HeldFor.DIGEST))
        s.execute(
            sa.update(User).values(slot_rhythm=SlotRhythm.AT_ONCE, quiet_from=time(3), quiet_until=time(4))
        )
    claimed, read_turns = threading.Event(), hourly_cap.read_turns
    with ThreadPoolExecutor(2) as threads:

        def read_turns_later(*arguments: Any) -> hourly_cap.Turns:
            claimed.set()
            until(lambda: changing and (changing[0].done() or is_anyone_blocked()))
            return read_turns(*arguments)

        changing: list[Future[object]] = []
        monkeypatch.setattr(hourly_cap, "read_turns", read_turns_later)
        claiming = threads.submit(delivery.claim, keys)
        assert claimed.wait(60)
        changing.append(threads.submit(in_one_transaction, act, who.id, wish, *others))
        assert len(claiming.result()) == len(keys)
        changing[0].result()


def test_what_meets_at_a_users_rows_never_waits_in_a_circle(settings_env: Callable[..., None]) -> None:
    settings_env(USER_PER_HOUR="4", EMAIL_PER_HOUR="4")
    people = [person(channels=CONTACT_CHANNELS) for _ in range(PEOPLE)]
    alerts = [alert(each) for each in people]
    for number in range(3):
        matched(detection(slots(place=str(number))))
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
