"""The loop that finds what was lost, and nudges it each time after a longer wait.

A row remembers when it was nudged and how often, which is written once its job is in a queue: what could not be asked
for is asked for in the next round. The next attempt ends that: what is due again since then was not nudged.
"""

import math
import threading
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import notifier
from api.models.base import database_clock, is_any_of, session, takes_writes
from api.models.notification import RECEIPTS, WEBHOOKS, Notification, Priority, State, is_fresh
from api.models.organisation_access import WebhookDelivery
from api.models.provider_event import ProviderEvent
from api.models.slot import Detection
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.database_errors import is_away, passes
from configs.ground.logs import OutageLog, set_up_logs
from configs.programs.matching_queues import MANY, nudge_seconds
from configs.programs.worker_processes import leaves_at, on_stop_signals
from configs.settings import Constant
from notifier import applied_receipts
from notifier.channels.batch_sender import per_second
from notifier.content.message_kind_base import SLOT_DETECTED
from notifier.delivery import delivery, nudges
from notifier.delivery.nudges import WaitingWork, rearm_seconds
from notifier.matching import match_service

# How often the sweep looks for what was lost
_sweep_seconds = Constant("SWEEP_SECONDS", 1.0)
# Longest wait between two nudges: so long may wait what was lost with Redis, or was asked for while PostgreSQL was away
nudge_max_seconds = Constant("NUDGE_MAX_SECONDS", 20.0)

_AT_ONCE = 1000  # rows in one round; the rest is due in the next
_SECONDS_OF_OTHERS = 10  # of a channel's rate: the portion in which other messages enter a queue
_FAST = 50  # messages a second by a channel whose provider names no limit
_RANKS = {each: rank for rank, each in enumerate(Priority)}
# What may be a crowd: the alerts of a detection, urgent messages of a kind, all others of a priority.
_GROUP = sa.case(
    (
        Notification.priority.in_(nudges.URGENT),
        sa.func.coalesce(Notification.params["detection_id"].astext, Notification.kind),
    ),
    else_=sa.cast(Notification.priority, sa.String),
)
# What came from outside or goes there, the queue of it, and the job that takes all that is due.
_EVENTS = ((ProviderEvent, RECEIPTS, "apply_receipts"), (WebhookDelivery, WEBHOOKS, "deliver_webhooks"))

log = structlog.get_logger(__name__)

Crowds = set[tuple[Channel, str]]  # groups of which more than few were due, until nothing of them is


def _wait_after(
    times: sa.ColumnElement[int] | sa.orm.InstrumentedAttribute[int],
) -> sa.ColumnElement[timedelta]:
    """Return for how long a row that was nudged that often does not count as lost."""
    seconds = sa.func.least(
        nudge_seconds() * sa.func.power(2.0, sa.func.least(times, 30)), nudge_max_seconds()
    )
    return sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds, type_=sa.Interval)


def unmatched(now: datetime) -> Sequence[sa.Row[UUID, int]]:
    """Return unmatched detections that no job names any more, with the number of the nudge that they are to get."""
    row, wait = Detection, timedelta(seconds=nudge_seconds())
    due_at = sa.func.coalesce(row.next_nudge_at, row.committed_at + wait)
    lost = sa.select(row.id, row.nudges + 1).where(row.matched_at.is_(None), due_at <= now)
    with session() as opened:
        return opened.execute(lost.order_by(row.committed_at).limit(_AT_ONCE)).all()


def _ask_to_match(detections: Sequence[sa.Row[UUID, int]], now: datetime) -> int:
    """Nudge detections, and note of those that are in the queue when to nudge them again; return their number."""
    asked = [each for each, _ in takewhile(lambda each: notifier.detection_seen(*each), detections)]
    row, times = Detection, Detection.nudges + 1
    if asked:
        noted = sa.update(row).where(is_any_of(row.id, asked))
        with session() as opened:
            opened.execute(noted.values(nudges=times, next_nudge_at=now + _wait_after(times)))
    return len(asked)


