"""Reads of the figures for the landing page."""

from collections import Counter

from sqlalchemy.orm import Session

from api.detections.statistics import read_detection_stats
from api.stats.schemas import PublicStats, WatchLevels
from configs.prefecture import Grade, WatchLevel, desks


def read_public_stats(session: Session) -> PublicStats:
    """Return the detections, and the desks by what a check of them can prove."""
    return PublicStats(**dict(read_detection_stats(session)), desks=_count_desks())


def _count_desks() -> WatchLevels:
    levels = Counter(
        desk.watch if desk.schedulable else WatchLevel.NONE
        for desk in desks().values()
        if desk.grade is not Grade.RETIRED
    )
    return WatchLevels(**{level.value: levels[level] for level in WatchLevel})
