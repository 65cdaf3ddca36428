"""Table of fates: what follows an attempt to send a message.

Providers' files sort each answer into one of six fates. Sending, retrying and receipts read here what a fate means for
a message, by its channel and kind. docs/reference/delivery.md#fates shows this table.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from api.models.notification import Priority, State
from api.models.user import Channel


class Fate(StrEnum):
    """What an answer, or silence, says of an attempt."""

    YES = "yes"
    ADDRESS = "refused: the address"
    MESSAGE = "refused: the message"
    OURS = "refused: ours"  # our key, sender, or address of the provider
    NOT_YET = "surely not yet"  # it was not accepted, and may be later
    UNKNOWN = "unknown"  # it may have been accepted


class Sort(StrEnum):
    """Kinds of messages that are tried differently."""

    ALERT = "slot alert"
    BULK = "in bulk"
    OTHER = "other"


class Wait(StrEnum):
    """Waits before the next attempt; `notifier/delivery/retry_policy.py` has their seconds."""

    NONE = "–"
    DOUBLED = "5, 10, 20, 40, then 45 s"
    AGE = "half its age, 5 s to 7.5 min"
    SHORT_AGE = "half its age, 5 to 45 s"
    REST = "45 s"
    COPY = "15 s, 2, 10, then 30 min"
    SMS = "60 s, 10, then 30 min"
    CALL = "180 s"


class End(StrEnum):
    """Until when a message is tried."""

    AT_ONCE = "–"
    GONE = "its slots are gone"
    DAY = "a day"
    ATTEMPTS = "its attempts are used up"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row of the table: what it is about, and what follows."""

    fate: Fate
    channels: Collection[Channel]
    sorts: Collection[Sort]
    state: State  # until it ends; then `failed`
    wait: Wait = Wait.NONE
    end: End = End.AT_ONCE
    is_copy: bool = False  # counted as a copy that may have been accepted
    asks_next: bool = False  # the next provider of the channel takes it at once
    ends_contact: bool = False  # the answer says in which state the contact is from now on
    level: int = logging.WARNING  # of the line that operators read; ERROR: only they can mend it


_ANY, _FREE = tuple(Channel), (Channel.EMAIL, Channel.TELEGRAM, Channel.PUSH)
_SMS, _VOICE, _NO_CALL = (Channel.SMS,), (Channel.VOICE,), (*_FREE, Channel.SMS)
_ALL, _ALERT, _BULK, _OTHER = tuple(Sort), (Sort.ALERT,), (Sort.BULK,), (Sort.OTHER,)
_NO_ALERT = (*_BULK, *_OTHER)
_WAITS, _FAILS, _ERROR = State.PENDING, State.FAILED, logging.ERROR

ROWS = (
    Outcome(Fate.YES, _ANY, _ALL, State.SENT, level=logging.INFO),
    Outcome(Fate.ADDRESS, _ANY, _ALL, _FAILS, ends_contact=True),
    Outcome(Fate.MESSAGE, _ANY, _ALL, _FAILS, asks_next=True),
    Outcome(Fate.OURS, _ANY, _ALERT, _WAITS, Wait.REST, End.GONE, asks_next=True, level=_ERROR),
    Outcome(Fate.OURS, _ANY, _NO_ALERT, _WAITS, Wait.REST, End.DAY, asks_next=True, level=_ERROR),
    Outcome(Fate.NOT_YET, _ANY, _ALERT, _WAITS, Wait.DOUBLED, End.GONE, asks_next=True),
    Outcome(Fate.NOT_YET, _NO_CALL, _NO_ALERT, _WAITS, Wait.AGE, End.DAY, asks_next=True),
    Outcome(Fate.NOT_YET, _VOICE, _NO_ALERT, _WAITS, Wait.SHORT_AGE, End.DAY, asks_next=True),
    Outcome(Fate.UNKNOWN, _FREE, _ALERT, _WAITS, Wait.COPY, End.GONE, is_copy=True, asks_next=True),
    Outcome(Fate.UNKNOWN, _FREE, _OTHER, _WAITS, Wait.COPY, End.ATTEMPTS, is_copy=True, asks_next=True),
    Outcome(Fate.UNKNOWN, _SMS, _ALERT, _WAITS, Wait.SMS, End.GONE, is_copy=True),
    Outcome(Fate.UNKNOWN, _SMS, _OTHER, _WAITS, Wait.SMS, End.ATTEMPTS, is_copy=True),
    Outcome(Fate.UNKNOWN, _VOICE, _ALL, _WAITS, Wait.CALL, End.ATTEMPTS, is_copy=True),
    Outcome(Fate.UNKNOWN, _FREE, _BULK, _FAILS, is_copy=True, asks_next=True),
    Outcome(Fate.UNKNOWN, _SMS, _BULK, _FAILS, is_copy=True),
)
OUTCOMES = {(row.fate, channel, sort): row for row in ROWS for channel in row.channels for sort in row.sorts}

# Copies that one person gets of an announcement at most: an alert and the SMS after a call count together
COPIES = {Channel.SMS: 4, Channel.VOICE: 2}
# Six of unknown fate last for 72 min: a receipt that the law asks for outlives an hour of broken connections.
ATTEMPTS = {Priority.CRITICAL: 5, Priority.IMMEDIATE: 6, Priority.SCHEDULED: 6, Priority.BULK: 2}
# What 5xx says, and 503 in words that are not the provider's own: what stood behind the server that answered may have
# accepted. A mail keeps its Message-ID, a push its tag and topic: its reader sees a copy once.
SERVER_ERROR = {
    **dict.fromkeys((Channel.SMS, Channel.VOICE, Channel.TELEGRAM), Fate.UNKNOWN),
    **dict.fromkeys((Channel.EMAIL, Channel.PUSH), Fate.NOT_YET),
}
# Of two providers that were asked one after the other, what the later of these says is the fate of both.
STRENGTH = (Fate.MESSAGE, Fate.OURS, Fate.NOT_YET, Fate.ADDRESS, Fate.UNKNOWN, Fate.YES)
# In the order in which receipts let them rise
ACCEPTED = (State.SENT, State.NO_RECEIPT, State.DELIVERED, State.BOUNCED)
FINAL = (State.DELIVERED, State.BOUNCED)  # in any other a signed yes settles a message
