"""Transaction that records a batch of checks: checks, desks, slots, detections, rests of hosts.

Checks that changed nothing cost three statements, however many they are.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.models.database_clock import CLOCKS_DIFFER, database_clock
from configs.world.desk import Desk
from configs.world.outcome import Outcome
from configs.world.prefecture import desks
from crawler import outages
from crawler.hosts import store
from crawler.hosts import store as host_rows
from crawler.hosts.backoff import RESTING
from crawler.items import FinishedCheck
from crawler.proofs.outbox import Proof, of_trouble
from crawler.reading import CoveredWindow
from crawler.recording import desk_state_update, slot_writer
from crawler.recording.desk_state_update import StateChange
from crawler.recording.slot_writer import CheckResult, OpenSlot
from crawler.scheduling import intervals
from crawler.scheduling.desk_budgets import budget_of, captcha_expected, cost_of, own_interval
from crawler.scheduling.due_queue import VisitEnd

_CHECKS = sa.text("""
INSERT INTO checks (started_at, desk_id, token, outcome, evidence, milliseconds, requests, slots_seen, covered,
                    process, error, proof_key)
SELECT started_at, desk_id, token, outcome, evidence, milliseconds, requests, slots, covered::jsonb, process, error,
       proof_key
FROM unnest(CAST(:started_at AS timestamptz[]), CAST(:desk_id AS text[]), CAST(:token AS bigint[]),
            CAST(:outcome AS text[]), CAST(:evidence AS text[]), CAST(:milliseconds AS int[]),
            CAST(:requests AS smallint[]), CAST(:slots AS int[]), CAST(:covered AS text[]),
            CAST(:process AS text[]), CAST(:error AS text[]), CAST(:proof_key AS text[]))
  AS n(started_at, desk_id, token, outcome, evidence, milliseconds, requests, slots, covered, process, error,
       proof_key)
""")

Columns = dict[str, Any]


@dataclass(slots=True)
class Written:
    """Work after the commit: detections to nudge, visits to end in the due queue, pages to keep.

    `lines`: a log line for each check.
    """

    detections: list[UUID] = field(default_factory=list)
    visits: list[VisitEnd] = field(default_factory=list)
    proofs: list[Proof] = field(default_factory=list)
    lines: list[Columns] = field(default_factory=list)

    def add(self, other: "Written") -> None:
        """Add what another transaction left to do."""
        self.detections += other.detections
        self.visits += other.visits
        self.proofs += other.proofs
        self.lines += other.lines


@dataclass(frozen=True, slots=True)
class _CheckOutcome:
    """A check of an existing desk, the desk's row (None: the check is outdated), its interval in seconds.

    `least`: seconds to its next check, at least.
    """

    desk: Desk
    result: FinishedCheck
    row: Any
    interval: float
    least: float

    @property
    def due(self) -> datetime:
        """Return when the desk is due again, by this check alone."""
        check, counted = self.result.check, self.row.inconclusive if self.row else 0
        return intervals.next_due(
            check.outcome,
            started_at=check.started_at,
            now=self.result.seen_at,
            interval=self.least,
            inconclusive=counted,
            lot=intervals.stable_random(check.desk_id, self.result.token),
            releases_at=self.row.releases_at if self.row else None,
        )


def write_batch(
    session: Session, results: Sequence[FinishedCheck], now: datetime, by_ours: datetime
) -> Written:
    """Write checks of different desks; a batch has at most one check of a desk.

    A result whose token is older than its desk's last one, and one whose page was read more than two intervals ago,
    records its check, lets a host rest that refused it, and changes nothing else. `now` is by the database's clock,
    `by_ours` by this process's.
    """
    results = [_by_database(result, now, now - by_ours) for result in results]
    results = store.reclassify_page_refusals(session, results, now)
    rows = desk_state_update.update_desks(session, results, now)
    ends = [
        _check_outcome(desk, result, rows)
        for result in results
        if (desk := desks().get(result.check.desk_id))
    ]
    counted = [end for end in ends if end.row]
    _write_coverage(session, counted, now)
    found = _write_slots(session, counted)
    proofs = [each.proof for each in found if each.proof] + list(
        filter(None, map(_proof_of_trouble, counted))
    )
    session.execute(_CHECKS, _check_columns(results, {each.desk.id: each.key for each in proofs}))
    lines = describe_checks(results, {each.desk_id: each.id for each in found})
    written = Written([each.id for each in found], proofs=proofs, lines=lines)
    outages.write_outages(session, [turn for end in counted for turn in _outage_changes(end)])
    rests = _rest_hosts(session, ends, now)  # also of a check that came late: the site said so
    written.visits = [_visit_end(end, rests.get(end.desk.host), now) for end in ends]
    return written


def _by_database(result: FinishedCheck, now: datetime, step: timedelta) -> FinishedCheck:
    """Let a check count by the database's clock where its process's is off by `step`; none is of the future."""
    check, seen_at = result.check, result.seen_at
    if abs(step) <= CLOCKS_DIFFER and max(check.started_at, seen_at) <= now + CLOCKS_DIFFER:
        return result
    started_at, seen_at = min(check.started_at + step, now), min(seen_at + step, now)
    return replace(result, check=replace(check, started_at=started_at), seen_at=seen_at)


def _check_outcome(desk: Desk, result: FinishedCheck, rows: dict[str, Any]) -> _CheckOutcome:
    row, own = rows.get(desk.id), own_interval(desk)
    wished, share = (row.wished_seconds, row.share_seconds) if row else (None, None)
    interval, least = (
        intervals.effective_interval(wished, share, own),
        intervals.minimum_interval(wished, share, own),
    )
    return _CheckOutcome(desk, result, row, interval, least)


def _write_coverage(session: Session, ends: Sequence[_CheckOutcome], now: datetime) -> None:
    parts = [
        StateChange(end.desk, end.result, end.row, end.interval)
        for end in ends
        if end.result.check.outcome.conclusive and not desk_state_update.covers_all(end.desk, end.result)
    ]
    desk_state_update.write_coverage(session, parts, now)


def _write_slots(session: Session, ends: Sequence[_CheckOutcome]) -> list[slot_writer.NewDetection]:
    """Compare what was seen with what was open; return the detections."""
    looks = [end for end in ends if end.result.check.slots or end.row.has_open]
    if not looks:
        return []
    known = slot_writer.load_open_slots(session, [end.desk.id for end in looks])
    latest = database_clock(session)
    return slot_writer.write_slots(session, [_slot_comparison(end, known, latest) for end in looks])


def _proof_of_trouble(end: _CheckOutcome) -> Proof | None:
    before = end.row.outcome_before
    return of_trouble(end.desk, end.result.check, before and Outcome(before), end.result.seen_at)


def _check_columns(results: Sequence[FinishedCheck], proofs: Mapping[str, str]) -> Columns:
    checks = [result.check for result in results]
    return {
        "started_at": [check.started_at for check in checks],
        "desk_id": [check.desk_id for check in checks],
        "token": [check.token for check in checks],
        "outcome": [check.outcome.value for check in checks],
        "evidence": [check.reason for check in checks],
        "milliseconds": [check.milliseconds for check in checks],
        "requests": [check.requests for check in checks],
        "slots": [len(check.slots) for check in checks],
        "covered": [_windows(check.covered) for check in checks],
        "process": [check.process for check in checks],
        "error": [check.error for check in checks],
        "proof_key": [proofs.get(check.desk_id) for check in checks],
    }


def _windows(covered: Sequence[CoveredWindow]) -> str:
    ends = [
        (each.place_key, each.first and str(each.first), each.last and str(each.last)) for each in covered
    ]
    return json.dumps([{"place": place, "first": first, "last": last} for place, first, last in ends])


def _outage_changes(end: _CheckOutcome) -> list[outages.OutageChange]:
    """Return the change of the desk's outage, if any."""
    check = end.result.check
    usual = check.outcome is Outcome.CAPTCHA and captcha_expected(end.desk)
    reason = None if usual else outages.reason_of(check.outcome, end.row.inconclusive)
    ended = (usual or check.outcome.conclusive) and end.row.outage
    changed = ended or (reason and reason.value != end.row.outage)
    return [outages.OutageChange(end.desk.id, check.started_at, reason)] if changed else []