def undelivered(now: datetime, crowds: Crowds | None = None) -> list[WaitingWork]:
    """End leases that ran out; return the notifications that are due and that no job names any more.

    Those of higher priority are first. `crowds` are known from earlier rounds, and brought up to date.
    """
    known = set() if crowds is None else crowds
    with session() as opened:
        delivery.end_leases(opened, now)
        channels = opened.scalars(sa.select(Notification.channel).where(*_are_due(now)).distinct()).all()
        works = [work for each in channels for work in _ChannelRound(opened, each, now, known).find_lost()]
        known &= {(channel, group) for channel, group in known if channel in channels}
    return sorted(works, key=lambda work: _RANKS[work.priority])


@dataclass(frozen=True, slots=True)
class _ChannelRound:
    """The search for what a channel has lost: a job that waits may name what became due before it was queued.

    So what few wait for goes by the age of the queue of single messages, and a crowd by that of both.
    """

    opened: Session
    channel: Channel
    now: datetime
    crowds: Crowds

    def find_lost(self) -> list[WaitingWork]:
        """Return the messages of the channel that no job names any more."""
        try:
            single, rest = (nudges.read_wait(self.channel, single=each) for each in (True, False))
        except (RedisError, ValueError) as error:
            log.warning("not nudged, the sweep will", what="deliver", because=type(error).__name__)
            return []
        self._forget_crowds()
        few, until = self._find_few(self._before(single)), self._before(single, rest)
        is_urgent = Notification.priority.in_(nudges.URGENT)
        many = [each for each in few[nudges.FEW :] if each.asked_at <= until]
        many += self._find(self._is_crowd(), is_urgent, _asked_at(self.now) <= until)
        if rest is None and not many:
            most = _SECONDS_OF_OTHERS * (per_second(self.channel) or _FAST)
            many += self._find(self._is_crowd(), ~is_urgent, most=most)
        return [*self._group(few[: nudges.FEW], in_crowd=False), *self._group(many, in_crowd=True)]

    def _forget_crowds(self) -> None:
        mine = {group for channel, group in self.crowds if channel == self.channel}
        for group in mine:
            left = sa.exists().where(*self._are_mine(), sa.literal(group) == _GROUP)
            if not self.opened.scalar(sa.select(left)):
                self.crowds.discard((self.channel, group))

    def _find_few(self, until: datetime) -> list[sa.Row[Any]]:
        """Return what few wait for; what turns out to be of a crowd is none of it, from then on."""
        while True:
            found = self._find(~self._is_crowd(), _asked_at(self.now) <= until)
            groups = {each.group for each in found}
            sizes = sa.select(_GROUP).where(*self._are_mine(), _GROUP.in_(groups)).group_by(_GROUP)
            large = {*self.opened.scalars(sizes.having(sa.func.count() > nudges.FEW))} if groups else set()
            self.crowds.update((self.channel, group) for group in large)
            if not large or len(found) < _AT_ONCE:
                return [each for each in found if each.group not in large]

    def _is_crowd(self) -> sa.ColumnElement[bool]:
        mine = [group for channel, group in self.crowds if channel == self.channel]
        return sa.or_(Notification.priority == Priority.BULK, _GROUP.in_(mine))

    def _are_mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        return Notification.channel == self.channel, *_are_due(self.now)

    def _find(self, *where: sa.ColumnElement[bool], most: int | None = None) -> Sequence[sa.Row[Any]]:
        row = Notification
        # The wait of its last nudge is over.
        is_lost = sa.or_(~_is_nudged(self.now), row.nudged_at + _wait_after(row.nudges) <= self.now)
        columns = row.id, row.contact_id, row.kind, row.language, row.priority
        query = sa.select(*columns, _asked_at(self.now).label("asked_at"), _GROUP.label("group"))
        first = query.order_by(sa.case(_RANKS, value=row.priority), row.next_attempt_at)
        return self.opened.execute(
            first.where(*self._are_mine(), is_lost, *where).limit(most or _AT_ONCE)
        ).all()

    def _before(self, *ages: float | None) -> datetime:
        waits = [timedelta(seconds=age) for age in ages if age is not None]
        return self.now - max(waits) - timedelta(seconds=nudge_seconds()) if waits else self.now

    def _group(self, rows: Iterable[sa.Row[Any]], *, in_crowd: bool) -> Iterable[WaitingWork]:
        """Return one work for slot alerts that leave as one message: two claims at once would part them."""
        together: dict[Hashable, list[sa.Row[Any]]] = defaultdict(list)
        for row in rows:
            is_shared = row.kind == SLOT_DETECTED and row.contact_id
            together[(row.contact_id, row.language) if is_shared else row.id].append(row)
        for first, *others in together.values():
            beside = tuple(each.id for each in others)
            yield WaitingWork(first.id, self.channel, first.priority, in_crowd, beside)


