"""Update of desk rows from a batch of checks: one statement, however many they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.database_clock import database_clock
from api.models.desk import DeskStatus
from configs.world.desk import Desk
from configs.world.outcome import Outcome
from configs.world.prefecture import desks
from crawler.items import CheckItem
from crawler.reading import CoveredWindow
from crawler.recording import coverage_tracking
from crawler.recording.coverage_tracking import EVERYWHERE, ProvenWindow
from crawler.recording.slot_expiry import lapse_span
from crawler.scheduling import intervals
from crawler.scheduling.intervals import PAUSE_AFTER, captcha_expected, own_interval, proven_intervals

# In the order of their ids, so that two writers never wait for each other; and before the next statement begins, which
# sees then what the writer before left: its open slots too.
_LOCK = sa.text("SELECT FROM desks WHERE id = ANY(CAST(:desk_id AS text[])) ORDER BY id FOR NO KEY UPDATE")

# `…_before` is what this statement found: a sub-select sees the rows as they were when it began.
# A token that is not newer than the row's changes nothing, nor does what was read more than two intervals ago: such
# rows do not come back. A page that has moved keeps that status until a check proves it wrong
# (crawler/incidents/moved_pages.py).
_DESKS = sa.text("""
UPDATE desks d SET
  last_token = n.token,
  last_check_at = n.started_at,
  last_outcome = n.outcome,
  last_proven_at = CASE WHEN n.proven THEN least(n.started_at, :latest) ELSE d.last_proven_at END,
  last_slot_at = CASE WHEN n.slots > 0 THEN n.seen_at ELSE d.last_slot_at END,
  refused_at = CASE WHEN n.refused THEN n.started_at ELSE d.refused_at END,
  whole_at = CASE WHEN n.whole THEN n.seen_at ELSE d.whole_at END,
  coverage = CASE WHEN n.whole THEN NULL ELSE d.coverage END,
  visit_requests = CASE WHEN n.proven
    THEN coalesce(d.visit_requests, n.requests) + (n.requests - coalesce(d.visit_requests, n.requests)) / :lately
    ELSE d.visit_requests END,
  open_requests = CASE WHEN n.proven AND n.slots > 0
    THEN coalesce(d.open_requests, n.requests) + (n.requests - coalesce(d.open_requests, n.requests)) / :lately
    ELSE d.open_requests END,
  releases_at = CASE WHEN n.proven OR n.releases_at IS NOT NULL THEN n.releases_at ELSE d.releases_at END,
  inconclusive = CASE WHEN n.proven THEN 0 ELSE d.inconclusive + n.counts END,
  achieved_seconds = CASE
    WHEN d.last_check_at IS NULL OR n.started_at <= d.last_check_at THEN d.achieved_seconds
    ELSE (4 * coalesce(d.achieved_seconds, extract(epoch FROM n.started_at - d.last_check_at))
          + extract(epoch FROM n.started_at - d.last_check_at)) / 5 END,
  status = CASE WHEN f.id IS NOT NULL THEN d.status WHEN n.counts > 0 AND d.inconclusive + n.counts >= :pause
    THEN 'ERROR' ELSE coalesce(n.status, d.status) END,
  status_reason = CASE WHEN f.id IS NOT NULL THEN d.status_reason
    WHEN n.counts > 0 AND d.inconclusive + n.counts >= :pause
    THEN d.inconclusive + n.counts || ' checks in a row proved nothing: ' || n.reason ELSE n.reason END
FROM unnest(CAST(:desk_id AS text[]), CAST(:token AS bigint[]), CAST(:started_at AS timestamptz[]),
            CAST(:seen_at AS timestamptz[]), CAST(:outcome AS text[]), CAST(:proven AS boolean[]),
            CAST(:whole AS boolean[]), CAST(:refused AS boolean[]), CAST(:slots AS int[]), CAST(:counts AS int[]),
            CAST(:requests AS float8[]),
            CAST(:releases_at AS timestamptz[]),
            CAST(:status AS text[]), CAST(:reason AS text[]), CAST(:own AS float8[]))
  AS n(desk_id, token, started_at, seen_at, outcome, proven, whole, refused, slots, counts, requests, releases_at,
       status, reason, own)
LEFT JOIN drifts f ON f.desk_id = n.desk_id AND f.ends_at IS NULL AND n.slots = 0
  AND NOT (n.proven AND f.reason <> 'unlinked')
WHERE d.id = n.desk_id AND n.token > d.last_token AND n.seen_at >= :now
  - make_interval(secs => 2 * coalesce(greatest(d.wished_seconds, d.share_seconds), n.own))
RETURNING d.id, d.wished_seconds, d.share_seconds, d.feasible_seconds, d.inconclusive, d.releases_at,
  d.coverage, d.whole_at, (SELECT before.whole_at FROM desks before WHERE before.id = d.id) AS whole_before,
  (SELECT before.last_outcome FROM desks before WHERE before.id = d.id) AS outcome_before,
  EXISTS (SELECT FROM slots s WHERE s.desk_id = d.id AND s.gone_at IS NULL) AS has_open,
  (SELECT o.reason FROM outages o WHERE o.desk_id = d.id AND o.ends_at IS NULL) AS outage
""")

_COVERAGE = sa.text("""
UPDATE desks d SET coverage = CAST(n.coverage AS jsonb), whole_at = n.whole_at, status_reason = n.reason
FROM unnest(CAST(:desk_id AS text[]), CAST(:coverage AS text[]), CAST(:whole_at AS timestamptz[]),
            CAST(:reason AS text[])) AS n(desk_id, coverage, whole_at, reason)
