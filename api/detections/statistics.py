"""Public statistics of detections: in total and today, by prefecture."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.cache import answer_cache
from api.detections.queries import PARIS, get_public_cutoff
from api.detections.schemas import DetectionStats, PrefectureCount
from api.models.slot import Detection
from configs.ground.clock import clock
from configs.world.desk import zone_of
from configs.world.prefecture import prefectures

_CACHE_SECONDS = 60.0  # of a year's detections counting takes a tenth of a second


def read_detection_stats(session: Session) -> DetectionStats:
    """Return the number of public detections, of every prefecture that is known or had one; a minute old at most."""
    kept = answer_cache().get("detections", lambda: _count(session).as_bytes(), _CACHE_SECONDS)
    return DetectionStats.model_validate_json(kept.body)


def _count(session: Session) -> DetectionStats:
    today = clock().astimezone(zone_of(PARIS)).replace(hour=0, minute=0, second=0, microsecond=0)
    late = sa.func.count().filter(Detection.seen_at >= today)
    rows = session.execute(
        sa.select(Detection.prefecture_id, sa.func.count(), late)
        .where(Detection.seen_at <= get_public_cutoff())
        .group_by(Detection.prefecture_id)
    )
    found = dict.fromkeys(prefectures(), (0, 0)) | {each: (total, late) for each, total, late in rows}
    counts = [
        PrefectureCount(prefecture_id=each, total=total, today=late)
        for each, (total, late) in sorted(found.items())
    ]
    return DetectionStats(
        total=sum(each.total for each in counts),
        today=sum(each.today for each in counts),
        by_prefecture=counts,
    )
