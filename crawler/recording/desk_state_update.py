"""Update of desk rows from a batch of checks, one statement, however many they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import write_rows
from api.models.desk import DeskStatus
from configs.world.desk import Desk, Outcome
from configs.world.prefecture import desks
from crawler.incidents.backoff import REFUSES
from crawler.items import CheckItem
from crawler.recording.coverage_tracking import (
    COVERAGE,
    EVERYWHERE,
    ProvenWindow,
    covers_whole_desk,
    is_proven,
    lapse_span,
    name_place,
    update_coverage,
    whole_since,
)
from crawler.scheduling import intervals
from crawler.scheduling.intervals import COUNTED, PAUSE_AFTER, captcha_expected, own_interval
from crawler.scheduling.rounds import proven_intervals

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
  last_proven_at = CASE WHEN n.proven THEN n.started_at ELSE d.last_proven_at END,
  proven_before_at = CASE WHEN NOT n.proven THEN d.proven_before_at WHEN d.last_proven_at IS NULL THEN n.started_at
    WHEN d.status = 'ACTIVE' THEN d.last_proven_at END,
  last_slot_at = CASE WHEN n.slots > 0 THEN n.seen_at ELSE d.last_slot_at END,
  page_title = coalesce(n.title, d.page_title),
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
FROM json_to_recordset(:rows) AS n(
  desk_id text, token bigint, started_at timestamptz, seen_at timestamptz, outcome text, proven boolean,
  whole boolean, refused boolean, slots int, title text, counts int, requests float8, releases_at timestamptz,
  status text, reason text, own float8)
LEFT JOIN drifts f ON f.desk_id = n.desk_id AND f.ends_at IS NULL AND n.slots = 0
  AND NOT (n.proven AND f.reason <> 'unlinked')
WHERE d.id = n.desk_id AND n.token > d.last_token AND n.seen_at >= :now
  - make_interval(secs => 2 * coalesce(greatest(d.wished_seconds, d.share_seconds), n.own))
RETURNING d.id, d.wished_seconds, d.share_seconds, d.feasible_seconds, d.inconclusive, d.releases_at,
  d.coverage, d.whole_at, (SELECT before.whole_at FROM desks before WHERE before.id = d.id) AS whole_before,
  (SELECT before.last_outcome FROM desks before WHERE before.id = d.id) AS outcome_before,
  EXISTS (SELECT FROM slots s WHERE s.desk_id = d.id AND s.gone_at IS NULL AND s.source = 'check') AS has_open,
  (SELECT o.reason FROM outages o WHERE o.desk_id = d.id AND o.ends_at IS NULL) AS outage
""")
_COVERAGE = sa.text("""
UPDATE desks d SET coverage = n.coverage, whole_at = n.whole_at, status_reason = n.reason
FROM json_to_recordset(:rows) AS n(desk_id text, coverage jsonb, whole_at timestamptz, reason text)
WHERE d.id = n.desk_id
""")
_LATELY = 20.0  # visits; fewer, and one evening of open slots slows a host's desks for an hour
_PARTLY = " where it was asked lately; the rest is asked in turn"
_STATUS = {
    Outcome.SLOTS: (DeskStatus.ACTIVE, "watched: slots are open"),
    Outcome.NO_SLOTS: (DeskStatus.ACTIVE, "watched: no slot is open"),
    Outcome.CAPTCHA: (DeskStatus.CAPTCHA, "the page asks for a captcha, which we never solve"),
    Outcome.BLOCKED: (DeskStatus.PAUSED, REFUSES),
    Outcome.MAINTENANCE: (DeskStatus.PAUSED, "the site is under maintenance"),
    Outcome.CLOSED: (DeskStatus.ERROR, "the prefecture has closed this page"),
    Outcome.RATE_LIMITED: (None, "the site asked us to come less often"),
    Outcome.OVERLOADED: (None, "the site is overloaded"),
    Outcome.UNREACHABLE: (None, "the site does not answer"),
    Outcome.UNREADABLE: (None, "the page was not understood"),
}


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """A check of an existing desk, and the desk's row after it (None: the check is outdated)."""

    desk: Desk
    check: CheckItem
    row: Any

    @property
    def intervals(self) -> tuple[float | None, float | None, float]:
        """Return what `effective_interval` and `minimum_interval` decide by."""
        wished, share = (self.row.wished_seconds, self.row.share_seconds) if self.row else (None, None)
        return wished, share, own_interval(self.desk)

    @property
    def today(self) -> date:
        """Return the desk's local date when the page was read."""
        return self.check.seen_at.astimezone(self.desk.zone).date()

    @property
    def due(self) -> datetime:
        """Return when the desk is due again, by this check alone."""
        check, row = self.check, self.row
        return intervals.next_due(
            check.outcome,
            started_at=check.started_at,
            now=check.seen_at,
            interval=intervals.minimum_interval(*self.intervals),
            inconclusive=row.inconclusive if row else 0,
            lot=intervals.stable_random(check.desk_id, check.token),
            releases_at=row.releases_at if row else None,
        )


