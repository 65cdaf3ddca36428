"""Account of receipts: each message that a provider confirms ends by its receipt, and each copy was counted."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from api.models.notification import Notification, State
from deploy.chaos.inbox import InboxReader
from deploy.chaos.journal import OpeningJournal

_CLOCKS = timedelta(seconds=1)  # between the stand-in's clock and ours, read before and after an act
_ENDS = (State.DELIVERED, State.BOUNCED)
FALLBACK = "fallback:"  # how the dedupe key of an SMS that was told elsewhere begins

Received = Callable[[str], Sequence[datetime]]


@dataclass(frozen=True)
class OurMessage:
    """A notification as our tables have it. `awaits`: its provider sends a receipt."""

    id: str
    state: State
    awaits: bool
    unknown: int  # attempts that may have been accepted
    is_fallback: bool = False


@dataclass
class MessageAccount:
    """Numbers of a run, and every difference in words. `unconfirmed`: their receipts were lost by a fault."""

    delivered: int = 0
    bounced: int = 0
    unconfirmed: int = 0
    fallbacks: int = 0
    copies: int = 0  # beyond the first of each notification
    differences: list[str] = field(default_factory=list)


def settle_messages(
    ours: Iterable[OurMessage], received: Received, journal: OpeningJournal
) -> MessageAccount:
    """Hold our states beside what the providers took. `received`: when they took a notification."""
    account = MessageAccount()
    for each in ours:
        times = received(each.id)
        account.copies += max(len(times) - 1, 0)
        account.delivered += each.state is State.DELIVERED
        account.bounced += each.state is State.BOUNCED
        account.fallbacks += each.is_fallback and bool(times)
        if len(times) > 1 + each.unknown:
            account.differences.append(
                f"notification {each.id}: taken {len(times)} times, {each.unknown} of them unknown"
            )
        if not each.awaits or each.state in _ENDS:
            continue
        if each.state is State.NO_RECEIPT and any(_may_be_lost(taken, journal) for taken in times):
            account.unconfirmed += 1
        elif each.state in (State.SENT, State.NO_RECEIPT):
            account.differences.append(f"notification {each.id}: {each.state.value}, its receipt is missing")
    return account


def _may_be_lost(taken_at: datetime, journal: OpeningJournal) -> bool:
    """Whether a fault lost the receipt of a message that was taken then."""
    return any(
        spell.loses_receipts
        and spell.began_at - _CLOCKS <= taken_at <= (spell.ended_at or taken_at) + _CLOCKS
        for spell in journal.spells
    )


def wait_for_messages(
    engine: sa.Engine, inbox: InboxReader, journal: OpeningJournal, patience: float
) -> MessageAccount:
    """Do the account until nothing is wrong, for so many seconds at most."""
    end = time.monotonic() + patience
    while True:
        account = settle_messages(read_messages(engine), inbox.received, journal)
        if not account.differences or time.monotonic() > end:
            return account
        time.sleep(2)


def read_messages(engine: sa.Engine) -> list[OurMessage]:
    """Read our tables."""
    n = Notification
    query = sa.select(
        n.id, n.state, n.receipt_due_at.is_not(None), n.unknown_attempts, n.dedupe_key.startswith(FALLBACK)
    )
    with engine.connect() as connection:
        return [
            OurMessage(str(key), state, awaits, unknown, is_fallback)
            for key, state, awaits, unknown, is_fallback in connection.execute(query)
        ]
