"""Alerts, slots, contacts and accounts that changed between matching and sending."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import time_machine

from api.models.alert import Alert, ClosedBecause
from api.models.base import session
from api.models.notification import HeldFor, Notification, State
from api.models.slot import SlotRow
from api.models.user import Contact, ContactState
from configs.ground.clock import clock
from notifier.jobs import deliver
from tests.notifier.delivery.slot_alerts import after, verification, waiting
from tests.notifier.world import change, confirm, get, gone, slots

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "sandbox", "redis_server")


def _taken(_: Notification) -> None:
    with session() as s:
        gone(list(s.scalars(sa.select(SlotRow.id))))


def _unconfirmed(_: Notification) -> None:
    with session() as s:
        long_ago = clock() - timedelta(minutes=16)
        s.execute(sa.update(SlotRow).values(opened_at=long_ago, seen_at=long_ago))


def _stopped(_: Notification) -> None:
    with session() as s:
        s.execute(sa.update(Alert).values(closed_at=clock(), closed_because=ClosedBecause.STOPPED))


def _paused(_: Notification) -> None:
    with session() as s:
        s.execute(sa.update(Alert).values(enabled=False))


def _deleted(_: Notification) -> None:
    with session() as s:
        s.execute(sa.delete(Alert))


def _off(row: Notification) -> None:
    change(Contact, row.contact_id, enabled=False)


def _unverified(row: Notification) -> None:
    change(Contact, row.contact_id, verified_at=None)


def _unsubscribed(row: Notification) -> None:
    change(Contact, row.contact_id, state=ContactState.UNSUBSCRIBED)


def _no_contact(row: Notification) -> None:
    with session() as s:
        s.execute(sa.delete(Contact).where(Contact.id == row.contact_id))


@pytest.mark.parametrize(
    ("happened", "state", "reason"),
    [
        (_taken, State.EXPIRED, "slots gone"),
        (_stopped, State.SKIPPED, "alert stopped"),
        (_paused, State.SKIPPED, "alert stopped"),
        (_deleted, State.SKIPPED, "alert deleted"),
        (_off, State.SKIPPED, "switched off"),
        (_unverified, State.SKIPPED, "address not verified"),
        (_unsubscribed, State.SKIPPED, "address unsubscribed"),
        (_no_contact, State.SKIPPED, "no address"),
    ],
)
def test_what_changed_before_sending_is_respected(
    happened: Callable[[Notification], None], state: State, reason: str, sandbox: "Running"
) -> None:
    key = waiting()
    happened(get(Notification, key))
    deliver(str(key))
    assert after(key) == (state, reason)
    assert get(Notification, key).failed_at is not None
    assert sandbox.messages() == []


@pytest.mark.rule("3.4")
def test_an_alert_waits_for_its_slot_to_be_confirmed_again(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key = waiting()
    _unconfirmed(get(Notification, key))
    for _ in range(20):
        deliver(str(key))
        row = get(Notification, key)
        assert (row.state, row.held_for) == (State.PENDING, HeldFor.SLOTS)
        assert (row.attempts, row.failed_at) == (0, None)
        frozen.shift(46)
    assert sandbox.messages() == []
    with session() as s:
        s.execute(sa.update(SlotRow).values(seen_at=clock()))
    deliver(str(key))
    assert (after(key), len(sandbox.messages())) == ((State.SENT, None), 1)


@pytest.mark.rule("3.4")
def test_an_alert_ends_with_its_slot_that_was_not_confirmed(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key = waiting(slot_ids=(opened := slots()))
    _unconfirmed(get(Notification, key))
    deliver(str(key))
    gone(opened)
    frozen.shift(46)
    deliver(str(key))
    assert (after(key), sandbox.messages()) == ((State.EXPIRED, "slots gone"), [])


def test_an_alert_waits_as_long_as_its_slot_is_confirmed(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    opened = slots()
    key = waiting(slot_ids=opened)
    frozen.shift(timedelta(hours=2))
    confirm(opened)
    deliver(str(key))
    assert after(key) == (State.SENT, None)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"verified_at": datetime(2026, 1, 1, tzinfo=UTC)}, "already verified"),
        ({"state": ContactState.BOUNCED}, "address bounced"),
    ],
)
def test_a_verification_that_is_not_needed_any_more_is_skipped(
    values: dict[str, Any], reason: str, sandbox: "Running"
) -> None:
    key = verification()
    change(Contact, get(Notification, key).contact_id, **values)
    deliver(str(key))
    assert after(key) == (State.SKIPPED, reason)
