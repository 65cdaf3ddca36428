"""Public statistics of detections: in total and today, by prefecture."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.cache import answer_cache
from api.detections.queries import PARIS, get_public_cutoff
from api.detections.schemas import DetectionStats, PrefectureCount
from api.models.slot import Detection
from configs.ground.clock import clock
from configs.world.desk import zone_of
from configs.world.prefecture import prefectures

_DAY = timedelta(days=1)


def read_detection_stats(session: Session) -> DetectionStats:
    """Return the number of public detections, of every prefecture that is known or had one.

    Those before yesterday are counted once a day: there are many, and they no longer change.
    """
    cutoff = get_public_cutoff()
    today = _find_midnight(clock())
    yesterday = _find_midnight(_find_midnight(cutoff) - _DAY / 2)
    before = _count_before(session, yesterday)
    late = _count_since(session, yesterday, today, cutoff)
    counts = [
        PrefectureCount(
            prefecture_id=each,
            total=before.get(each, 0) + late.get(each, (0, 0))[0],
            today=late.get(each, (0, 0))[1],
        )
        for each in sorted({*prefectures(), *before, *late})
    ]
    return DetectionStats(
        total=sum(each.total for each in counts),
        today=sum(each.today for each in counts),
        by_prefecture=counts,
    )


def _find_midnight(moment: datetime) -> datetime:
    """Return the beginning of a moment's day in Paris."""
    return moment.astimezone(zone_of(PARIS)).replace(hour=0, minute=0, second=0, microsecond=0)


def _count_before(session: Session, end: datetime) -> Mapping[str, int]:
    def build() -> bytes:
        query = sa.select(Detection.prefecture_id, sa.func.count()).where(Detection.seen_at < end)
        rows = session.execute(query.group_by(Detection.prefecture_id))
        return json.dumps(dict(iter(rows))).encode()

    kept = answer_cache().get(f"detections-before:{end.date()}", build, _DAY.total_seconds())
    counts: dict[str, int] = json.loads(kept.body)
    return counts


def _count_since(
    session: Session, start: datetime, today: datetime, cutoff: datetime
) -> dict[str, tuple[int, int]]:
    """Count by prefecture what was seen from `start` to `cutoff`, and of it what was seen `today`."""
    rows = session.execute(
        sa.select(
            Detection.prefecture_id, sa.func.count(), sa.func.count().filter(Detection.seen_at >= today)
        )
        .where(Detection.seen_at >= start, Detection.seen_at <= cutoff)
        .group_by(Detection.prefecture_id)
    )
    return {prefecture_id: (total, late) for prefecture_id, total, late in rows}
