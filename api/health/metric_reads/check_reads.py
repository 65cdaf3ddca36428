"""Metrics of the checks and desks: outcomes, lateness, intervals, and desks without a proven answer."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from api.health.metric_reads.database import Fetch, MetricDatabase
from api.health.metric_reads.sample import Sample, group_by, measure_quantiles
from configs.check_intervals import INTERVAL_JITTER
from configs.clock import clock
from configs.outcome import Outcome
from configs.prefecture import Desk, desks

NONE = "none"  # of desks that the files no longer have, or that were never scheduled
_DAY = timedelta(days=1)
_OVERLAP = 1000  # ids: rows of a batch may be committed after a batch with larger ids
_MOST = 20_000  # rows of one read; what is left is read the next time
_RECENT, _KEPT = timedelta(minutes=10), 5000  # of the lateness: for how long, and of how many checks
_QUANTILES = (0.5, 0.95)
_UNPROVEN_AFTER = 5  # intervals
_ASKED = 200  # unproven desks that are asked whether somebody waits
_BROWSER = "-browser"  # ends the name of a due queue (crawler/scheduling/queues.py)

# Between two instants: without them all days ahead would be looked at.
_NEWEST = "SELECT max(id) FROM checks WHERE started_at >= %(since)s AND started_at < %(until)s"
_CHECKS = """
SELECT id, desk_id, outcome, started_at FROM checks
WHERE id > %(low)s AND started_at >= %(since)s AND started_at < %(until)s ORDER BY id LIMIT %(most)s
"""
_DESKS = """
SELECT id, status, due_queue, wished_seconds, share_seconds, feasible_seconds, achieved_seconds, last_proven_at,
  paused_at
FROM desks
"""
_HOSTS = """
SELECT host, rest_reason, stopped_at FROM hosts WHERE stopped_at IS NOT NULL OR rests_until > %(now)s
"""
_OUTAGES = "SELECT count(*) FROM outages WHERE ends_at IS NULL"
# One row is enough: a crowd may wait for one desk.
_WAITING = """
SELECT d.id FROM unnest(%(ids)s::text[]) AS d (id) WHERE EXISTS (
  SELECT FROM alert_targets t JOIN alerts a ON a.id = t.alert_id AND a.enabled AND a.closed_at IS NULL
    JOIN grants g ON g.user_id = a.user_id AND g.starts_at <= %(now)s AND g.ends_at > %(now)s
  WHERE t.desk_id = d.id
) UNION
SELECT d.id
FROM unnest(%(ids)s::text[], %(prefectures)s::text[], %(procedures)s::text[]) AS d (id, prefecture, procedures)
WHERE EXISTS (
  SELECT FROM alert_targets t JOIN alerts a ON a.id = t.alert_id AND a.enabled AND a.closed_at IS NULL
    JOIN grants g ON g.user_id = a.user_id AND g.starts_at <= %(now)s AND g.ends_at > %(now)s
  WHERE t.prefecture_id = d.prefecture AND t.procedure = ANY(string_to_array(d.procedures, ','))
)
"""


class _DeskRow(NamedTuple):
    id: str
    status: str
    due_queue: str | None
    wished: float | None
    share: float | None
    feasible: float | None
    achieved: float | None
    proven_at: datetime | None
    paused_at: datetime | None

    @property
    def planned(self) -> float | None:
        """Return the seconds between two checks as planned; None while it is not."""
        return max(filter(None, (self.wished, self.share)), default=None)

    @property
    def promised(self) -> float | None:
        """Return the seconds between two checks that subscribers are promised."""
        return max(filter(None, (self.wished, self.feasible)), default=None)


@dataclass(frozen=True, slots=True)
class _LastCheck:
    """A desk's newest check: when it began, whether it proved something, and what was planned to follow it."""

    at: datetime
    conclusive: bool
    planned: float | None