def _visit_end(end: _CheckOutcome, rest: datetime | None, now: datetime) -> VisitEnd:
    check, desk = end.result.check, end.desk
    paid = check.started_at + timedelta(seconds=intervals.host_floor(check.requests, budget_of(desk)))
    return VisitEnd(
        desk.id,
        end.result.token,
        max(end.due, now, rest or now),
        desk.host,
        max(paid, now),
        rest,
        unused=max(0, cost_of(desk) - check.requests),
    )


def _rest_hosts(session: Session, ends: Sequence[_CheckOutcome], now: datetime) -> dict[str, datetime]:
    """Let hosts rest that refused us; return until when."""
    refused = [end.result.check for end in ends if end.result.check.outcome in RESTING]
    return host_rows.rest_hosts(session, refused, now) if refused else {}


def _slot_comparison(
    end: _CheckOutcome, known: dict[str, list[OpenSlot]], latest: datetime
) -> slot_writer.SlotComparison:
    """Return what was seen beside what is known: at `latest`, where our own clock is ahead of the database's."""
    desk, check, seen_at = end.desk, end.result.check, min(end.result.seen_at, latest)
    last_day = seen_at.astimezone(desk.zone).date() + timedelta(days=desk.horizon)
    before = end.row.whole_before
    seen = CheckResult(check.outcome, check.slots, check.covered, seen_at, desk.zone, last_day, before)
    return slot_writer.SlotComparison(desk, check, seen, known.get(desk.id, []))


log = structlog.get_logger(__name__)


def describe_checks(results: Sequence[FinishedCheck], detections: Mapping[str, UUID]) -> list[dict[str, Any]]:
    """Return the fields of each check's line; `detections` by desk. None where the level leaves them out."""
    if not logging.getLogger(__name__).isEnabledFor(logging.INFO):
        return []
    return [_describe(result, detections.get(result.check.desk_id)) for result in results]


def _describe(result: FinishedCheck, detection: UUID | None) -> dict[str, Any]:
    check = result.check
    return {
        "desk": check.desk_id,
        "outcome": check.outcome.value,
        "slots": len(check.slots),
        "requests": check.requests,
        "milliseconds": check.milliseconds,
        **({"detection": str(detection)} if detection else {}),
    }


def log_checks(lines: Sequence[Mapping[str, Any]]) -> None:
    """Log the checks of a transaction that is committed."""
    for line in lines:
        log.info("check", **line)
