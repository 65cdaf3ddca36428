"""Retry policy of notifications, and nudges: jobs that name a waiting row.

The state after an attempt follows from the row's figures and the answer alone. Jobs carry ids and nothing else; losing
one loses nothing.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
import structlog
from redis.exceptions import RedisError
from rq import Queue
from sqlalchemy.exc import DBAPIError

from api.models.base import is_any_of, new_id, session
from api.models.notification import RECEIPTS, HeldFor, Notification, Priority, State, queue_of
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.database_errors import passes
from configs.ground.jobs import KEPT_SECONDS, name_job, push, queue, read_oldest_seconds
from configs.ground.loop_report import NOTICES
from configs.ground.matching_queues import CRITICAL, MANY, MATCH_SECONDS
from configs.ground.redis import redis
from configs.settings import Constant
from notifier.channels.batch_sender import most_at_once
from notifier.channels.provider_base import (
    CALL_RING_SECONDS,
    PROVIDER_TIMEOUT_SECONDS,
    Acceptance,
    AddressBusy,
    DeliveryError,
    Misconfigured,
    NotAttempted,
    NothingToEdit,
    OutcomeUnknown,
    PermanentError,
    ProviderResting,
    TemporaryError,
)
from notifier.content.message_kind_base import SLOT_DETECTED, ClaimedRow, StoredText

# First wait before a delivery is tried again that its provider cannot have accepted; each further one is twice as
# long
_RETRY_SECONDS = Constant("RETRY_SECONDS", 5.0)
# Longest such wait; a longer Retry-After of the provider is obeyed
RETRY_MAX_SECONDS = Constant("RETRY_MAX_SECONDS", 45.0)
# Waits before a delivery is tried again that its provider may have accepted; the last one repeats
UNKNOWN_RETRY_SECONDS: Constant[tuple[float, ...]] = Constant(
    "UNKNOWN_RETRY_SECONDS", (15.0, 120.0, 600.0, 1800.0)
)
# The same for an SMS, whose copies cost money
SMS_UNKNOWN_RETRY_SECONDS: Constant[tuple[float, ...]] = Constant(
    "SMS_UNKNOWN_RETRY_SECONDS", (600.0, 1800.0)
)
# How long a message that is no slot alert is tried: its provider is away, a key is refused or missing, its worker is
# old
_GIVE_UP_SECONDS = Constant("GIVE_UP_SECONDS", 86400.0)
# Time between two calls about the same slots
CALL_GAP_SECONDS = Constant("CALL_GAP_SECONDS", 180.0)
# How many copies of an SMS are sent at most that its provider may have accepted
_SMS_COPIES = 4
MOST_CALLS = 2  # about the same slots

# How long one worker owns a notification; longer than the provider's time-out
LEASE_SECONDS = Constant("LEASE_SECONDS", 30.0)
# How long a message may be without a receipt of a provider that sends them; an SMS is then told on another channel
NO_RECEIPT_SECONDS = Constant("NO_RECEIPT_SECONDS", 600.0)

# Six of unknown fate last for 72 min: a receipt that the law asks for outlives an hour of broken connections.
ATTEMPTS = {Priority.CRITICAL: 5, Priority.IMMEDIATE: 6, Priority.SCHEDULED: 6, Priority.BULK: 2}
# How reasons begin
UNKNOWN = "unknown: "
USED_UP = "attempts used up: "
_LONGEST_WAIT = 86400.0
# Waits of messages that are no slot alerts: at least for a busy address; at most, in RETRY_MAX_SECONDS, for a provider
# that is away.
_BUSY_SECONDS = 300.0
_AWAY_WAITS = 10

# How often desks with open slots are gone through for alerts that were not told
REARM_SECONDS = Constant("REARM_SECONDS", 30.0)
FEW = 50  # messages of a channel that are nudged together, at most, where they are single ones
URGENT = (Priority.CRITICAL, Priority.IMMEDIATE)  # somebody waits for it
_AT_ONCE = 500  # jobs in one round trip
log = structlog.get_logger(__name__)


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


class WorkerDied(OutcomeUnknown):
    """The worker that had leased the message recorded no answer."""


def on_success(receipt: Acceptance, now: datetime) -> DeliveryDecision:
    """Return the decision after the provider accepted."""
    state = State.DELIVERED if receipt.delivered else State.SENT
    return DeliveryDecision(state, now, receipt=receipt)


def on_error(
    error: DeliveryError, row: ClaimedRow, now: datetime, *, is_readable: bool = True
) -> DeliveryDecision:
    """Return the decision after a refusal, or after no answer.

    A slot alert is tried until there is nothing left to send; one that is not readable would never be seen to expire.
    """
    lasting = row.kind == SLOT_DETECTED and is_readable
    if isinstance(error, PermanentError):
        state = State.EXPIRED if isinstance(error, NothingToEdit) else State.FAILED
        return DeliveryDecision(state, now, error.reason)
    if isinstance(error, NotAttempted):
        return DeliveryDecision(State.PENDING, now, row.reason, counts=False, held_for=row.held_for)
    if isinstance(error, TemporaryError):
        return _retry_temporary(error, row, now, lasting=lasting)
    return _retry_unknown(error, row, now, lasting=lasting)


def _retry_temporary(
    error: TemporaryError, row: ClaimedRow, now: datetime, *, lasting: bool
) -> DeliveryDecision:
    """Try again what was certainly not accepted. What never expires uses attempts when it is old, so it ends.

    An old dead letter that an operator replays thus has its attempts again. A message about slots that are open now
    waits for RETRY_MAX_SECONDS at most, whatever the provider asks for: they may be gone by then.
    """
    is_away = isinstance(error, Misconfigured | ProviderResting)
    age = timedelta() if lasting else now - row.created_at  # a row that was just written has no instant yet
    is_old = not lasting and age >= timedelta(seconds=_GIVE_UP_SECONDS())
    if is_old and row.attempts >= ATTEMPTS[row.priority]:
        reason = (UNKNOWN if row.unknown_attempts else USED_UP) + error.reason
        return DeliveryDecision(State.FAILED, now, reason)
    if is_away:
        wait = error.retry_after or RETRY_MAX_SECONDS()
    else:
        # Twice as long after each attempt of a slot alert, and half the age of what else waits for its provider; a
        # server that greylists asks for minutes, without a number.
        doubled = _RETRY_SECONDS() * 2.0 ** min(row.attempts - 1, 30)
        half = 0.0 if is_old else min(age.total_seconds() / 2, _AWAY_WAITS * RETRY_MAX_SECONDS())
        shortest = _BUSY_SECONDS if isinstance(error, AddressBusy) else _RETRY_SECONDS()
        wait = max(doubled if lasting else max(shortest, half), error.retry_after or 0.0)
    is_short = lasting or row.channel is Channel.VOICE
    at = now + timedelta(seconds=min(wait, RETRY_MAX_SECONDS() if is_short else _LONGEST_WAIT))
    rests = isinstance(error, ProviderResting)
    said = row.reason or error.reason if rests else error.reason
    counts = is_old or (lasting and not is_away)
    held_for = row.held_for if rests else None
    return DeliveryDecision(State.PENDING, at, said, counts=counts, held_for=held_for)


def _retry_unknown(
    error: DeliveryError, row: ClaimedRow, now: datetime, *, lasting: bool
) -> DeliveryDecision:
    """Try again after waits that grow: a few duplicates are better than a loss, except of an SMS.

    In bulk they are not, but where a worker died: most of what it had claimed may not have left.
    """
    before = row.unknown_attempts
    # Each SMS costs, each call rings, but no phone twice at once. Of an SMS copies of unknown fate count, of a call
    # all.
    leaves_copies = {Channel.SMS: before + 1 < _SMS_COPIES, Channel.VOICE: row.attempts < MOST_CALLS}
    rings = PROVIDER_TIMEOUT_SECONDS() + CALL_RING_SECONDS()
    own = {Channel.SMS: SMS_UNKNOWN_RETRY_SECONDS(), Channel.VOICE: (max(CALL_GAP_SECONDS(), rings),)}
    waits = own.get(row.channel, UNKNOWN_RETRY_SECONDS())
    is_last = row.attempts >= ATTEMPTS[row.priority] and not lasting
    is_bulk = row.priority is Priority.BULK and not isinstance(error, WorkerDied)
    if is_bulk or is_last or not leaves_copies.get(row.channel, True):
        return DeliveryDecision(State.FAILED, now, UNKNOWN + error.reason, unknown=True)
    at = now + timedelta(seconds=waits[min(before, len(waits) - 1)])
    return DeliveryDecision(State.PENDING, at, UNKNOWN + error.reason, unknown=True)


class WaitingWork(NamedTuple):
    """A notification that is to be delivered; `in_crowd` is whether very many get the same."""

    id: UUID
    channel: Channel
    priority: Priority
    in_crowd: bool = False


@contextmanager
def _forgiving(what: str) -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        log.warning("not nudged, the sweep will", what=what, because=type(error).__name__)
    except DBAPIError as error:
        if not passes(error):
            raise
        log.warning("not nudged, the sweep will", what=what, because=type(error.orig).__name__)


def match_parts(detection_id: str, parts: Iterable[Sequence[str]]) -> None:
    """Have parts of the alerts that wait for a detection matched; a round of re-arming finds what was lost."""
    _ask_many(MANY, "match", [(detection_id, *alert_ids) for alert_ids in parts])


def catch_up(alert_id: UUID) -> None:
    """Have what is open matched for an alert that was created, enabled or widened, after its commit.

    Never raises because Redis is away: the sweep re-arms open desks.
    """
    _ask_many(CRITICAL, "catch_up", [(str(alert_id),)])


def rearm(desk_ids: Iterable[str]) -> None:
    """Have desks' open slots matched with alerts not notified yet.

    A job that is not taken soon is dropped: the next round finds them.
    """
    _ask_many(MANY, "rearm", [(each,) for each in desk_ids], kept=math.ceil(REARM_SECONDS()))


def _ask_many(name: str, job: str, asked: Iterable[tuple[object, ...]], *, kept: int = KEPT_SECONDS) -> None:
    """Enqueue a job for each tuple of arguments, by an id of its own: that of a worker that died stays for a while."""
    with _forgiving(job):
        for arguments in asked:
            push(
                name, f"notifier.jobs.{job}", arguments, f"{job}-{new_id()}", seconds=MATCH_SECONDS, kept=kept
            )


def apply_receipts() -> None:
    """Have stored receipts applied; one job a second is enough for all of them."""
    with _forgiving("apply_receipts"):
        job_id = f"receipts-{clock():%H%M%S}"  # the job of a worker that died keeps its id for a while
        push(RECEIPTS, "notifier.jobs.apply_receipts", (), job_id, seconds=MATCH_SECONDS, kept=MATCH_SECONDS)


def show_notices() -> None:
    """Have the live streams show what was written just now; they look every two seconds anyway."""
    with _forgiving("show_notices"):
        redis().publish(NOTICES, b"")


def nudge(notification_ids: Iterable[UUID], *, in_crowd: bool = False) -> None:
    """Have notifications delivered, each by its own channel, and shown, after the commit that wrote them.

    What is in bulk is left to the sweep, which lets little of it into a queue at a time. Never raises because Redis is
    away: one warning, and the sweep finds the rows.
    """
    if not (ids := list(notification_ids)):
        return
    row = Notification
    chosen = sa.select(row.id, row.channel, row.priority).where(is_any_of(row.id, ids))
    left = chosen.where(row.state == State.PENDING, row.priority != Priority.BULK)
    with _forgiving("deliver"):
        with session() as opened:
            works = {
                key: WaitingWork(key, channel, priority, in_crowd or priority not in URGENT)
                for key, channel, priority in opened.execute(left)
            }
        deliver(works[each] for each in ids if each in works)
    show_notices()  # after the messages, which it does not delay


def read_wait(channel: Channel, *, single: bool) -> float | None:
    """Return for how many seconds the oldest job of a queue has waited; None where none waits.

    Raises:
        redis.RedisError: Redis is away, or holds something else there.
        ValueError: the job does not say when it was queued.
    """
    jobs = queue(queue_of(channel, single=single))
    if not jobs.count:
        return None
    return max(0.0, read_oldest_seconds(jobs, clock()) or 0.0)  # a job that is too old is about to be dropped


def deliver(several: Iterable[WaitingWork]) -> None:
    """Have notifications delivered: as many in a job as a channel takes at once.

    What few people wait for at this moment goes another way than a crowd, so that it is never behind one.
    """
    by_queue: dict[tuple[Channel, bool], list[UUID]] = defaultdict(list)
    for each in several:
        by_queue[each.channel, each.priority is not Priority.BULK and not each.in_crowd].append(each.id)
    with _forgiving("deliver"):
        for (channel, is_single), ids in by_queue.items():
            name, most = queue_of(channel, single=is_single and len(ids) <= FEW), most_at_once(channel)
            jobs = [
                Queue.prepare_data(
                    "notifier.jobs.deliver", args=tuple(map(str, ids[start : start + most])),
                    timeout=math.ceil(LEASE_SECONDS()), job_id=name_job(name, f"deliver-{new_id()}"),
                    result_ttl=0, ttl=KEPT_SECONDS, failure_ttl=KEPT_SECONDS, description="deliver",
                )
                for start in range(0, len(ids), most)
            ]  # fmt: skip
            for start in range(0, len(jobs), _AT_ONCE):
                queue(name).enqueue_many(jobs[start : start + _AT_ONCE])
