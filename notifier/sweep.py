"""`python -m notifier.sweep`: the loop that finds what was lost, and nudges it each time after a longer wait."""

import sys
import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import notifier
from api.models.base import database_clock, session, takes_writes
from api.models.notification import Notification, Priority, State, is_fresh
from api.models.provider_event import ProviderEvent
from api.models.slot import Detection
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.database_errors import is_away, passes
from configs.ground.logs import OutageLog, set_up_logs
from configs.ground.matching_queues import NUDGE_SECONDS
from configs.ground.startup import exit_on_config_error
from configs.ground.worker_processes import leaves_at, on_stop_signals
from configs.settings import Constant
from notifier.channels.batch_sender import per_second
from notifier.content.message_kind_base import SLOT_DETECTED
from notifier.delivery import delivery, nudges
from notifier.delivery.nudges import REARM_SECONDS, WaitingWork
from notifier.matching import match_service
from notifier.receipts import applied_receipts

# How often the sweep looks for what was lost
_SWEEP_SECONDS = Constant("SWEEP_SECONDS", 1.0)
# Longest wait between two nudges
NUDGE_MAX_SECONDS = Constant("NUDGE_MAX_SECONDS", 300.0)

_AT_ONCE = 1000  # rows in one round; the rest is due in the next
_SECONDS_OF_OTHERS = 10  # of a channel's rate: the portion in which other messages enter a queue
_FAST = 50  # messages a second by a channel whose provider names no limit
_MOST_NUDGED = 100_000  # rows that are remembered
Nudged = dict[UUID, tuple[int, datetime]]  # how often a row was nudged that no worker claimed, and when
_RANK = sa.case({each: rank for rank, each in enumerate(Priority)}, value=Notification.priority)
# What may be a crowd: the alerts of a detection, urgent messages of a kind, all others of a priority.
_GROUP = sa.case(
    (
        Notification.priority.in_(nudges.URGENT),
        sa.func.coalesce(Notification.params["detection_id"].astext, Notification.kind),
    ),
    else_=sa.cast(Notification.priority, sa.String),
)

log = structlog.get_logger(__name__)


def _find_next_nudge(now: datetime, times: int) -> datetime:
    """Return when a row that was nudged that often counts as lost: each time after a longer wait."""
    wait = min(NUDGE_SECONDS() * 2 ** min(times, 30), NUDGE_MAX_SECONDS())
    return now + timedelta(seconds=wait)


@dataclass
class Memory:
    """What the rounds of a process know of earlier ones; a crowd is one until nothing of it is due."""

    nudged: Nudged = field(default_factory=dict)
    crowds: set[tuple[Channel, str]] = field(default_factory=set)


def unmatched(now: datetime) -> list[tuple[UUID, int]]:
    """Return unmatched detections, with their earlier nudges; each is due again after a longer wait."""
    row, wait = Detection, timedelta(seconds=NUDGE_SECONDS())
    due_at = sa.func.coalesce(row.next_nudge_at, row.committed_at + wait)
    lost = sa.select(row).where(row.matched_at.is_(None), due_at <= now).order_by(row.committed_at)
    with session() as opened:
        found = opened.scalars(lost.limit(_AT_ONCE).with_for_update(skip_locked=True)).all()
        for each in found:
            each.nudges += 1
            each.next_nudge_at = _find_next_nudge(now, each.nudges)
        return [(each.id, each.nudges) for each in found]


def undelivered(now: datetime, memory: Memory | None = None) -> list[WaitingWork]:
    """End leases that ran out; return the notifications that are due and that no job names any more.

    Those of higher priority are first: after an outage more may wait than rounds of minutes can nudge. `memory` is of
    earlier rounds: what they returned and no worker could claim since is returned again after ever longer waits.
    """
    memory = memory or Memory()
    with session() as opened:
        delivery.end_leases(opened, now)
        due = sa.select(Notification.channel, _GROUP, sa.func.count()).where(*_are_due(now))
        sizes = opened.execute(due.group_by(Notification.channel, _GROUP)).all()
        memory.crowds = {
            (channel, group)
            for channel, group, size in sizes
            if size > nudges.FEW or group == Priority.BULK or (channel, group) in memory.crowds
        }
        channels = dict.fromkeys(channel for channel, _, _ in sizes)
        works = [work for channel in channels for work in _find_lost(opened, channel, now, memory)]
    rank = {each: number for number, each in enumerate(Priority)}
    return sorted(works, key=lambda work: rank[work.priority])


