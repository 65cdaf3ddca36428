"""Batch writer: takes finished checks and writes them on a thread of its own, never on the event loop.

Checks that end during a write form the next batch. Where no slot was seen it waits LINGER seconds, so that hardly any
check is written alone; a batch with slots is written at once.
"""

import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from uuid import UUID

import redis

import notifier
from api.models.base import database_clock
from configs.ground.logs import OutageLog
from crawler.items import CheckItem
from crawler.proofs.outbox import ProofOutbox
from crawler.reading import Outcome
from crawler.recording.check_transaction import Written, record_checks
from crawler.scheduling import due_queue
from crawler.scheduling.due_queue import VisitEnd

log = logging.getLogger(__name__)
LINGER = 0.05  # seconds; a transaction costs as much as a check, for one check or for fifty
LARGEST = 500  # checks in one transaction
BEHIND = 200  # checks not yet written from which on nothing more is claimed
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0  # seconds


def take_batch(waiting: deque[CheckItem]) -> list[CheckItem]:
    """Take the first checks, LARGEST at most, and a desk once: its next check goes into the next batch."""
    batch: dict[str, CheckItem] = {}
    while waiting and len(batch) < LARGEST and waiting[0].desk_id not in batch:
        check = waiting.popleft()
        batch[check.desk_id] = check
    return list(batch.values())


class Writer:
    """Writes checks in batches. Safe to call from any thread; `system` is the due queue whose desks they are.

    The dispatcher, if there is one, sets `on_finish`, called on the writer's thread when desks and hosts were given
    back, and `on_close`, awaited before the writer is closed: it hands over what is left.
    """

    def __init__(self, system: str) -> None:
        self.system = system
        self.on_finish: Callable[[], object] | None = None
        self.on_close: Callable[[], Awaitable[object]] | None = None
        self._waiting: deque[CheckItem] = deque()
        self._writing = self._lost = 0
        self._stuck = False
        self._database, self._redis_outage = OutageLog(), OutageLog()
        self._changed = threading.Condition()
        self._hurry = threading.Event()
        self._ends_at: float | None = None
        self._redis: redis.Redis | None = None
        self._unsent: list[VisitEnd] = []
        self._proofs = ProofOutbox()
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)

    @property
    def behind(self) -> bool:
        """Whether nothing more should be asked: too much waits to be written, or the database is in trouble.

        In trouble no visit ends in the due queue, so holds would run out before hosts have had their rest.
        """
        return self._stuck or len(self._waiting) + self._writing >= BEHIND

    def put(self, check: CheckItem) -> None:
        """Hand over a check; one without a token is not kept."""
        if check.token is None:
            return
        with self._changed:
            self._waiting.append(check)
            if check.outcome is not Outcome.NO_SLOTS:
                self._hurry.set()
            if self._thread.ident is None:
                self._thread.start()
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Write what waits, for so many seconds at most; say what could not be written."""
        with self._changed:
            self._ends_at = monotonic() + seconds
            self._hurry.set()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(seconds + 1)
        self._proofs.close(seconds)
        if lost := self._lost + self._writing + len(self._waiting):
            log.error("%d checks could not be recorded before the end: their desks are checked again", lost)

    def _run(self) -> None:
        _get_ready()
        while batch := self._collect():
            written = self._persist(batch)
            _nudge(written.detections)
            self._proofs.put(written.proofs)
            try:
                self._finish(written.visits)
            except Exception:
                # Desks come due again by themselves. A writer that ended would stop all claims for good.
                log.exception("%d visits could not be ended in the due queue", len(written.visits))
        if self._redis:
            self._redis.close()

    def _collect(self) -> list[CheckItem]:
        """Wait for checks and take them. Empty: the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ends_at is not None)
        if len(self._waiting) < LARGEST:
            self._hurry.wait(LINGER)
        with self._changed:
            batch = take_batch(self._waiting)
            if self._ends_at is None and not self._waiting:
                self._hurry.clear()
            self._writing = len(batch)
            return batch

    def _persist(self, batch: list[CheckItem]) -> Written:
        """Write a batch; while the database is in trouble, wait and try again."""
        written, pause = Written(), _FIRST_WAIT
        while batch:
            try:
                written = record_checks(batch)
                break
            except Exception as error:  # whatever it is, the checks are kept # noqa: BLE001
                why = str(error).partition("\n")[0]
                self._database.log_change(log, f"the database is in trouble, checks wait: {why}")
            self._stuck = True
            if self._over(pause):
                self._lost += len(batch)
                break
            pause = min(2 * pause, _LONGEST_WAIT)
        self._writing, self._stuck = 0, False
        self._database.log_change(log, "")
        return written

    def _over(self, pause: float) -> bool:
        """Wait before the next try; tell whether there is none, because the process ends."""
        with self._changed:
            if self._ends_at is None:
                self._changed.wait_for(lambda: self._ends_at is not None, pause)
                return False
            left = self._ends_at - monotonic()
            self._changed.wait(max(0, min(pause, left)))
            return left <= 0

    def _finish(self, visits: list[VisitEnd]) -> None:
        """Give desks and hosts back. While Redis is away, and nothing is claimed, that is kept."""
        self._unsent += visits
        if not self._unsent:
            return
        try:
            self._redis = self._redis or due_queue.connect()
            due_queue.send(self._redis, due_queue.finish(self.system, self._unsent, now=database_clock()))
        except redis.RedisError as error:
            self._redis_outage.log_change(
                log, f"Redis is away, desks come due again when their holds end: {error}"
            )
            return
        self._unsent = []
        self._redis_outage.log_change(log, "")
        if told := self.on_finish:
            told()


def _get_ready() -> None:
    """Load what a nudge needs beside the first check, not after the first slot."""
    try:
        notifier.get_ready()
    except Exception:  # a check is recorded without it
        log.exception("the first nudge will load what it needs")


def _nudge(detections: Sequence[UUID]) -> None:
    """Tell the notifier, after the commit; a nudge that fails is found by its sweep."""
    for detection in detections:
        try:
            notifier.detection_seen(detection)
        except Exception:  # the rows stand: whatever a nudge breaks, the next checks are recorded
            log.exception("detection %s is written, its nudge failed", detection)
