"""Retry policy of notifications: the state after an attempt follows from the row, the answer and the table of fates."""

import logging
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.models.notification import HeldFor, Priority, State
from api.models.user import Channel
from configs.settings import Constant
from notifier.channels.fates import ATTEMPTS, COPIES, OUTCOMES, End, Fate, Outcome, Sort, Wait
from notifier.channels.provider_base import (
    Acceptance,
    AddressBusy,
    DeliveryError,
    NotAttempted,
    NothingToEdit,
    OutcomeUnknown,
    ProviderResting,
    TemporaryError,
    call_ring_seconds,
    provider_timeout_seconds,
)
from notifier.content.message_kind_base import SLOT_DETECTED, ClaimedRow, StoredText

# First wait before a delivery is tried again that its provider cannot have accepted; each further one is twice as
# long
_retry_seconds = Constant("RETRY_SECONDS", 5.0)
# Longest such wait; a longer Retry-After of the provider is obeyed
retry_max_seconds = Constant("RETRY_MAX_SECONDS", 45.0)
# Waits before a delivery is tried again that its provider may have accepted; the last one repeats
unknown_retry_seconds: Constant[tuple[float, ...]] = Constant(
    "UNKNOWN_RETRY_SECONDS", (15.0, 120.0, 600.0, 1800.0)
)
# The same for an SMS, whose copies cost money: within the first wait its provider usually says that it has it
sms_unknown_retry_seconds: Constant[tuple[float, ...]] = Constant(
    "SMS_UNKNOWN_RETRY_SECONDS", (60.0, 600.0, 1800.0)
)
# How long a message that is no slot alert is tried: its provider is away, a key is refused or missing, its worker is
# old
_give_up_seconds = Constant("GIVE_UP_SECONDS", 86400.0)
# Time between two calls about the same slots
call_gap_seconds = Constant("CALL_GAP_SECONDS", 180.0)

# How reasons begin
UNKNOWN = "unknown: "
USED_UP = "attempts used up: "
_LONGEST_WAIT = 86400.0
# Waits of messages that are no slot alerts: at least for a busy address; at most, in RETRY_MAX_SECONDS, for a provider
# that is away.
_BUSY_SECONDS = 300.0
_AWAY_WAITS = 10


@dataclass(frozen=True, slots=True)
class DeliveryDecision:
    """The state that follows; `at` is when it was decided, or when a pending one may be tried again.

    `counts` is whether the attempt does, `unknown` whether the provider may have accepted. `held_for` is what it waits
    for. `said` is the text that the row keeps from now on.
    """

    state: State
    at: datetime
    reason: str | None = None
    receipt: Acceptance | None = None
    counts: bool = True
    unknown: bool = False
    held_for: HeldFor | None = None
    said: StoredText | None = None
    level: int = logging.WARNING  # of the line about it


class WorkerDied(OutcomeUnknown):
    """The worker that had leased the message recorded no answer."""


def on_success(receipt: Acceptance, now: datetime) -> DeliveryDecision:
    """Return the decision after the provider accepted."""
    state = State.DELIVERED if receipt.delivered else State.SENT
    return DeliveryDecision(state, now, receipt=receipt, level=logging.INFO)


def on_error(
    error: DeliveryError, row: ClaimedRow, now: datetime, *, is_readable: bool = True, is_edit: bool = False
) -> DeliveryDecision:
    """Return the decision after a refusal, or after no answer.

    A slot alert is tried until there is nothing left to send; one that is not readable would never be seen to expire.
    An edit may be repeated: made twice it says the same.
    """
    if is_edit and error.fate is Fate.UNKNOWN:
        error = TemporaryError(UNKNOWN + error.reason)
    if isinstance(error, NotAttempted):
        return DeliveryDecision(State.PENDING, now, row.reason, counts=False, held_for=row.held_for)
    if isinstance(error, NothingToEdit):
        return DeliveryDecision(State.EXPIRED, now, error.reason)
    outcome = OUTCOMES[error.fate, row.channel, _sort(error, row, is_readable=is_readable)]
    if outcome.state is State.FAILED:
        reason = UNKNOWN + error.reason if outcome.is_copy else error.reason
        return DeliveryDecision(State.FAILED, now, reason, unknown=outcome.is_copy)
    if isinstance(error, TemporaryError):
        return _retry(error, outcome, row, now)
    return _retry_copy(error, outcome, row, now)


def _sort(error: DeliveryError, row: ClaimedRow, *, is_readable: bool) -> Sort:
    """Return as which kind a message is tried. Most of a bulk that a dead worker had claimed may not have left."""
    if row.kind == SLOT_DETECTED and is_readable:
        return Sort.ALERT
    is_bulk = row.priority is Priority.BULK and not isinstance(error, WorkerDied)
    return Sort.BULK if is_bulk else Sort.OTHER


def _retry(error: TemporaryError, outcome: Outcome, row: ClaimedRow, now: datetime) -> DeliveryDecision:
    """Try again what was certainly not accepted. What never expires uses attempts when it is old, so it ends."""
    is_lasting, rests = outcome.end is End.GONE, isinstance(error, ProviderResting)
    age = now - row.created_at
    is_old = not is_lasting and age >= timedelta(seconds=_give_up_seconds())
    if is_old and row.attempts >= ATTEMPTS[row.priority]:
        reason = (UNKNOWN if row.unknown_attempts else USED_UP) + error.reason
        return DeliveryDecision(State.FAILED, now, reason)
    is_away = rests or outcome.wait is Wait.REST
    if is_away:
        wait = error.retry_after or retry_max_seconds()
    else:
        # Twice as long after each attempt of a slot alert, and half the age of what else waits for its provider; a
        # server that greylists asks for minutes, without a number.
        doubled = _retry_seconds() * 2.0 ** min(row.attempts - 1, 30)
        half = 0.0 if is_old else min(age.total_seconds() / 2, _AWAY_WAITS * retry_max_seconds())
        shortest = _BUSY_SECONDS if isinstance(error, AddressBusy) else _retry_seconds()
        wait = max(doubled if is_lasting else max(shortest, half), error.retry_after or 0.0)
    is_short = is_lasting or row.channel is Channel.VOICE
    at = now + timedelta(seconds=min(wait, retry_max_seconds() if is_short else _LONGEST_WAIT))
    said = row.reason or error.reason if rests else error.reason
    counts = is_old or (is_lasting and not is_away)
    held_for = row.held_for if rests else None
    return DeliveryDecision(State.PENDING, at, said, counts=counts, held_for=held_for, level=outcome.level)


def _retry_copy(error: DeliveryError, outcome: Outcome, row: ClaimedRow, now: datetime) -> DeliveryDecision:
    """Try again what may have been accepted, after waits that grow; no phone rings twice at once."""
    copies = row.attempts if row.channel is Channel.VOICE else row.unknown_attempts + 1
    is_last = outcome.end is End.ATTEMPTS and row.attempts >= ATTEMPTS[row.priority]
    if is_last or copies >= COPIES.get(row.channel, math.inf):
        return DeliveryDecision(State.FAILED, now, UNKNOWN + error.reason, unknown=True)
    rings = provider_timeout_seconds() + call_ring_seconds()
    waits = {
        Wait.COPY: unknown_retry_seconds(),
        Wait.SMS: sms_unknown_retry_seconds(),
        Wait.CALL: (max(call_gap_seconds(), rings),),
    }[outcome.wait]
    at = now + timedelta(seconds=waits[min(row.unknown_attempts, len(waits) - 1)])
    return DeliveryDecision(State.PENDING, at, UNKNOWN + error.reason, unknown=True)
