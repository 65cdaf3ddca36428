"""Batch writer: takes finished checks and writes them on a thread of its own, never on the event loop.

Checks that end during a write form the next batch. Where no slot was seen it waits LINGER seconds, so that hardly any
check is written alone; a batch with slots is written at once. The item pipeline hands the checks over while the crawl
goes on.

A batch is one transaction: checks, desks, slots, detections, rests of hosts. Checks that changed nothing cost three
statements, however many they are.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Self
from uuid import UUID

import psycopg2.errors
import redis
import sqlalchemy as sa
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

import notifier
from api.models.base import CLOCKS_DIFFER, database_clock, session, write_rows
from api.models.desk import Publication
from configs.ground.clock import clock
from configs.ground.logs import OutageLog
from configs.world.prefecture import desks
from crawler.classification import LONGEST_ERROR, REFUSED, clean_text
from crawler.incidents import backoff
from crawler.items import CheckBatch, CheckItem
from crawler.proofs.outbox import Proof, ProofOutbox, of_trouble
from crawler.reading import Outcome
from crawler.recording import desk_state_update, slot_writer
from crawler.recording.desk_state_update import CheckOutcome
from crawler.scheduling import due_queue
from crawler.scheduling.due_queue import STOP_GRACE_SECONDS, VisitEnd
from crawler.scheduling.intervals import budget_of, captcha_expected, cost_of, host_floor
from crawler.visit_state import VisitResult

# The row type of the table has the types of the columns.
_CHECKS = sa.text("""
INSERT INTO checks (started_at, desk_id, token, outcome, evidence, milliseconds, requests, slots_seen, covered,
                    process, error, proof_key)
SELECT started_at, desk_id, token, outcome, evidence, milliseconds, requests, slots_seen, covered, process, error,
       proof_key
