"""What a batch of checks writes, in one transaction: checks, desks, slots, detections, rests of hosts.

Checks that changed nothing cost two statements, however many they are.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.desk import DeskStatus, OutageReason
from configs.desk import Desk
from configs.outcome import Outcome
from configs.prefecture import desks
from crawler import opened, outages, pace
from crawler.compare import Known, Seen
from crawler.due import Finish
from crawler.items import CheckItem
from crawler.reading import Covered
from crawler.schedule import budget_of, desks_on, own_interval

_CHECKS = sa.text("""
INSERT INTO checks (started_at, desk_id, token, outcome, evidence, milliseconds, requests, slots_seen, covered,
                    process, error)
SELECT started_at, desk_id, token, outcome, evidence, milliseconds, requests, slots, covered::jsonb, process, error
FROM unnest(CAST(:started_at AS timestamptz[]), CAST(:desk_id AS text[]), CAST(:token AS bigint[]),
            CAST(:outcome AS text[]), CAST(:evidence AS text[]), CAST(:milliseconds AS int[]),
            CAST(:requests AS smallint[]), CAST(:slots AS int[]), CAST(:covered AS text[]),
            CAST(:process AS text[]), CAST(:error AS text[]))
  AS n(started_at, desk_id, token, outcome, evidence, milliseconds, requests, slots, covered, process, error)
""")

# A token older than the row's own changes nothing: such a row does not come back.
_DESKS = sa.text("""
UPDATE desks d SET
  last_token = n.token,
  last_check_at = n.started_at,
  last_proven_at = CASE WHEN n.proven THEN n.started_at ELSE d.last_proven_at END,
  last_slot_at = CASE WHEN n.slots > 0 THEN n.seen_at ELSE d.last_slot_at END,
  inconclusive = CASE WHEN n.proven THEN 0 ELSE d.inconclusive + n.counts END,
  achieved_seconds = CASE
    WHEN d.last_check_at IS NULL OR n.started_at <= d.last_check_at THEN d.achieved_seconds
    ELSE (4 * coalesce(d.achieved_seconds, extract(epoch FROM n.started_at - d.last_check_at))
          + extract(epoch FROM n.started_at - d.last_check_at)) / 5 END,
  status = CASE WHEN n.pauses AND d.inconclusive + n.counts >= :pause
    THEN 'ERROR' ELSE coalesce(n.status, d.status) END,
  status_reason = CASE WHEN n.pauses AND d.inconclusive + n.counts >= :pause
    THEN d.inconclusive + n.counts || ' checks in a row proved nothing: ' || n.reason ELSE n.reason END
FROM unnest(CAST(:desk_id AS text[]), CAST(:token AS bigint[]), CAST(:started_at AS timestamptz[]),
            CAST(:seen_at AS timestamptz[]), CAST(:proven AS boolean[]), CAST(:slots AS int[]),
            CAST(:counts AS int[]), CAST(:pauses AS boolean[]), CAST(:status AS text[]), CAST(:reason AS text[]))
  AS n(desk_id, token, started_at, seen_at, proven, slots, counts, pauses, status, reason)
WHERE d.id = n.desk_id AND n.token > d.last_token
RETURNING d.id, d.wished_seconds, d.feasible_seconds, d.inconclusive,
  EXISTS (SELECT FROM slots s WHERE s.desk_id = d.id AND s.gone_at IS NULL) AS has_open,
  (SELECT o.reason FROM outages o WHERE o.desk_id = d.id AND o.ends_at IS NULL) AS outage
""")

_RESTS = sa.text("""
INSERT INTO hosts (host, rests_until, rest_reason, updated_at)
SELECT n.host, n.until, n.reason, :now
FROM unnest(CAST(:host AS text[]), CAST(:until AS timestamptz[]), CAST(:reason AS text[])) AS n(host, until, reason)
ON CONFLICT (host) DO UPDATE SET rests_until = greatest(hosts.rests_until, excluded.rests_until),
  rest_reason = excluded.rest_reason, updated_at = excluded.updated_at
