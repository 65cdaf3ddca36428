"""Cost of SMS: on their rows, in a day’s sum, and which messages the day’s budget still allows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.background import jobs
from api.models.base import session
from api.models.notification import Notification, Priority, State, sum_of_day
from api.models.user import Channel
from configs.world.prefecture import desks
from notifier.channels.provider_base import price_sms
from notifier.delivery.claiming import OVER_BUDGET
from notifier.jobs import deliver
from tests.notifier.world import (
    DESK,
    OTHER_DESK,
    alert,
    change,
    detection,
    get,
    matched,
    notifications,
    person,
    slots,
)

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

Put = Callable[..., None]
pytestmark = pytest.mark.usefixtures("database", "sandbox", "redis_server")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def waiting(*desks: str, channel: Channel = Channel.SMS) -> list[UUID]:
    """Write a slot alert of one person for each desk."""
    who = person(channels=(channel,))
    alert(who, *({"desk_id": desk_id} for desk_id in desks))
    opened = ((desk_id, slots(desk_id=desk_id)) for desk_id in desks)
    return [key for desk_id, ids in opened for key in matched(detection(ids, desk_id=desk_id))]


def spent(at: datetime) -> Decimal:
    with session() as opened:
        return sum_of_day(opened, at)


@pytest.mark.parametrize(
    ("number", "cost"), [("+33612345678", "0.16"), ("+32470123456", "0.2"), ("?", "0.16")]
)
def test_a_segment_costs_what_the_number_s_country_does(settings_env: Put, number: str, cost: str) -> None:
    settings_env(SMS_PRICE="0.08, be=0.10")
    assert price_sms(number, 2) == Decimal(cost)


def test_the_row_of_an_sms_has_its_segments_and_its_cost() -> None:
    (key,) = waiting(DESK)
    deliver(str(key))
    row = get(Notification, key)
    assert (row.segments, row.cost) == (1, Decimal("0.08"))


def test_an_sms_that_carries_two_alerts_is_paid_for_once(sandbox: "Running") -> None:
    keys = waiting(DESK, OTHER_DESK)
    deliver(*map(str, keys))
    (message,) = sandbox.messages()
    rows = sorted(notifications(State.SENT), key=lambda row: row.id)
    assert [row.provider_id for row in rows] == [message.provider_id] * 2
    assert [row.cost is None for row in rows] == [False, True]
    assert [row.segments is None for row in rows] == [False, True]


def test_the_sum_of_a_day_begins_at_midnight_utc(settings_env: Put) -> None:
    settings_env(SMS_PRICE="1")
    with time_machine.travel("2026-11-20T23:59:59Z", tick=False) as traveller:
        (key,) = waiting(DESK)
        deliver(str(key))
        assert spent(NOON) == 1
        traveller.move_to("2026-11-21T00:00:00Z")
        assert spent(datetime(2026, 11, 21, tzinfo=UTC)) == 0


@pytest.mark.parametrize(
    ("cost", "kind", "priority", "leaves"),
    [
        ("9.99", "release_soon", Priority.BULK, True),
        ("10", "release_soon", Priority.BULK, False),
        ("14.99", "release_soon", Priority.SCHEDULED, True),
        ("15", "release_soon", Priority.SCHEDULED, False),
        ("99", "slot_detected", Priority.SCHEDULED, True),  # it waited for quiet hours to end
        ("99", "slot_detected", Priority.CRITICAL, True),
    ],
)
def test_bulk_stops_before_reminders_and_a_slot_alert_never_does(
    settings_env: Put, sandbox: "Running", cost: str, kind: str, priority: Priority, *, leaves: bool
) -> None:
    settings_env(SMS_DAY_STOP="10")
    with time_machine.travel(NOON, tick=False):
        (earlier,), (key,) = waiting(DESK), waiting(OTHER_DESK)
        deliver(str(earlier))
        change(Notification, earlier, cost=Decimal(cost))
        change(Notification, key, kind=kind, priority=priority)
        if kind == "release_soon":
            watched = next(desk.id for desk in desks().values() if desk.schedulable)
            release = {"desk": watched, "begins": (NOON + timedelta(hours=1)).isoformat(), "ends": None}
            change(Notification, key, params=release)
        deliver(str(key))
    assert len(sandbox.messages()) == 1 + leaves
    row = get(Notification, key)
    assert (row.state, row.reason) == ((State.SENT, None) if leaves else (State.SKIPPED, OVER_BUDGET))


def test_the_admins_are_told_once_a_day(settings_env: Put) -> None:
    settings_env(SMS_DAY_WARN="1", SMS_DAY_STOP="2", SMS_PRICE="0.999", SUPPORT_EMAIL="ops@example.org")
    with time_machine.travel(NOON, tick=False) as traveller:
        (first,) = waiting(DESK)
        deliver(str(first))
        assert jobs.tell_sms_cost() == {"mails": 0}
        change(Notification, first, cost=Decimal("1.5"))
        assert [jobs.tell_sms_cost()["mails"] for _ in range(2)] == [1, 0]
        traveller.move_to("2026-11-21T12:00:00Z")
        change(Notification, first, accepted_at=datetime(2026, 11, 21, 11, tzinfo=UTC))
        assert jobs.tell_sms_cost() == {"mails": 1}
    with session() as opened:
        kind = Notification.kind == "sms_cost"
        mail = opened.scalars(sa.select(Notification).where(kind).order_by(Notification.id)).first()
        assert mail is not None
        assert (mail.address, mail.params) == (
            "ops@example.org",
            {"spent": "1.50", "warn": "1.00", "stop": "2.00"},
        )