def _are_due(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return Notification.state == State.PENDING, Notification.next_attempt_at <= now


def _is_nudged(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a row was nudged since it is due; not later than now: the clock was set back."""
    row = Notification
    nudged = sa.and_(row.nudged_at >= row.next_attempt_at, row.nudged_at <= now)
    return sa.func.coalesce(nudged, sa.false())


def _asked_at(now: datetime) -> sa.ColumnElement[datetime]:
    """Return when a row was nudged, or was due; who wrote one that is as it was written may nudge it just now."""
    row, wait = Notification, timedelta(seconds=nudge_seconds())
    unasked = sa.case((is_fresh(), row.next_attempt_at + wait), else_=row.next_attempt_at)
    return sa.case((_is_nudged(now), row.nudged_at), else_=unasked)


def _ask_to_deliver(works: Sequence[WaitingWork], now: datetime) -> int:
    """Nudge notifications, and note which are in a queue; return the number of messages."""
    queued = nudges.ask_deliver_work(works)
    asked = [key for work in works if work.id in queued for key in (work.id, *work.beside)]
    if asked:
        row = Notification
        free = sa.select(row.id).where(is_any_of(row.id, asked), row.state == State.PENDING)
        times = sa.case((_is_nudged(now), row.nudges + 1), else_=1)
        noted = sa.update(row).where(row.id.in_(free.with_for_update(skip_locked=True)))
        with session() as opened:
            opened.execute(noted.values(nudged_at=now, nudges=times))
    return len(queued)


@dataclass
class Sweep:
    """One process's rounds; desks with open slots are re-armed in some of them only."""

    rearm_at: datetime | None = None
    crowds: Crowds = field(default_factory=set)
    database: OutageLog = field(default_factory=OutageLog)

    def turn(self) -> int:
        """Do one round; return how many rows were nudged."""
        now = database_clock()
        detections = _ask_to_match(unmatched(now), now)
        notifications = _ask_to_deliver(undelivered(now, self.crowds), now)
        applied_receipts.expire_receipts(now)
        for events, queue, job in _EVENTS:
            with session() as opened:
                waits = opened.scalar(sa.select(sa.exists().where(events.next_attempt_at <= now)))
            if waits:
                nudges.ask_once(queue, job)
        next_round = now + timedelta(seconds=rearm_seconds())
        if self.rearm_at is None or not now < self.rearm_at <= next_round:  # later: the clock was set back
            self.rearm_at = next_round
            with session() as opened:
                desks = match_service.open_desks(opened, now)
            nudges.ask_many(MANY, "rearm", [(each,) for each in desks], kept=math.ceil(rearm_seconds()))
        if found := detections + notifications:
            log.info("nudged", detections=detections, notifications=notifications)
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


def main() -> int:
    """Run until SIGTERM, SIGINT or old; return 0."""
    set_up_logs("sweep")
    stopped = threading.Event()
    on_stop_signals(stopped.set)
    log.info("sweeping", seconds=_sweep_seconds())
    sweep, end = Sweep(), leaves_at()
    while not stopped.wait(_sweep_seconds()) and clock() < end:
        sweep.turn_safely()
    return 0