""")

_STATUS = {
    Outcome.SLOTS: (DeskStatus.ACTIVE, "watched: slots are open"),
    Outcome.NO_SLOTS: (DeskStatus.ACTIVE, "watched: no slot is open"),
    Outcome.CAPTCHA: (DeskStatus.CAPTCHA, "the page asks for a captcha, which we never solve"),
    Outcome.BLOCKED: (DeskStatus.PAUSED, "the site refuses us: it is left alone for a while"),
    Outcome.MAINTENANCE: (DeskStatus.PAUSED, "the site is under maintenance"),
    Outcome.CLOSED: (DeskStatus.ERROR, "the prefecture has closed this page"),
    Outcome.RATE_LIMITED: (None, "the site asked us to come less often"),
    Outcome.OVERLOADED: (None, "the site is overloaded"),
    Outcome.UNREACHABLE: (None, "the site does not answer"),
    Outcome.UNREADABLE: (None, "the page was not understood"),
}


Columns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """A check that ended, and when its last page was read. `replayed`: it stands in for one that cannot be kept."""

    check: CheckItem
    token: int
    seen_at: datetime
    replayed: bool = False


@dataclass(slots=True)
class Written:
    """What follows once it is committed: detections to nudge, visits to end in the due queue."""

    detections: list[UUID] = field(default_factory=list)
    visits: list[Finish] = field(default_factory=list)

    def add(self, other: "Written") -> None:
        """Add what another transaction left to do."""
        self.detections += other.detections
        self.visits += other.visits


def write(session: Session, results: Sequence[Result], now: datetime) -> Written:
    """Write checks of different desks; a desk may stand in a batch once.

    A result whose token is older than its desk's last one records its check and changes nothing else; one whose
    page was read more than two intervals ago changes no slot.
    """
    session.execute(_CHECKS, _check_columns(results))
    rows = {row.id: row for row in session.execute(_DESKS, _desk_columns(results))}
    alone: dict[str, Result] = {}
    written, rests, looks, turns = Written(), {}, [], []
    for result in results:
        desk, row = desks().get(result.check.desk_id), rows.get(result.check.desk_id)
        if desk is None or row is None:
            continue
        interval = pace.effective(row.wished_seconds, row.feasible_seconds, own_interval(desk))
        following = _following(result, interval, row.inconclusive, now)
        written.visits.append(_visit(result, desk, following, now))
        turns += _turns(result, row)
        if following.rest_until:
            rests[desk.host] = following
            alone[desk.host] = result
        fresh = now - result.seen_at <= timedelta(seconds=2 * interval)
        if fresh and (result.check.slots or row.has_open):
            looks.append((desk, result))
    outages.write(session, turns)
    for host, result in alone.items():
        reason = OutageReason(result.check.outcome.value)
        outages.begin(session, [desk.id for desk in desks_on(host)], result.check.started_at, reason)
    if rests:
        session.execute(_RESTS, _rest_columns(rests) | {"now": now})
    if looks:
        known = opened.known(session, [desk.id for desk, _ in looks])
        written.detections = opened.write(session, [_look(*each, known) for each in looks], now)
    return written


def _check_columns(results: Sequence[Result]) -> Columns:
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
    }


def _windows(covered: Sequence[Covered]) -> str:
    ends = [
        (each.place_key, each.first and str(each.first), each.last and str(each.last)) for each in covered
    ]
    return json.dumps([{"place": place, "first": first, "last": last} for place, first, last in ends])


def _desk_columns(results: Sequence[Result]) -> Columns:
    checks = [result.check for result in results]
    statuses = [_STATUS[check.outcome] for check in checks]
    return {
        "desk_id": [check.desk_id for check in checks],
        "token": [result.token for result in results],
        "started_at": [check.started_at for check in checks],
        "seen_at": [result.seen_at for result in results],
        "proven": [check.outcome.conclusive for check in checks],
        "slots": [len(check.slots) for check in checks],
        "counts": [pace.inconclusive(check.outcome, 0) for check in checks],
        "pauses": [check.outcome in pace.COUNTED - {Outcome.CAPTCHA} for check in checks],
        "status": [status and status.value for status, _ in statuses],
        "reason": [reason for _, reason in statuses],
        "pause": pace.PAUSE_AFTER,
    }


def _following(result: Result, interval: float, inconclusive: int, now: datetime) -> pace.Next:
    check = result.check
    return pace.after(
        check.outcome,
        started_at=check.started_at,
        now=now,
        interval=interval,
        inconclusive=inconclusive,
        retry_after=check.retry_after,
    )


def _visit(result: Result, desk: Desk, following: pace.Next, now: datetime) -> Finish:
    paid = result.check.started_at + timedelta(seconds=pace.floor(result.check.requests, budget_of(desk)))
    return Finish(desk.id, result.token, following.due, desk.host, max(paid, now), following.rest_until)


def _turns(result: Result, row: Any) -> list[outages.Turn]:
    """Say how the desk's watching turned, where it did."""
    reason = outages.reason_of(result.check.outcome, row.inconclusive)
    ended = result.check.outcome.conclusive and row.outage
    changed = ended or (reason and reason.value != row.outage)
    return [outages.Turn(result.check.desk_id, result.check.started_at, reason)] if changed else []


def _rest_columns(rests: dict[str, pace.Next]) -> Columns:
    return {
        "host": list(rests),
        "until": [rest.rest_until for rest in rests.values()],
        "reason": [rest.rest_reason for rest in rests.values()],
    }


def _look(desk: Desk, result: Result, known: dict[str, list[Known]]) -> opened.Look:
    check, today = result.check, result.seen_at.astimezone(desk.zone).date()
    last_day = today + timedelta(days=desk.horizon)
    seen = Seen(check.outcome, check.slots, check.covered, result.seen_at, desk.zone, last_day)
    return opened.Look(desk, check, seen, known.get(desk.id, []))