FROM json_populate_recordset(CAST(NULL AS checks), :rows)
""")

log = logging.getLogger(__name__)
LINGER = 0.05  # seconds; a transaction costs as much as a check, for one check or for fifty
LARGEST = 500  # checks in one transaction
BEHIND = 200  # checks not yet written from which on nothing more is claimed
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0  # seconds
_ITEM_SECONDS = 0.2  # after which an item has left the pipelines
# Classes of SQLSTATE: a value that does not fit, a constraint, a limit of the server, an error that a trigger raised.
# https://www.postgresql.org/docs/18/errcodes-appendix.html
_ROW_FAULTS = frozenset({"22", "23", "54", "P0"})
# A check waits for its missing day, which the background program makes. A day further away is a wrong clock's.
_DAY_COMES = timedelta(days=2)


@dataclass(slots=True)
class Written:
    """Work after the commit: detections to nudge, visits to end in the due queue, pages to keep."""

    detections: list[UUID] = field(default_factory=list)
    visits: list[VisitEnd] = field(default_factory=list)
    proofs: list[Proof] = field(default_factory=list)

    def add(self, other: "Written") -> None:
        """Add what another transaction left to do."""
        self.detections += other.detections
        self.visits += other.visits
        self.proofs += other.proofs


def write_batch(session: Session, checks: Sequence[CheckItem]) -> Written:
    """Write checks of different desks; a batch has at most one check of a desk.

    A check whose token is older than its desk's last one, and one whose page was read more than two intervals ago,
    records its check, lets a host rest that refused it, and changes nothing else.
    """
    now = database_clock(session)
    step = now - clock()
    checks = [_by_database(check, now, step) for check in checks]
    checks = backoff.reclassify_page_refusals(session, checks, now)
    rows = desk_state_update.update_desks(session, checks, now)
    ends = [
        CheckOutcome(desk, check, rows.get(desk.id))
        for check in checks
        if (desk := desks().get(check.desk_id))
    ]
    counted = [end for end in ends if end.row]
    desk_state_update.write_coverage(session, counted, now)
    _write_publications(session, counted)
    found = slot_writer.write_slots(session, counted)
    troubles = [of_trouble(end.desk, end.check, end.row.outcome_before) for end in counted]
    proofs = [proof for proof in (*(proof for _, proof in found.values()), *troubles) if proof]
    keys = {each.desk.id: each.key for each in proofs}
    session.execute(
        _CHECKS, {"rows": write_rows(_check_row(check, keys.get(check.desk_id)) for check in checks)}
    )
    backoff.write_outages(session, [turn for end in counted for turn in _outage_changes(end)])
    refused = [end.check for end in ends if backoff.refusal_of(end.check)]  # also late ones: the site said so
    rests = backoff.rest_hosts(session, refused, now) if refused else {}
    visits = [_visit_end(end, rests.get(end.desk.host), now) for end in ends]
    return Written([detection for detection, _ in found.values()], visits, proofs)


def _by_database(check: CheckItem, now: datetime, step: timedelta) -> CheckItem:
    """Let a check count by the database's clock where its process's is off by `step`; none is of the future."""
    off = step if abs(step) > CLOCKS_DIFFER else timedelta(0)
    return replace(check, started_at=min(check.started_at + off, now), seen_at=min(check.seen_at + off, now))


def _write_publications(session: Session, ends: Sequence[CheckOutcome]) -> None:
    """Write the releases that pages name, or when they were seen last; a batch has one check of a desk at most."""
    named = [
        {
            "desk_id": end.desk.id,
            "released_at": each.at,
            "first_day": each.first,
            "last_day": each.last,
            "seen_at": end.check.seen_at,
            "seen_last_at": end.check.seen_at,
        }
        for end in ends
        for each in {(each.at, each.first): each for each in end.check.publications}.values()
    ]
    if not named:
        return
    insert = postgresql.insert(Publication).values(named)
    seen_last_at = sa.func.greatest(Publication.seen_last_at, insert.excluded.seen_last_at)
    latest = {"seen_last_at": seen_last_at, "last_day": insert.excluded.last_day}
    key = (Publication.desk_id, Publication.released_at, Publication.first_day)
    session.execute(insert.on_conflict_do_update(index_elements=key, set_=latest))


def _check_row(check: CheckItem, proof_key: str | None) -> dict[str, Any]:
    covered = [{"place": each.place_key, "first": each.first, "last": each.last} for each in check.covered]
    return {
        "started_at": check.started_at,
        "desk_id": check.desk_id,
        "token": check.token,
        "outcome": check.outcome,
        "evidence": check.reason,
        "milliseconds": check.milliseconds,
        "requests": check.requests,
        "slots_seen": len(check.slots),
        "covered": covered,
        "process": check.process,
        "error": check.error,
        "proof_key": proof_key,
    }


def _outage_changes(end: CheckOutcome) -> list[backoff.OutageChange]:
    """Return the change of the desk's outage, if any."""
    check = end.check
    usual = check.outcome is Outcome.CAPTCHA and captcha_expected(end.desk)
    reason = None if usual else backoff.outage_reason_of(check.outcome, end.row.inconclusive)
    ended = (usual or check.outcome.conclusive) and end.row.outage
    changed = ended or (reason and reason.value != end.row.outage)
    return [backoff.OutageChange(end.desk.id, check.started_at, reason)] if changed else []


def _visit_end(end: CheckOutcome, rest: datetime | None, now: datetime) -> VisitEnd:
    check, desk = end.check, end.desk
    paid = check.started_at + timedelta(seconds=host_floor(check.requests, budget_of(desk)))
    return VisitEnd(
        desk.id,
        check.token or 0,
        max(end.due, now, rest or now),
        desk.host,
        max(paid, now),
        rest,
        unused=max(0, cost_of(desk) - check.requests),
    )


def record(checks: Sequence[CheckItem]) -> Written:
    """Write checks of different desks in one transaction; where one of them is refused, each in a savepoint.

    Raises:
        Exception: no check is at fault; nothing was written.
    """
    try:
        with session() as rows:
            return write_batch(rows, checks)
    except Exception as error:
        if not is_row_fault(error):
            raise
    written = Written()
    with session() as rows:
        for check in checks:
            written.add(_write_alone(rows, check))
    return written