WHERE d.id = n.desk_id
""")

_LATELY = 20.0  # visits; fewer, and one evening of open slots slows a host's desks for an hour
_ALL = CoveredWindow()
_REFUSES = "the site refuses us: it is left alone for a while"
_OPEN, _NONE, _PARTLY = (
    "slots are open",
    "no slot is open",
    " where it was asked lately; the rest is asked in turn",
)
_STATUS = {
    Outcome.SLOTS: (DeskStatus.ACTIVE, f"watched: {_OPEN}"),
    Outcome.NO_SLOTS: (DeskStatus.ACTIVE, f"watched: {_NONE}"),
    Outcome.CAPTCHA: (DeskStatus.CAPTCHA, "the page asks for a captcha, which we never solve"),
    Outcome.BLOCKED: (DeskStatus.PAUSED, _REFUSES),
    Outcome.MAINTENANCE: (DeskStatus.PAUSED, "the site is under maintenance"),
    Outcome.CLOSED: (DeskStatus.ERROR, "the prefecture has closed this page"),
    Outcome.RATE_LIMITED: (None, "the site asked us to come less often"),
    Outcome.OVERLOADED: (None, "the site is overloaded"),
    Outcome.UNREACHABLE: (None, "the site does not answer"),
    Outcome.UNREADABLE: (None, "the page was not understood"),
}


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """A check of an existing desk, the desk's row (None: the check is outdated), its interval in seconds.

    `least`: seconds to its next check, at least.
    """

    desk: Desk
    check: CheckItem
    row: Any
    interval: float
    least: float

    @property
    def due(self) -> datetime:
        """Return when the desk is due again, by this check alone."""
        check, counted = self.check, self.row.inconclusive if self.row else 0
        return intervals.next_due(
            check.outcome,
            started_at=check.started_at,
            now=check.seen_at,
            interval=self.least,
            inconclusive=counted,
            lot=intervals.stable_random(check.desk_id, check.token),
            releases_at=self.row.releases_at if self.row else None,
        )


def update_desks(session: Session, checks: Sequence[CheckItem], now: datetime) -> dict[str, Any]:
    """Bring desks up to their checks; return the rows of those whose check still counted."""
    columns = [_columns(check) for check in checks]
    listed = {name: [each[name] for each in columns] for name in columns[0]}
    session.execute(_LOCK, {"desk_id": listed["desk_id"]})
    others = {"now": now, "latest": database_clock(session), "pause": PAUSE_AFTER, "lately": _LATELY}
    found = session.execute(_DESKS, listed | others)
    return {row.id: row for row in found}


def covers_all(desk: Desk, check: CheckItem) -> bool:
    """Whether a check proved something of all places of its desk, for all days that are watched."""
    if not check.outcome.conclusive or _ALL in check.covered:
        return check.outcome.conclusive
    today = _today(desk, check)
    return coverage_tracking.covers_whole_desk(check.covered, today, today + timedelta(days=desk.horizon))


def write_coverage(session: Session, ends: Sequence[CheckOutcome], now: datetime) -> None:
    """Remember which places were covered where one conclusive check could not ask for all of them."""
    parts = [end for end in ends if end.check.outcome.conclusive and not covers_all(end.desk, end.check)]
    if not parts:
        return
    columns = [_coverage(part, now) for part in parts]
    session.execute(_COVERAGE, {name: [each[name] for each in columns] for name in columns[0]})


def _columns(check: CheckItem) -> dict[str, Any]:
    desk = desks().get(check.desk_id)
    status, reason = _STATUS[check.outcome]
    return {
        "desk_id": check.desk_id,
        "token": check.token,
        "started_at": check.started_at,
        "seen_at": check.seen_at,
        "outcome": check.outcome.value,
        "proven": check.outcome.conclusive,
        "whole": desk is not None and covers_all(desk, check),
        "refused": check.refused,
        "slots": len(check.slots),
        "counts": int(
            intervals.counts_towards_pause(
                check.outcome, captcha_expected=desk is not None and captcha_expected(desk)
            )
        ),
        "requests": float(check.requests),
        "releases_at": check.releases_at,
        "status": status and status.value,
        "reason": reason,
        "own": own_interval(desk) if desk else 0,
    }


def _coverage(part: CheckOutcome, now: datetime) -> dict[str, Any]:
    check, row, at = part.check, part.row, part.check.seen_at
    before = coverage_tracking.unpack(row.coverage)
    if row.coverage is None and row.whole_at:
        # One answer covered all places at once, to the last day that was watched then.
        window = ProvenWindow(date.min, _last_day(part.desk, row.whole_at), row.whole_at)
        before = {EVERYWHERE: [window]}
    named = {*check.places, *map(coverage_tracking.name_place, check.covered)} - {EVERYWHERE}
    places = named or set(before) - {EVERYWHERE}
    counts = proven_intervals(part.desk, len(check.places))
    since = at - (
        lapse_span(part.interval, intervals=counts)
        if counts
        else lapse_span(row.wished_seconds, row.feasible_seconds, part.interval)
    )
    after = coverage_tracking.update_coverage(before, places, check.covered, at=at, since=since)
    whole_at = coverage_tracking.whole_since(
        after, places, _today(part.desk, check), _last_day(part.desk, at)
    )
    reason = _STATUS[check.outcome][1]
    return {
        "desk_id": check.desk_id,
        "coverage": coverage_tracking.pack(after),
        "whole_at": whole_at,
        "reason": reason
        if coverage_tracking.is_proven(whole_at, part.interval, now, counts)
        else reason + _PARTLY,
    }


def _today(desk: Desk, check: CheckItem) -> date:
    return check.seen_at.astimezone(desk.zone).date()


def _last_day(desk: Desk, at: datetime) -> date:
    return at.astimezone(desk.zone).date() + timedelta(days=desk.horizon)
