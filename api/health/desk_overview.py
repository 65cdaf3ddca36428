"""Overview of the desks: their states and how often they are really checked."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

import sqlalchemy as sa

from api.health.read_session import read_session
from api.models.alert import Alert
from api.models.desk import DeskState, DeskStatus
from api.models.slot import Detection, SlotRow
from configs.clock import clock
from configs.prefecture import desks

_WELL = "watched"  # the reason of a desk without trouble begins so


@dataclass(frozen=True, slots=True)
class DeskTrouble:
    """Desks that have the same status for the same reason."""

    status: DeskStatus
    reason: str
    desks: list[str]


@dataclass(frozen=True, slots=True)
class DeskPace:
    """Achieved ÷ wished interval over the watched desks; the worst desk with both, in seconds."""

    median: float
    worst: float
    desk: str
    achieved_seconds: float
    wished_seconds: float


@dataclass(frozen=True, slots=True)
class DeskOverview:
    """All desks of the desk files. `unwatched` ones are stale, retired, or behind a login."""

    watched: int
    unwatched: int
    by_status: dict[str, int]
    troubles: list[DeskTrouble]
    pace: DeskPace | None
    newest_check_at: datetime | None
    open_slots: int
    open_desks: int
    detections_last_hour: int
    waiting_alerts: int


def read_desks() -> DeskOverview:
    """Read the tables."""
    now = clock()
    known = {desk.id: desk for desk in desks().values() if desk.schedulable}
    with read_session() as s:
        rows = [row for row in s.scalars(sa.select(DeskState).order_by(DeskState.id)) if row.id in known]
        is_open = SlotRow.gone_at.is_(None)
        opened = sa.select(sa.func.count(), sa.func.count(SlotRow.desk_id.distinct())).where(is_open)
        slots, at = s.execute(opened).one()
        recent = sa.select(sa.func.count(Detection.id)).where(Detection.seen_at >= now - timedelta(hours=1))
        waiting = sa.select(sa.func.count(Alert.id)).where(Alert.enabled, Alert.closed_at.is_(None))
        checks = [row.last_check_at for row in rows if row.last_check_at]
        return DeskOverview(
            watched=len(known),
            unwatched=len(desks()) - len(known),
            by_status=_count_by_status(rows, len(known)),
            troubles=_group_troubles(rows),
            pace=_measure_pace(rows),
            newest_check_at=max(checks, default=None),
            open_slots=slots,
            open_desks=at,
            detections_last_hour=s.scalar(recent) or 0,
            waiting_alerts=s.scalar(waiting) or 0,
        )


def _count_by_status(rows: Sequence[DeskState], known: int) -> dict[str, int]:
    counts: dict[str, int] = {status.value: 0 for status in DeskStatus}
    for row in rows:
        counts[row.status] += 1
    return counts | ({"UNPLANNED": known - len(rows)} if known > len(rows) else {})


def _group_troubles(rows: Sequence[DeskState]) -> list[DeskTrouble]:
    found: dict[tuple[DeskStatus, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.status is not DeskStatus.ACTIVE or not row.status_reason.startswith(_WELL):
            found[row.status, row.status_reason].append(row.id)
    worst = list(DeskStatus)[::-1].index
    ordered = sorted(found.items(), key=lambda each: (worst(each[0][0]), -len(each[1])))
    return [DeskTrouble(status, reason, ids) for (status, reason), ids in ordered]


def _measure_pace(rows: Sequence[DeskState]) -> DeskPace | None:
    ratios = [
        (row.achieved_seconds / row.wished_seconds, row.id, row.achieved_seconds, row.wished_seconds)
        for row in rows
        if row.achieved_seconds and row.wished_seconds
    ]
    return DeskPace(median(each[0] for each in ratios), *max(ratios)) if ratios else None