def take_batch(waiting: deque[CheckItem]) -> list[CheckItem]:
    """Take the first checks, LARGEST at most, and a desk once: its next check goes into the next batch."""
    batch: dict[str, CheckItem] = {}
    while waiting and len(batch) < LARGEST and waiting[0].desk_id not in batch:
        check = waiting.popleft()
        batch[check.desk_id] = check
    return list(batch.values())


def is_row_fault(error: Exception) -> bool:
    """Tell whether a row is at fault, and not the server, a connection or the load.

    What raised no error of SQLAlchemy's was refused before it was sent (psycopg2 takes no NUL), or by our own code.
    """
    if isinstance(error, sa.exc.DBAPIError):
        code = str(getattr(error.orig, "pgcode", None))
        return code[:2] in _ROW_FAULTS and not error.connection_invalidated
    return not isinstance(error, sa.exc.TimeoutError)


def _write_alone(rows: Session, check: CheckItem) -> Written:
    """Write a check; one that is refused is recorded as `unreadable`, without what its page said.

    A check that is refused even so is logged and left out: its desk comes due again.
    """
    try:
        with rows.begin_nested():
            return write_batch(rows, [check])
    except Exception as error:
        if not is_row_fault(error) or _waits_for_day(error, check):
            raise
        if check.reason == REFUSED:
            log.exception("the check of %s cannot be recorded at all", check.desk_id)
            return Written()
        log.exception("the check of %s cannot be recorded as it is", check.desk_id)
        refused = VisitResult(outcome=Outcome.UNREADABLE, reason=REFUSED)  # nothing in it comes from the page
        plain = replace(
            check, **vars(refused), error=clean_text(f"{type(error).__name__}: {error}", LONGEST_ERROR)
        )
    return _write_alone(rows, plain)


def _waits_for_day(error: Exception, check: CheckItem) -> bool:
    """Tell whether the table has no partition yet for the day of a check that is of about now."""
    if not isinstance(getattr(error, "orig", None), psycopg2.errors.CheckViolation):
        return False
    return "no partition" in str(error) and abs(check.started_at - clock()) < _DAY_COMES


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
                written = record(batch)
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


class RecordPipeline:
    """Hands each check to the crawl's writer and waits for nothing."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build it as Scrapy asks for it.

        Raises:
            NotConfigured: nothing is checked: a person looks at a page (`scrapy fetch`, `scrapy shell`).
        """
        if not hasattr(crawler.spidercls, "system"):
            raise NotConfigured
        return cls(crawler)

    def open_spider(self) -> None:
        """Make the spider's writer, before it starts: its dispatcher looks how far that is behind."""
        spider: Any = self._crawler.spider
        self._writer = spider.writer = Writer(str(spider.queue))

    def process_item(self, item: Any) -> Any:
        """Take checks, pass all else on."""
        if isinstance(item, CheckBatch):
            for check in item.checks:
                self._writer.put(check)
        scraping = self._scraping()
        if scraping and scraping.closing:
            asyncio.get_running_loop().call_later(_ITEM_SECONDS, self._look_again_for_items)
        return item

    def _look_again_for_items(self) -> None:
        """Let Scrapy close the spider once no item is in a pipeline.

        It looks for one as it closes the spider, by its age or memory, and after each response. Our items come from
        `start()` without a response: with one in a pipeline at that moment the spider would go on for ever.
        https://github.com/scrapy/scrapy/blob/2.19/scrapy/core/scraper.py (`_check_if_closing`)
        """
        scraping = self._scraping()
        if scraping and scraping.closing and scraping.is_idle() and not scraping.closing.called:
            scraping.closing.callback(self._crawler.spider)

    def _scraping(self) -> Any:
        """Return what Scrapy keeps of responses and items under way; None once the spider is closed."""
        return self._crawler.engine.scraper.slot

    async def close_spider(self) -> None:
        """Write what is left, off the event loop, once the dispatcher has handed over all of it."""
        if end := self._writer.on_close:
            with suppress(TimeoutError):
                await asyncio.wait_for(end(), 2 * STOP_GRACE_SECONDS())
        # On a thread of its own: names without an answer may hold all of the loop's.
        await asyncio.get_running_loop().run_in_executor(
            ThreadPoolExecutor(1), self._writer.close, STOP_GRACE_SECONDS()
        )
