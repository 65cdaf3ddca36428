"""The transaction of finished checks: their rows, desks, slots, detections, outages, rests of hosts.

Checks that changed nothing cost three statements, however many they are. Where the database refuses one of them, each
is written in a savepoint.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg2.errors
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from api.models.base import CLOCKS_DIFFER, database_clock, session, write_rows
from api.models.desk import Publication
from configs.ground.clock import clock
from configs.world.prefecture import desks
from crawler.bounds import LONGEST_ERROR, REFUSED, clean_text
from crawler.incidents import backoff
from crawler.items import CheckItem
from crawler.proofs.selection import Proof, of_trouble
from crawler.reading import Outcome
from crawler.recording import candidate_results, desk_state_update, probe_results, slot_writer
from crawler.recording.desk_state_update import CheckOutcome
from crawler.scheduling.candidates import is_candidate
from crawler.scheduling.due_queue import VisitEnd
from crawler.scheduling.intervals import budget_of, captcha_expected, cost_of, host_floor
from crawler.scheduling.probes import find_visited, host_of_visit, is_robots, next_robots
from crawler.visit_state import VisitResult

log = logging.getLogger(__name__)

# The row type of the table has the types of the columns.
_CHECKS = sa.text("""
INSERT INTO checks (started_at, desk_id, token, outcome, evidence, milliseconds, requests, slots_seen, covered,
                    process, error, proof_key, probe)
SELECT started_at, desk_id, token, outcome, evidence, milliseconds, requests, slots_seen, covered, process, error,
       proof_key, probe
FROM json_populate_recordset(CAST(NULL AS checks), :rows)
""")
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
    dues = probe_results.write_probes(session, [check for check in checks if check.probe])
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
    refusals = backoff.find_refusals(end.check for end in ends)  # also late ones: the site said so
    rests = backoff.rest_hosts(session, refusals, now)
    visits = [_visit_end(end, dues.get(end.desk.id, end.due), rests.get(end.desk.host), now) for end in ends]
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
        "probe": check.probe,
    }


def _outage_changes(end: CheckOutcome) -> list[backoff.OutageChange]:
    """Return the change of the desk's outage, if any."""
    check = end.check
    usual = check.outcome is Outcome.CAPTCHA and captcha_expected(end.desk)
    reason = None if usual else backoff.outage_reason_of(check.outcome, end.row.inconclusive)
    ended = (usual or check.outcome.conclusive) and end.row.outage
    changed = ended or (reason and reason.value != end.row.outage)
    return [backoff.OutageChange(end.desk.id, check.started_at, reason)] if changed else []


def _visit_end(end: CheckOutcome, due: datetime, rest: datetime | None, now: datetime) -> VisitEnd:
    check, desk = end.check, end.desk
    paid = check.started_at + timedelta(seconds=host_floor(check.requests, budget_of(desk)))
    return VisitEnd(
        desk.id,
        check.token or 0,
        max(due, now, rest or now),
        desk.host,
        max(paid, now),
        rest,
        unused=max(0, cost_of(desk) - check.requests),
    )


def record_checks(items: Sequence[CheckItem]) -> Written:
    """Write checks of different desks in one transaction; where one of them is refused, each in a savepoint.

    Candidates and readings of robots.txt come first, in a transaction of their own: they lock desks of their hosts.

    Raises:
        Exception: no check is at fault; nothing was written but robots.txt.
    """
    beside = [each for each in items if _is_beside(each)]
    written = _record_beside(beside) if beside else Written()
    if checks := [each for each in items if not _is_beside(each)]:
        written.add(_write_together(checks))
    return written


def _is_beside(item: CheckItem) -> bool:
    return is_robots(item.desk_id) or is_candidate(item.desk_id)


def _record_beside(visits: Sequence[CheckItem]) -> Written:
    with session() as rows:
        now = database_clock(rows)
        probe_results.write_robots(rows, [each for each in visits if is_robots(each.desk_id)], now)
        candidate_results.write_visits(rows, [each for each in visits if is_candidate(each.desk_id)])
        rests = backoff.rest_hosts(rows, backoff.find_refusals(visits), now)
    return Written(visits=[_end_beside(each, rests, now) for each in visits])


def _end_beside(visit: CheckItem, rests: Mapping[str, datetime], now: datetime) -> VisitEnd:
    """Return when what is no desk of a file is due again: a robots.txt, or a candidate, whose plan says it better."""
    host, started = host_of_visit(visit.desk_id), visit.started_at
    desk, due = find_visited(visit.desk_id), next_robots(host, started)
    floor = host_floor(visit.requests, budget_of(desk)) if desk else 0
    between = max(started + timedelta(seconds=floor), now)
    paid = cost_of(desk) if desk and is_candidate(visit.desk_id) else 1
    unused = max(0, paid - visit.requests)
    return VisitEnd(visit.desk_id, visit.token or 0, due, host, between, rests.get(host), unused)


def _write_together(checks: Sequence[CheckItem]) -> Written:
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
