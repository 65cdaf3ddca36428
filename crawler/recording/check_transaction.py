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
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from api.models.database_clock import CLOCKS_DIFFER, database_clock
from api.models.desk import Publication
from configs.world.desk import Desk
from configs.world.outcome import Outcome
from configs.world.prefecture import desks
from crawler import outages
from crawler.hosts import backoff
from crawler.hosts.backoff import RESTING
from crawler.items import CheckItem
from crawler.proofs.outbox import Proof, of_trouble
from crawler.reading import CoveredWindow
from crawler.recording import desk_state_update, slot_writer
from crawler.recording.desk_state_update import CheckOutcome
from crawler.recording.slot_writer import OpenSlot
from crawler.scheduling import intervals
from crawler.scheduling.due_queue import VisitEnd
from crawler.scheduling.intervals import budget_of, captcha_expected, cost_of, own_interval

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


def write_batch(session: Session, checks: Sequence[CheckItem], now: datetime, by_ours: datetime) -> Written:
    """Write checks of different desks; a batch has at most one check of a desk.

    A check whose token is older than its desk's last one, and one whose page was read more than two intervals ago,
    records its check, lets a host rest that refused it, and changes nothing else. `now` is by the database's clock,
    `by_ours` by this process's.
    """
    checks = [_by_database(check, now, now - by_ours) for check in checks]
    checks = backoff.reclassify_page_refusals(session, checks, now)
    rows = desk_state_update.update_desks(session, checks, now)
    ends = [_check_outcome(desk, check, rows) for check in checks if (desk := desks().get(check.desk_id))]
    counted = [end for end in ends if end.row]
    desk_state_update.write_coverage(session, counted, now)
    _write_publications(session, counted)
    found = _write_slots(session, counted)
    proofs = [each.proof for each in found if each.proof] + list(
        filter(None, map(_proof_of_trouble, counted))
    )
    session.execute(_CHECKS, _check_columns(checks, {each.desk.id: each.key for each in proofs}))
    lines = describe_checks(checks, {each.desk_id: each.id for each in found})
    written = Written([each.id for each in found], proofs=proofs, lines=lines)
    outages.write_outages(session, [turn for end in counted for turn in _outage_changes(end)])
    rests = _rest_hosts(session, ends, now)  # also of a check that came late: the site said so
    written.visits = [_visit_end(end, rests.get(end.desk.host), now) for end in ends]
    return written


def _by_database(check: CheckItem, now: datetime, step: timedelta) -> CheckItem:
    """Let a check count by the database's clock where its process's is off by `step`; none is of the future."""
    if abs(step) <= CLOCKS_DIFFER and max(check.started_at, check.seen_at) <= now + CLOCKS_DIFFER:
        return check
    started_at, seen_at = min(check.started_at + step, now), min(check.seen_at + step, now)
    return replace(check, started_at=started_at, seen_at=seen_at)


def _check_outcome(desk: Desk, check: CheckItem, rows: dict[str, Any]) -> CheckOutcome:
    row, own = rows.get(desk.id), own_interval(desk)
    wished, share = (row.wished_seconds, row.share_seconds) if row else (None, None)
    interval, least = (
        intervals.effective_interval(wished, share, own),
        intervals.minimum_interval(wished, share, own),
    )
    return CheckOutcome(desk, check, row, interval, least)


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


def _write_slots(session: Session, ends: Sequence[CheckOutcome]) -> list[slot_writer.NewDetection]:
    """Compare what was seen with what was open; return the detections."""
    looks = [end for end in ends if end.check.slots or end.row.has_open]
    if not looks:
        return []
    known = slot_writer.load_open_slots(session, [end.desk.id for end in looks])
    latest = database_clock(session)
    return slot_writer.write_slots(session, [_slot_comparison(end, known, latest) for end in looks])


def _proof_of_trouble(end: CheckOutcome) -> Proof | None:
    before = end.row.outcome_before
    return of_trouble(end.desk, end.check, before and Outcome(before), end.check.seen_at)


def _check_columns(checks: Sequence[CheckItem], proofs: Mapping[str, str]) -> Columns:
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


def _outage_changes(end: CheckOutcome) -> list[outages.OutageChange]:
    """Return the change of the desk's outage, if any."""
    check = end.check
    usual = check.outcome is Outcome.CAPTCHA and captcha_expected(end.desk)
    reason = None if usual else outages.reason_of(check.outcome, end.row.inconclusive)
    ended = (usual or check.outcome.conclusive) and end.row.outage
    changed = ended or (reason and reason.value != end.row.outage)
    return [(end.desk.id, check.started_at, reason)] if changed else []


def _visit_end(end: CheckOutcome, rest: datetime | None, now: datetime) -> VisitEnd:
    check, desk = end.check, end.desk
    paid = check.started_at + timedelta(seconds=intervals.host_floor(check.requests, budget_of(desk)))
    return VisitEnd(
        desk.id,
        end.check.token or 0,
        max(end.due, now, rest or now),
        desk.host,
        max(paid, now),
        rest,
        unused=max(0, cost_of(desk) - check.requests),
    )


def _rest_hosts(session: Session, ends: Sequence[CheckOutcome], now: datetime) -> dict[str, datetime]:
    """Let hosts rest that refused us; return until when."""
    refused = [end.check for end in ends if end.check.outcome in RESTING]
    return backoff.rest_hosts(session, refused, now) if refused else {}


def _slot_comparison(
    end: CheckOutcome, known: dict[str, list[OpenSlot]], latest: datetime
) -> slot_writer.SlotComparison:
    """Return what was seen beside what is known: at `latest`, where our own clock is ahead of the database's."""
    open_before, seen_at = known.get(end.desk.id, []), min(end.check.seen_at, latest)
    return slot_writer.SlotComparison(end.desk, end.check, open_before, seen_at, end.row.whole_before)


log = structlog.get_logger(__name__)


def describe_checks(checks: Sequence[CheckItem], detections: Mapping[str, UUID]) -> list[dict[str, Any]]:
    """Return the fields of each check's line; `detections` by desk. None where the level leaves them out."""
    if not logging.getLogger(__name__).isEnabledFor(logging.INFO):
        return []
    return [_describe(check, detections.get(check.desk_id)) for check in checks]


def _describe(check: CheckItem, detection: UUID | None) -> dict[str, Any]:
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