def update_desks(session: Session, checks: Sequence[CheckItem], now: datetime) -> dict[str, Any]:
    """Bring desks up to their checks; return the rows of those whose check still counted. Probes' desks are locked."""
    session.execute(_LOCK, {"desk_id": [check.desk_id for check in checks]})
    counted = [check for check in checks if not check.probe]
    given = {"rows": write_rows(map(_columns, counted)), "now": now, "pause": PAUSE_AFTER, "lately": _LATELY}
    return {row.id: row for row in session.execute(_DESKS, given)}


def write_coverage(session: Session, ends: Sequence[CheckOutcome], now: datetime) -> None:
    """Remember which places were covered where one conclusive check could not ask for all of them."""
    parts = [end for end in ends if end.check.outcome.conclusive and not _covers_all(end.desk, end.check)]
    if parts:
        session.execute(_COVERAGE, {"rows": write_rows(_coverage(part, now) for part in parts)})


def _covers_all(desk: Desk, check: CheckItem) -> bool:
    """Whether a check proved something of all places of its desk, for all days that are watched."""
    today = check.seen_at.astimezone(desk.zone).date()
    last_day = today + timedelta(days=desk.horizon)
    return check.outcome.conclusive and covers_whole_desk(check.covered, today, last_day)


def _columns(check: CheckItem) -> dict[str, Any]:
    desk = desks().get(check.desk_id)
    usual = desk is not None and captcha_expected(desk)
    status, reason = _STATUS[check.outcome]
    return {
        "desk_id": check.desk_id,
        "token": check.token,
        "started_at": check.started_at,
        "seen_at": check.seen_at,
        "outcome": check.outcome,
        "proven": check.outcome.conclusive,
        "whole": desk is not None and _covers_all(desk, check),
        "refused": check.refused,
        "slots": len(check.slots),
        "title": check.title,
        # Where there always is a captcha, that is all that can be seen.
        "counts": int(check.outcome in COUNTED and not (usual and check.outcome is Outcome.CAPTCHA)),
        "requests": check.requests,
        "releases_at": check.releases_at,
        "status": status,
        "reason": reason,
        "own": own_interval(desk) if desk else 0,
    }


def _coverage(part: CheckOutcome, now: datetime) -> dict[str, Any]:
    check, row, at = part.check, part.row, part.check.seen_at
    before = COVERAGE.validate_python(row.coverage or {})
    if row.coverage is None and row.whole_at:
        # One answer covered all places at once, to the last day that was watched then.
        last_day = row.whole_at.astimezone(part.desk.zone).date() + timedelta(days=part.desk.horizon)
        before = {EVERYWHERE: [ProvenWindow(date.min, last_day, row.whole_at)]}
    named = {*check.places, *map(name_place, check.covered)} - {EVERYWHERE}
    places = named or set(before) - {EVERYWHERE}
    interval = intervals.effective_interval(*part.intervals)
    counts = proven_intervals(part.desk, len(check.places))
    span = lapse_span(interval, intervals=counts) if counts else lapse_span(row.feasible_seconds, interval)
    after = update_coverage(before, places, check.covered, at=at, since=at - span)
    last_day = part.today + timedelta(days=part.desk.horizon)
    whole_at = whole_since(after, places, part.today, last_day)
    proven = is_proven(whole_at, interval, now, counts)
    return {
        "desk_id": check.desk_id,
        "coverage": COVERAGE.dump_python(after, mode="json"),
        "whole_at": whole_at,
        "reason": _STATUS[check.outcome][1] + ("" if proven else _PARTLY),
    }
