"""`python -m notifier.sweep`: the loop that finds what was lost, and nudges it each time after a longer wait."""

import sys
import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from psycopg2.errors import ForeignKeyViolation
from sqlalchemy.exc import DBAPIError, IntegrityError

from api.models.base import session, takes_writes
from api.models.database_clock import database_clock
from api.models.notification import Notification, Priority, State
from api.models.provider_event import ProviderEvent
from api.models.slot import Detection
from configs.constants import Constant
from configs.database_errors import is_away, passes
from configs.logs import set_up_logs
from configs.matching_queues import NUDGE_SECONDS
from configs.outage_log import OutageLog
from configs.process_age import on_stop_signals, repeat_until_old
from configs.startup import exit_on_config_error
from notifier import applied_receipts, match_nudge, match_service, nudges
from notifier.calls import plan_calls
from notifier.message_kinds import SLOT_DETECTED
from notifier.notification_writer import next_nudge
from notifier.nudges import REARM_SECONDS, WaitingWork

# How often the sweep looks for what was lost
_SWEEP_SECONDS = Constant("SWEEP_SECONDS", 1.0)
# How long the sweep waits when the database is back: workers first write the answers that they heard meanwhile
_HEAD_START_SECONDS = Constant("HEAD_START_SECONDS", 2.0)

_AT_ONCE = 1000  # rows in one round; the rest is due in the next
_RANK = sa.case({each: rank for rank, each in enumerate(Priority)}, value=Notification.priority)

log = structlog.get_logger(__name__)


def unmatched(now: datetime) -> list[tuple[UUID, int]]:
    """Return unmatched detections, with their earlier nudges; each is due again after a longer wait."""
    lost = sa.or_(
        Detection.next_nudge_at <= now,
        sa.and_(
            Detection.next_nudge_at.is_(None),
            Detection.committed_at <= now - timedelta(seconds=NUDGE_SECONDS()),
        ),
    )
    query = (
        sa.select(Detection)
        .where(Detection.matched_at.is_(None), lost)
        .order_by(Detection.committed_at)
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    with session() as opened:
        return [(row.id, _count(row, now)) for row in opened.scalars(query)]


def undelivered(now: datetime) -> list[WaitingWork]:
    """Return the notifications that are due, or whose lease ran out; they are due later from now on.

    Those of higher priority are first: after an outage more may wait than rounds of minutes can nudge. Of slot alerts
    that leave as one message the first is returned: it is claimed with the others, and two claims at once would part
    them.
    """
    query = (
        sa.select(Notification)
        .where(Notification.state.in_((State.PENDING, State.SENDING)), Notification.next_nudge_at <= now)
        .order_by(_RANK, Notification.next_nudge_at)
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    first: dict[Hashable, WaitingWork] = {}
    with session() as opened:
        for row in opened.scalars(query):
            work = WaitingWork(
                row.id, row.channel, row.priority, row.contact_id, _count(row, now),
                in_crowd=nudges.IN_CROWD in row.params,
            )  # fmt: skip
            first.setdefault(_name_message(row, now), work)
    return list(first.values())


def _name_message(row: Notification, now: datetime) -> Hashable:
    """Return what rows share that one claim takes together; of all others the id."""
    is_free = row.state is State.PENDING and row.next_attempt_at <= now
    if row.kind == SLOT_DETECTED and row.contact_id and is_free:
        return row.contact_id, row.language
    return row.id


def _count(row: Detection | Notification, now: datetime) -> int:
    row.nudges += 1
    row.next_nudge_at = next_nudge(now, row.nudges)
    return row.nudges


@dataclass
class Sweep:
    """One process's rounds; desks with open slots are re-armed in some of them only."""

    rearm_at: datetime | None = None
    back_at: datetime | None = None
    database: OutageLog = field(default_factory=OutageLog)

    def turn(self) -> int:
        """Do one round; return how many rows were nudged."""
        now = database_clock()
        detections, notifications = unmatched(now), undelivered(now)
        for detection_id, times in detections:
            match_nudge.match(detection_id, times)
        nudges.deliver(notifications)
        self._watch_receipts(now)
        self._rearm(now)
        self._plan_calls(now)
        if found := len(detections) + len(notifications):
            log.info("nudged", detections=len(detections), notifications=len(notifications))
        return found

    def _watch_receipts(self, now: datetime) -> None:
        """Have receipts applied that still wait, and mark the messages that none came for."""
        applied_receipts.expire_receipts(now)
        with session() as opened:
            waiting = opened.scalar(sa.select(sa.exists().where(ProviderEvent.next_attempt_at <= now)))
        if waiting:
            nudges.apply_receipts()

    def _plan_calls(self, now: datetime) -> None:
        """Have people called about what was matched a moment ago, where their alerts want that."""
        try:
            with session() as opened:
                written = plan_calls(opened, now)
        except IntegrityError as error:
            if not isinstance(error.orig, ForeignKeyViolation):
                raise
            log.warning("an account was deleted meanwhile, calls are planned in the next round")
        else:
            nudges.nudge(written)

    def _rearm(self, now: datetime) -> None:
        if self.rearm_at is not None and now < self.rearm_at:
            return
        self.rearm_at = now + timedelta(seconds=REARM_SECONDS())
        with session() as opened:
            desks = match_service.open_desks(opened, now)
        nudges.rearm(desks)

    def turn_safely(self) -> None:
        """Do one round; a database that is away is logged once, not each second.

        When it is back, workers first write the answers that they received meanwhile; the rest is nudged after that.
        """
        try:
            if not self._waits(database_clock()):
                self.turn()
        except DBAPIError as error:
            if not passes(error):
                raise
            if not is_away(error):
                log.warning("a round met others, the next one begins anew", because=type(error.orig).__name__)
            elif self.database.begin(str(error)):
                log.warning("database away, trying again", because=type(error.orig).__name__)

    def _waits(self, now: datetime) -> bool:
        if self.database.is_open:
            if not takes_writes():
                return True
            log.info("database back")
            self.database.end()
            self.back_at = now + timedelta(seconds=_HEAD_START_SECONDS())
        head_start = timedelta(seconds=_HEAD_START_SECONDS())
        return self.back_at is not None and timedelta(0) < self.back_at - now <= head_start


@exit_on_config_error("the sweep")
def main() -> int:
    """Run until SIGTERM, SIGINT or old; return 0."""
    set_up_logs("sweep")
    stopped = threading.Event()
    on_stop_signals(stopped.set)
    log.info("sweeping", seconds=_SWEEP_SECONDS())
    repeat_until_old(Sweep().turn_safely, _SWEEP_SECONDS(), stopped)
    return 0


if __name__ == "__main__":
    sys.exit(main())
