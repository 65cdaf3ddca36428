"""A run of chaos fails when a receipt got lost on our side, or when a copy was not counted."""

from datetime import UTC, datetime, timedelta

import pytest

from api.models.base import engine
from api.models.notification import Notification, State
from api.models.user import Channel
from configs.clock import clock
from deploy.chaos.journal import OpeningJournal, Spell
from deploy.chaos.message_accounts import MessageAccount, OurMessage, read_messages, settle_messages
from tests.notifier.world import alert, change, detection, matched, person

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LOST = Spell("receipts-are-lost", NOON, NOON + timedelta(seconds=10), loses_receipts=True)


def settle(
    state: State, *taken: float, unknown: int = 0, awaits: bool = True, spells: tuple[Spell, ...] = ()
) -> MessageAccount:
    times = [NOON + timedelta(seconds=each) for each in taken]
    ours = OurMessage("a", state, awaits, unknown)
    return settle_messages([ours], lambda _: times, OpeningJournal(spells=list(spells)))


@pytest.mark.parametrize("state", [State.DELIVERED, State.BOUNCED])
def test_a_message_that_ended_by_its_receipt_is_in_order(state: State) -> None:
    account = settle(state, 1)
    assert account.differences == []
    assert (account.delivered, account.bounced) == (state is State.DELIVERED, state is State.BOUNCED)


@pytest.mark.parametrize("state", [State.SENT, State.NO_RECEIPT])
def test_a_receipt_that_nobody_lost_may_not_be_missing(state: State) -> None:
    (said,) = settle(state, 1).differences
    assert said == f"notification a: {state.value}, its receipt is missing"


def test_a_receipt_that_was_lost_with_leave_is_counted() -> None:
    account = settle(State.NO_RECEIPT, 1, spells=(LOST,))
    assert (account.unconfirmed, account.differences) == (1, [])
    assert settle(State.NO_RECEIPT, 12, spells=(LOST,)).differences
    assert settle(State.SENT, 1, spells=(LOST,)).differences, "it must not wait for ever"


def test_nothing_is_missing_where_the_provider_sends_no_receipt() -> None:
    assert settle(State.SENT, 1, awaits=False).differences == []


def test_a_copy_needs_an_attempt_of_unknown_fate() -> None:
    account = settle(State.DELIVERED, 1, 2, unknown=1)
    assert (account.copies, account.differences) == (1, [])
    (said,) = settle(State.DELIVERED, 1, 2, 3, unknown=1).differences
    assert said == "notification a: taken 3 times, 1 of them unknown"


@pytest.mark.usefixtures("database", "redis_server")
def test_the_tables_say_what_awaits_a_receipt_and_what_is_a_fallback() -> None:
    alert(person(channels=(Channel.EMAIL, Channel.SMS)))
    one, other = matched(detection())
    change(
        Notification, one, state=State.SENT, accepted_at=clock(), receipt_due_at=clock(), unknown_attempts=2
    )
    change(Notification, other, dedupe_key=f"fallback:{one}")
    assert {each.id: each for each in read_messages(engine())} == {
        str(one): OurMessage(str(one), State.SENT, awaits=True, unknown=2),
        str(other): OurMessage(str(other), State.PENDING, awaits=False, unknown=0, is_fallback=True),
    }