class CheckMetrics:
    """Counts checks as they come, and measures how late each was."""

    def __init__(self, database: MetricDatabase) -> None:
        self._database = database
        self._newest: int | None = None
        self._counted: set[int] = set()
        self._totals: dict[tuple[str, str, str], int] = {}
        self._last: dict[str, _LastCheck] = {}
        self._late: deque[tuple[datetime, float]] = deque(maxlen=_KEPT)

    def read_samples(self) -> list[Sample]:
        """Read the checks since the last read.

        Raises:
            psycopg2.Error: the server is away or too slow.
        """
        now = clock()
        given = {"since": now - _DAY, "until": now + _DAY, "most": _MOST}
        with self._database.begin_read() as fetch:
            planned = {row[0]: _DeskRow(*row) for row in fetch(_DESKS, {})}
            newest = fetch(_NEWEST, given)[0][0] or 0
            if (
                self._newest is None or newest < self._newest - _OVERLAP
            ):  # the first read, or a restored database
                self._newest, self._counted, self._last = newest, set(), {}
                low, counts = newest - _OVERLAP, False
            else:
                low, counts = self._newest - _OVERLAP, True
            rows = fetch(_CHECKS, given | {"low": low})
        self._expect(planned)
        for check_id, desk_id, outcome, at in rows:
            if check_id not in self._counted:
                self._note(desk_id, Outcome(outcome), at, planned.get(desk_id), counts=counts)
        self._newest = max([self._newest, *(row[0] for row in rows)])
        self._counted = {row[0] for row in rows if row[0] > self._newest - _OVERLAP}
        return [*self._list_totals(), *self._list_lateness(now)]

    def _expect(self, planned: Mapping[str, _DeskRow]) -> None:
        """Begin the counters with 0."""
        for row in planned.values():
            for outcome in Outcome:
                self._totals.setdefault((*_find_system(row.id, row), outcome.value), 0)

    def _note(
        self, desk_id: str, outcome: Outcome, at: datetime, row: _DeskRow | None, *, counts: bool
    ) -> None:
        key = (*_find_system(desk_id, row), outcome.value)
        if counts:
            self._totals[key] = self._totals.get(key, 0) + 1
        before = self._last.get(desk_id)
        if before and at <= before.at:
            return
        if before and before.conclusive and before.planned:
            allowed = before.planned * (1 + INTERVAL_JITTER())
            self._late.append((at, max(0.0, (at - before.at).total_seconds() - allowed)))
        self._last[desk_id] = _LastCheck(at, outcome.conclusive, row.planned if row else None)

    def _list_totals(self) -> list[Sample]:
        return [Sample("checks_total", value, labels) for labels, value in self._totals.items()]

    def _list_lateness(self, now: datetime) -> list[Sample]:
        recent = (late for at, late in self._late if at > now - _RECENT)
        found = measure_quantiles(recent, _QUANTILES)
        return [Sample("check_lateness_seconds", value, (share,)) for share, value in found.items()]


def _find_system(desk_id: str, row: _DeskRow | None) -> tuple[str, str]:
    """Return a desk's booking system and platform."""
    known = desks().get(desk_id)
    system = (row.due_queue or NONE).removesuffix(_BROWSER) if row else NONE
    return system, known.platform if known else NONE


class DeskMetrics:
    """States of the desks and hosts."""

    def __init__(self, database: MetricDatabase) -> None:
        self._database = database

    def read_samples(self) -> list[Sample]:
        """Read the desks, the hosts that rest or are stopped, and the outages that last.

        Raises:
            psycopg2.Error: the server is away or too slow.
        """
        now = clock()
        with self._database.begin_read() as fetch:
            rows = [_DeskRow(*row) for row in fetch(_DESKS, {})]
            hosts = fetch(_HOSTS, {"now": now})
            outages = fetch(_OUTAGES, {})[0][0]
            known = [row for row in rows if row.id in desks() and desks()[row.id].schedulable]
            stopped = {host for host, _, at in hosts if at}
            unproven = _find_unproven(known, stopped, now)
            waiting = _count_waiting(fetch, unproven, now) if unproven else 0
        return [
            *_list_states(known),
            *_list_intervals(known),
            *_list_rests(hosts),
            Sample("desks_unproven", waiting),
            Sample("outages_open", outages),
        ]


def _list_states(rows: Sequence[_DeskRow]) -> Iterable[Sample]:
    found = dict.fromkeys(("ACTIVE", "CAPTCHA", "PAUSED", "ERROR"), 0) | group_by(
        rows, lambda row: row.status
    )
    return [Sample("desks", number, (status,)) for status, number in found.items()]


def _list_intervals(rows: Sequence[_DeskRow]) -> Iterable[Sample]:
    ratios = [row.achieved / row.promised for row in rows if row.achieved and row.promised]
    found = measure_quantiles(ratios, _QUANTILES)
    return [Sample("desk_interval_ratio", ratio, (share,)) for share, ratio in found.items()]


def _list_rests(hosts: Sequence[tuple[Any, ...]]) -> Iterable[Sample]:
    known = {outcome.value for outcome in Outcome}
    found = group_by(hosts, lambda host: "stopped" if host[2] else host[1] if host[1] in known else "other")
    reasons = dict.fromkeys(("blocked", "rate_limited", "stopped"), 0)
    return [Sample("host_resting", number, (reason,)) for reason, number in (reasons | found).items()]


def _find_unproven(rows: Iterable[_DeskRow], stopped: set[str], now: datetime) -> list[Desk]:
    """Return the desks without a proven answer for five intervals, but those that an operator stopped."""
    return [
        desk
        for row in rows
        if (desk := desks()[row.id]).shows_slots
        and row.planned
        and not row.paused_at
        and desk.host not in stopped
        and now - (row.proven_at or datetime.min.replace(tzinfo=UTC))
        > timedelta(seconds=_UNPROVEN_AFTER * row.planned)
    ]


def _count_waiting(fetch: Fetch, unproven: Sequence[Desk], now: datetime) -> int:
    """Return for how many of these desks somebody entitled waits."""
    some = unproven[:_ASKED]
    given = {
        "now": now,
        "ids": [desk.id for desk in some],
        "prefectures": [desk.prefecture_id for desk in some],
        "procedures": [",".join(sorted(desk.procedures)) for desk in some],
    }
    return len(fetch(_WAITING, given))
