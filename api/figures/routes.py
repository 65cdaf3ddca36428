"""Route of /api/stats: figures for the landing page."""

from collections import Counter
from datetime import UTC, timedelta

from flask import Response
from sqlalchemy.orm import Session

from api.detections.queries import get_public_cutoff, read_detection_stats
from api.figures.answers import list_answer_figures
from api.figures.deliveries import list_channel_deliveries
from api.figures.schemas import AnswerStats, AnswerStatsQuery, PublicStats, WatchLevels
from api.ground.errors import not_found
from api.web.openapi import declare_errors, make_blueprint
from api.web.public_answers import answer_cached
from configs.world.prefecture import Grade, WatchLevel, desks, prefectures

_DAY = timedelta(days=1)
_DAYS = 7  # of deliveries


def _read_public_stats(session: Session) -> PublicStats:
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


blueprint = make_blueprint("stats", __name__, "/api/stats", "stats", "Figures for everybody")


@blueprint.get("", responses={200: PublicStats, **declare_errors()})
def show_stats() -> Response:
    """Show how many detections there were and how many desks are watched, for the landing page."""
    return answer_cached("stats", _read_public_stats)


@blueprint.get("/answers", responses={200: AnswerStats, **declare_errors(404, 422)})
def show_answer_stats(query: AnswerStatsQuery) -> Response:
    """Show per month how often alerts led to an appointment, came too late or were false, and how fast slots go."""
    if query.prefecture and query.prefecture not in prefectures():
        raise not_found("prefecture: GET /api/prefectures lists them")
    key = f"stats:answers:{query.by}:{query.months}:{query.prefecture or ''}"
    return answer_cached(
        key,
        lambda s: AnswerStats(items=list_answer_figures(s, query.by, query.months, query.prefecture)),
    )
