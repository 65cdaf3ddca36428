"""Figures of the desks: their states, and how often they are checked."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from statistics import median
from typing import Any

import sqlalchemy as sa

from api.admin.health.findings import read_session
from api.models.alert import Alert
from api.models.desk import DeskState, DeskStatus
from api.models.slot import Detection, SlotRow, is_from_check
from configs.ground.clock import clock
from configs.world.prefecture import desks

_WELL = "watched"  # the reason of a desk without trouble begins so
_HOUR = timedelta(hours=1)


def read_desks() -> dict[str, Any]:
    """Return all desks of the desk files; `unwatched` ones are stale, retired, or behind a login."""
    known = {desk.id: desk for desk in desks().values() if desk.schedulable}
    opened = sa.select(sa.func.count(), sa.func.count(SlotRow.desk_id.distinct())).where(
        SlotRow.gone_at.is_(None), is_from_check(SlotRow)
    )
    recent = sa.select(sa.func.count(Detection.id)).where(
        Detection.seen_at >= clock() - _HOUR, is_from_check(Detection)
    )
    waiting = sa.select(sa.func.count(Alert.id)).where(Alert.enabled, Alert.closed_at.is_(None))
    with read_session() as s:
        rows = [row for row in s.scalars(sa.select(DeskState).order_by(DeskState.id)) if row.id in known]
        slots, at = s.execute(opened).one()
        return {
            "watched": len(known),
            "unwatched": len(desks()) - len(known),
            "by_status": _count_by_status(rows, len(known)),
            "troubles": _group_troubles(rows),
            "pace": _measure_pace(rows),
            "newest_check_at": max((row.last_check_at for row in rows if row.last_check_at), default=None),
            "open_slots": slots,
            "open_desks": at,
            "detections_last_hour": s.scalar(recent) or 0,
            "waiting_alerts": s.scalar(waiting) or 0,
        }


def _count_by_status(rows: Sequence[DeskState], known: int) -> dict[str, int]:
    counts: dict[str, int] = {status.value: 0 for status in DeskStatus}
    for row in rows:
        counts[row.status] += 1
    return counts | ({"UNPLANNED": known - len(rows)} if known > len(rows) else {})


def _group_troubles(rows: Sequence[DeskState]) -> list[dict[str, Any]]:
    """Return the desks that have the same status for the same reason, the worst first."""
    found: dict[tuple[DeskStatus, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.status is not DeskStatus.ACTIVE or not row.status_reason.startswith(_WELL):
            found[row.status, row.status_reason].append(row.id)
    worst = list(DeskStatus)[::-1].index
    ordered = sorted(found.items(), key=lambda each: (worst(each[0][0]), -len(each[1])))
    return [{"status": status, "reason": reason, "desks": ids} for (status, reason), ids in ordered]


def _measure_pace(rows: Sequence[DeskState]) -> dict[str, Any] | None:
    """Return achieved ÷ wished interval over the watched desks, and the worst desk with both, in seconds."""
    ratios = [
        (row.achieved_seconds / row.wished_seconds, row.id, row.achieved_seconds, row.wished_seconds)
        for row in rows
        if row.achieved_seconds and row.wished_seconds
    ]
    if not ratios:
        return None
    worst = zip(("worst", "desk", "achieved_seconds", "wished_seconds"), max(ratios), strict=True)
    return {"median": median(each[0] for each in ratios), **dict(worst)}