def _find_lost(opened: Session, channel: Channel, now: datetime, memory: Memory) -> list[WaitingWork]:
    """Return what a channel has lost.

    A job that waits may name all that became due since a little before it was queued. So what few wait for goes by the
    age of the queue of single messages, and a crowd by that of both. Of a crowd that nobody waits for enters a queue
    that is empty, and no more of it than leaves in some seconds.
    """
    try:
        single, rest = (nudges.read_wait(channel, single=each) for each in (True, False))
    except (RedisError, ValueError) as error:
        log.warning("not nudged, the sweep will", what="deliver", because=type(error).__name__)
        return []
    row, wait = Notification, timedelta(seconds=NUDGE_SECONDS())
    is_urgent = row.priority.in_(nudges.URGENT)
    is_crowd = _GROUP.in_([group for each, group in memory.crowds if each == channel])

    def find(*where: sa.ColumnElement[bool], most: int = _AT_ONCE) -> list[Notification]:
        query = sa.select(row).where(row.channel == channel, *_are_due(now), *where)
        query = query.order_by(_RANK, row.next_attempt_at)
        found = opened.scalars(query.limit(most).with_for_update(skip_locked=True))
        return [each for each in found if not is_held_off(each)]

    def is_held_off(each: Notification) -> bool:
        """Whether it is as an earlier round left it: no worker could claim it, and the wait is not over."""
        times, at = memory.nudged.get(each.id, (0, None))
        return at is not None and at == each.next_attempt_at and now < _find_next_nudge(at, times)

    def before(*ages: float | None) -> datetime:
        waits = [timedelta(seconds=age) for age in ages if age is not None]
        return now - max(waits) - wait if waits else now

    def is_lost(until: datetime) -> sa.ColumnElement[bool]:
        return row.next_attempt_at <= sa.case((is_fresh(), until - wait), else_=until)

    few, until = find(~is_crowd, is_lost(before(single))), before(single, rest)
    many = [each for each in few[nudges.FEW :] if each.next_attempt_at <= until]
    many += find(is_crowd, is_urgent, is_lost(until))
    if rest is None and not many:
        many += find(is_crowd, ~is_urgent, most=_SECONDS_OF_OTHERS * (per_second(channel) or _FAST))
    return [
        *_take(few[: nudges.FEW], now, memory.nudged, in_crowd=False),
        *_take(many, now, memory.nudged, in_crowd=True),
    ]


def _are_due(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return Notification.state == State.PENDING, Notification.next_attempt_at <= now


def _take(
    rows: Sequence[Notification], now: datetime, nudged: Nudged, *, in_crowd: bool
) -> list[WaitingWork]:
    """Note that rows are nudged. Of slot alerts that leave as one message the first is returned.

    It is claimed with the others, and two claims at once would part them.
    """
    first: dict[Hashable, WaitingWork] = {}
    for row in rows:
        times, at = nudged.get(row.id, (0, row.next_attempt_at))
        nudged[row.id] = (times + 1 if at == row.next_attempt_at else 1, now)
        row.next_attempt_at = now
        is_shared = row.kind == SLOT_DETECTED and row.contact_id
        message = (row.contact_id, row.language) if is_shared else row.id
        first.setdefault(message, WaitingWork(row.id, row.channel, row.priority, in_crowd))
    return list(first.values())


@dataclass
class Sweep:
    """One process's rounds; desks with open slots are re-armed in some of them only."""

    rearm_at: datetime | None = None
    memory: Memory = field(default_factory=Memory)
    database: OutageLog = field(default_factory=OutageLog)

    def turn(self) -> int:
        """Do one round; return how many rows were nudged."""
        now = database_clock()
        if len(self.memory.nudged) > _MOST_NUDGED:
            self.memory.nudged.clear()
        detections, notifications = unmatched(now), undelivered(now, self.memory)
        for detection_id, times in detections:
            notifier.detection_seen(detection_id, times)
        nudges.deliver(notifications)
        applied_receipts.expire_receipts(now)
        with session() as opened:
            waiting = opened.scalar(sa.select(sa.exists().where(ProviderEvent.next_attempt_at <= now)))
        if waiting:
            nudges.apply_receipts()
        next_round = now + timedelta(seconds=REARM_SECONDS())
        if self.rearm_at is None or not now < self.rearm_at <= next_round:  # later: the clock was set back
            self.rearm_at = next_round
            with session() as opened:
                desks = match_service.open_desks(opened, now)
            nudges.rearm(desks)
        if found := len(detections) + len(notifications):
            log.info("nudged", detections=len(detections), notifications=len(notifications))
        return found

    def turn_safely(self) -> None:
        """Do one round; a database that is away is logged once, not each second.

        It is back for a round before the next: workers first write the answers that they received meanwhile.
        """
        try:
            if not self.database.is_open:
                self.turn()
            elif takes_writes():
                log.info("database back")
                self.database.end()
        except DBAPIError as error:
            if not passes(error):
                raise
            if not is_away(error):
                log.warning("a round met others, the next one begins anew", because=type(error.orig).__name__)
            elif self.database.begin(str(error)):
                log.warning("database away, trying again", because=type(error.orig).__name__)


@exit_on_config_error("the sweep")
def main() -> int:
    """Run until SIGTERM, SIGINT or old; return 0."""
    set_up_logs("sweep")
    stopped = threading.Event()
    on_stop_signals(stopped.set)
    log.info("sweeping", seconds=_SWEEP_SECONDS())
    sweep, end = Sweep(), leaves_at()
    while not stopped.wait(_SWEEP_SECONDS()) and clock() < end:
        sweep.turn_safely()
    return 0


if __name__ == "__main__":
    sys.exit(main())
