"""Reads of the figures for the landing page."""

from collections import Counter
from datetime import UTC, timedelta

from sqlalchemy.orm import Session

from api.detections.queries import get_public_cutoff
from api.detections.statistics import read_detection_stats
from api.figures.deliveries import list_channel_deliveries
from api.figures.schemas import PublicStats, WatchLevels
from configs.world.prefecture import Grade, WatchLevel, desks

_DAY = timedelta(days=1)
_DAYS = 7  # of deliveries


def read_public_stats(session: Session) -> PublicStats:
    """Return the detections, the desks by what a check of them can prove, and the deliveries."""
    last = get_public_cutoff().astimezone(UTC).date() - _DAY
    return PublicStats(
        **dict(read_detection_stats(session)),
        desks=_count_desks(),
        deliveries=list_channel_deliveries(session, last - (_DAYS - 1) * _DAY, last),
    )


def _count_desks() -> WatchLevels:
    levels = Counter(
        desk.watch if desk.schedulable else WatchLevel.NONE
        for desk in desks().values()
        if desk.grade is not Grade.RETIRED
    )
    return WatchLevels(**{level.value: levels[level] for level in WatchLevel})
