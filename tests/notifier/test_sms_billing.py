"""Prices that Twilio names after it took an SMS."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import time_machine

from api.models.base import session
from api.models.notification import Notification, State
from api.models.user import Channel
from configs.clock import clock
from configs.job_queues import queue
from notifier import sms_billing
from notifier.errors import TemporaryError
from notifier.jobs import deliver, price_sms
from notifier.providers.twilio import fetch_price
from notifier.sms_budget import FIRST_ASKED_AFTER
from notifier.sweep import Sweep
from notifier.twilio_api import MessagePrice
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

pytestmark = pytest.mark.usefixtures("whole")
ESTIMATE, TRUE_PRICE = Decimal("0.08"), Decimal("0.0725")


def send_sms(*desks: str) -> list[UUID]:
    """Send one SMS about desks; return its notifications, the one that is paid for first."""
    alert(person(channels=(Channel.SMS,)), *({"desk_id": desk} for desk in desks))
    written = [key for desk in desks for key in matched(detection(slots(desk_id=desk), desk_id=desk))]
    deliver(*map(str, written))
    return [row.id for row in sorted(notifications(State.SENT), key=lambda row: row.cost is None)]


def test_a_price_that_came_later_takes_the_estimates_place(frozen: time_machine.Traveller) -> None:
    (key,) = send_sms(DESK)
    assert get(Notification, key).cost == ESTIMATE
    price_sms()
    assert get(Notification, key).cost == ESTIMATE  # it is early
    frozen.shift(FIRST_ASKED_AFTER)
    price_sms()
    row = get(Notification, key)
    assert (row.cost, row.segments, row.price_due_at, row.state) == (TRUE_PRICE, 1, None, State.SENT)


def test_a_message_that_carries_several_rows_is_priced_once(frozen: time_machine.Traveller) -> None:
    first, second = send_sms(DESK, OTHER_DESK)
    frozen.shift(FIRST_ASKED_AFTER)
    price_sms()
    costs = [get(Notification, first).cost, get(Notification, second).cost]
    assert costs[0] % TRUE_PRICE == 0
    assert costs[1] is None


def test_what_twilio_never_prices_keeps_its_estimate_after_a_day(
    frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def not_yet(_provider: str, _sid: str) -> MessagePrice:
        asked.append(clock())
        return MessagePrice(None, 0, is_final=False)

    monkeypatch.setattr(sms_billing, "fetch_price", not_yet)
    (key,) = send_sms(DESK)
    sent = clock()
    for _ in range(4 * 26):
        frozen.shift(timedelta(minutes=15))
        price_sms()
    assert [at - sent for at in asked] == [
        timedelta(minutes=15),
        *(timedelta(hours=each) for each in (1, 4, 16)),
    ]
    row = get(Notification, key)
    assert (row.cost, row.price_due_at) == (ESTIMATE, None)


def test_a_message_that_twilio_deleted_is_asked_for_once(frozen: time_machine.Traveller) -> None:
    (key,) = send_sms(DESK)
    change(Notification, key, provider_id="SM" + "0" * 32)
    frozen.shift(FIRST_ASKED_AFTER)
    price_sms()
    row = get(Notification, key)
    assert (row.cost, row.price_due_at) == (ESTIMATE, None)


def test_while_twilio_is_away_nothing_changes_and_it_is_asked_again(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    (key,) = send_sms(DESK)
    frozen.shift(FIRST_ASKED_AFTER)
    whole.provider_mode("sms", "error_500")
    price_sms()
    assert get(Notification, key).cost == ESTIMATE
    with pytest.raises(TemporaryError):
        fetch_price("SM1")
    whole.provider_mode("sms", "normal")
    price_sms()
    assert get(Notification, key).cost == TRUE_PRICE


def test_calls_that_are_away_hold_up_no_price_of_sms(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    (key,) = send_sms(DESK)
    call = {"provider": "twilio_calls", "provider_id": "CA1", "channel": Channel.VOICE, "kind": "slot_call"}
    with session() as rows:
        sms = rows.get_one(Notification, key)
        before = {"user_id": sms.user_id, "priority": sms.priority, "dedupe_key": "call", "state": State.SENT}
        waits = dict.fromkeys(("next_attempt_at", "next_nudge_at", "accepted_at", "price_due_at"), clock())
        rows.add(Notification(**before | waits | call))
    frozen.shift(FIRST_ASKED_AFTER)
    whole.provider_mode("twilio_calls", "error_500")
    price_sms()
    assert get(Notification, key).cost == TRUE_PRICE


def test_one_job_asks_for_a_few_seconds_only(
    frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert(person(channels=(Channel.SMS,)))
    keys = send_sms(DESK)
    frozen.shift(FIRST_ASKED_AFTER)
    monkeypatch.setattr(sms_billing, "seconds_left", iter([3.0, 0.4]).__next__)
    price_sms()
    assert sorted(get(Notification, key).cost for key in keys) == [TRUE_PRICE, ESTIMATE]


def test_the_sweep_has_prices_asked_for_once_a_minute(frozen: time_machine.Traveller) -> None:
    send_sms(DESK)
    sweep = Sweep()
    sweep.turn()
    assert queue("receipts").jobs == []
    frozen.shift(FIRST_ASKED_AFTER)
    for _ in range(3):
        sweep.turn()
        frozen.shift(1)
    (job,) = queue("receipts").jobs
    assert job.func is price_sms
