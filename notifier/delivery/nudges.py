"""Nudges: jobs that name a waiting row. They carry ids and nothing else; losing one loses nothing."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
import structlog
from redis.exceptions import RedisError
from rq import Queue
from sqlalchemy.exc import DBAPIError

from api.models.base import is_any_of, new_id, session
from api.models.notification import Notification, Priority, State, queue_of
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.database_errors import passes
from configs.ground.redis import redis
from configs.programs.jobs import KEPT_SECONDS, name_job, push, queue, read_oldest_seconds
from configs.programs.loop_report import NOTICES
from configs.programs.matching_queues import CRITICAL, MATCH_SECONDS
from configs.settings import Constant
from notifier.channels.batch_sender import most_at_once

# How long one worker owns a notification; longer than the provider's time-out
lease_seconds = Constant("LEASE_SECONDS", 30.0)
# How long a message may be without a receipt of a provider that sends them; an SMS is then told on another channel
no_receipt_seconds = Constant("NO_RECEIPT_SECONDS", 600.0)

# How often desks with open slots are gone through for alerts that were not told
rearm_seconds = Constant("REARM_SECONDS", 30.0)
FEW = 50  # messages of a channel that are nudged together, at most, where they are single ones
URGENT = (Priority.CRITICAL, Priority.IMMEDIATE)  # somebody waits for it
_AT_ONCE = 500  # jobs in one round trip
log = structlog.get_logger(__name__)


class WaitingWork(NamedTuple):
    """A notification that is to be delivered; `in_crowd` is whether very many get the same."""

    id: UUID
    channel: Channel
    priority: Priority
    in_crowd: bool = False
    beside: tuple[UUID, ...] = ()  # those that leave with it as one message


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


def ask_catch_up(alert_id: UUID) -> None:
    """Have what is open matched for an alert that was created, enabled or widened, after its commit.

    Never raises because Redis is away: the sweep re-arms open desks.
    """
    ask_many(CRITICAL, "catch_up", [(str(alert_id),)])


def ask_many(name: str, job: str, asked: Iterable[tuple[object, ...]], *, kept: int = KEPT_SECONDS) -> None:
    """Enqueue a job for each tuple of arguments; one that is not taken for `kept` seconds is dropped.

    Each has an id of its own: that of a worker that died stays for a while. A round of re-arming finds what was lost.
    """
    with _forgiving(job):
        for arguments in asked:
            push(
                name, f"notifier.jobs.{job}", arguments, f"{job}-{new_id()}", seconds=MATCH_SECONDS, kept=kept
            )


def ask_once(name: str, job: str) -> None:
    """Have all that waits of a kind handled, receipts or events of webhooks: one job a second is enough for it."""
    with _forgiving(job):
        job_id = f"{job}-{clock():%H%M%S}"  # the job of a worker that died keeps its id for a while
        push(name, f"notifier.jobs.{job}", (), job_id, seconds=MATCH_SECONDS, kept=MATCH_SECONDS)


def wake_streams() -> None:
    """Have the live streams show what was written just now; they look every two seconds anyway."""
    with _forgiving("wake_streams"):
        redis().publish(NOTICES, b"")


def ask_deliver(notification_ids: Iterable[UUID], *, in_crowd: bool = False) -> None:
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
        ask_deliver_work(works[each] for each in ids if each in works)
    wake_streams()  # after the messages, which it does not delay


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


def ask_deliver_work(several: Iterable[WaitingWork]) -> set[UUID]:
    """Have notifications delivered: as many in a job as a channel takes at once; return those that are in a queue.

    What few people wait for at this moment goes another way than a crowd, so that it is never behind one.
    """
    queued: set[UUID] = set()
    by_queue: dict[tuple[Channel, bool], list[UUID]] = defaultdict(list)
    for each in several:
        by_queue[each.channel, each.priority is not Priority.BULK and not each.in_crowd].append(each.id)
    with _forgiving("deliver"):
        for (channel, is_single), ids in by_queue.items():
            name, most = queue_of(channel, single=is_single and len(ids) <= FEW), most_at_once(channel)
            jobs = [
                Queue.prepare_data(
                    "notifier.jobs.deliver", args=tuple(map(str, ids[start : start + most])),
                    timeout=math.ceil(lease_seconds()), job_id=name_job(name, f"deliver-{new_id()}"),
                    result_ttl=0, ttl=KEPT_SECONDS, failure_ttl=KEPT_SECONDS, description="deliver",
                )
                for start in range(0, len(ids), most)
            ]  # fmt: skip
            for start in range(0, len(jobs), _AT_ONCE):
                queue(name).enqueue_many(jobs[start : start + _AT_ONCE])
                queued.update(ids[start * most : (start + _AT_ONCE) * most])
    return queued
