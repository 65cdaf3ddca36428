"""The table of fates: whole, the same as its page and as the records' `is_told`."""

import logging
from collections.abc import Callable
from enum import StrEnum
from itertools import product
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.models.base import session
from api.models.notification import Notification, State, is_told
from api.models.user import Channel
from configs.ground.clock import clock
from notifier.channels.fates import ACCEPTED, FINAL, OUTCOMES, ROWS, Fate, Outcome, Sort
from tests import factories
from tests.notifier import world

DOCS = Path(__file__).resolve().parents[3] / "docs"


class Told(StrEnum):
    """When a message in a state tells its reader, so that nothing is announced once more."""

    ALWAYS = "yes"
    COPY = "where a copy may have been accepted"
    PAID_COPY = "where a copy may have been accepted, by SMS or call"
    NEVER = "no"


TOLD = {
    Told.ALWAYS: (State.PENDING, State.SENDING, State.SENT, State.DELIVERED, State.NO_RECEIPT),
    Told.COPY: (State.FAILED,),
    Told.PAID_COPY: (State.EXPIRED, State.SKIPPED),
    Told.NEVER: (State.BOUNCED,),
}


def test_each_fate_of_each_message_on_each_channel_has_one_row() -> None:
    cells = [(row.fate, channel, sort) for row in ROWS for channel in row.channels for sort in row.sorts]
    assert sorted(cells) == sorted(product(Fate, Channel, Sort))


def write_row(row: Outcome) -> str:
    """Return a row as the page shows it."""
    cells = [
        row.fate.value,
        "any" if set(row.channels) == set(Channel) else ", ".join(row.channels),
        "any" if set(row.sorts) == set(Sort) else ", ".join(row.sorts),
        f"`{row.state.value}`",
        row.wait.value,
        row.end.value,
        "yes" if row.is_copy else "–",
        "yes" if row.asks_next else "–",
        "ends" if row.ends_contact else "–",
        logging.getLevelName(row.level).lower(),
    ]
    return f"| {' | '.join(cells)} |"


def test_the_pages_show_the_table_and_what_each_state_tells() -> None:
    shown, rows = (DOCS / "reference/delivery.md").read_text().splitlines(), [write_row(row) for row in ROWS]
    first = shown.index(rows[0])
    assert shown[first : first + len(rows)] == rows
    assert not shown[first + len(rows)]
    life = (DOCS / "notifications.md").read_text().partition("## Life of a message")[2]
    for tells, states in TOLD.items():
        for state in states:
            (row,) = [line for line in life.splitlines() if line.startswith(f"| `{state}` |")]
            assert row.endswith(f"| {tells} |")


TELLS: dict[Told, Callable[[Channel, int], bool]] = {
    Told.ALWAYS: lambda _channel, _copies: True,
    Told.COPY: lambda _channel, copies: copies > 0,
    Told.PAID_COPY: lambda channel, copies: copies > 0 and channel in (Channel.SMS, Channel.VOICE),
    Told.NEVER: lambda _channel, _copies: False,
}


@pytest.mark.usefixtures("database")
def test_the_records_call_those_messages_told_that_the_table_does() -> None:
    who, now = world.person(), clock()
    fields = {"reason": "test", "failed_at": now, "accepted_at": now}
    wanted = set()
    tells_of = {state: tells for tells, states in TOLD.items() for state in states}
    for state, channel, copies in product(State, Channel, (0, 1)):
        leased = {"lease_token": who.id, "lease_until": now} if state is State.SENDING else {}
        key = factories.add_message(
            who.id, channel=channel, state=state, unknown_attempts=copies, **fields, **leased
        )
        if TELLS[tells_of[state]](channel, copies):
            wanted.add(key)
    with session() as opened:
        assert {*opened.scalars(sa.select(Notification.id).where(is_told()))} == wanted


def test_states_only_rise_to_those_that_no_receipt_changes() -> None:
    assert ACCEPTED[-2:] == FINAL
    assert OUTCOMES[Fate.YES, Channel.EMAIL, Sort.ALERT].state is ACCEPTED[0]
