"""What becomes of a notification after an attempt. Pure: the row's own figures and the answer decide."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from api.models.notification import Priority, State
from api.models.user import Channel, ContactState
from configs.settings import settings
from notifier.channels import Receipt
from notifier.errors import DeliveryError, NotTried, TryLater, Undeliverable, Unsure

ATTEMPTS = {Priority.CRITICAL: 5, Priority.IMMEDIATE: 3, Priority.SCHEDULED: 3, Priority.BULK: 2}
UNKNOWN = "unknown: "
USED_UP = "attempts used up: "
_LONGEST_WAIT = 86400.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a notification: the how-maniest, and why the one before failed."""

    number: int
    priority: Priority
    channel: Channel
    reason: str | None = None

    @property
    def last(self) -> bool:
        """Whether no other may follow."""
        return self.number >= ATTEMPTS[self.priority]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state that follows; `at` is when it was decided, or when a pending one may be tried again.

    `counts` is whether the attempt does.
    """

    state: State
    at: datetime
    reason: str | None = None
    receipt: Receipt | None = None
    contact_state: ContactState | None = None
    counts: bool = True


def accepted(receipt: Receipt, now: datetime) -> Verdict:
    """The provider said yes."""
    return Verdict(State.SENT, now, receipt=receipt)


def refused(error: DeliveryError, attempt: Attempt, now: datetime) -> Verdict:
    """Sort a no, or the lack of an answer."""
    if isinstance(error, Undeliverable):
        return Verdict(State.FAILED, now, error.reason, contact_state=error.contact_state)
    if isinstance(error, NotTried):
        return Verdict(State.PENDING, now, attempt.reason, counts=False)
    if isinstance(error, Unsure):
        return _after_silence(error, attempt, now)
    if attempt.last:
        return Verdict(State.FAILED, now, USED_UP + error.reason)
    asked = error.retry_after or 0.0 if isinstance(error, TryLater) else 0.0
    wait = min(max(backoff(attempt.number), asked), _LONGEST_WAIT)
    return Verdict(State.PENDING, now + timedelta(seconds=wait), error.reason)


def _after_silence(error: Unsure, attempt: Attempt, now: datetime) -> Verdict:
    """Try once more what is urgent and free (a duplicate beats a loss); the rest waits for a receipt."""
    urgent = (
        attempt.priority in (Priority.CRITICAL, Priority.IMMEDIATE) and attempt.channel is not Channel.SMS
    )
    again = (attempt.reason or "").startswith(UNKNOWN)
    if urgent and not again and not attempt.last:
        return Verdict(State.PENDING, now, UNKNOWN + error.reason)
    return Verdict(State.FAILED, now, UNKNOWN + error.reason)


def backoff(number: int) -> float:
    """Return the seconds to wait after that attempt: RETRY_SECONDS, doubling."""
    return float(settings().retry_seconds * 2 ** (number - 1))
