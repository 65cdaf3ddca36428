"""Route of /api/stats: figures for the landing page."""

from flask import Response

from api.errors import not_found
from api.figures.answers import list_answer_figures
from api.figures.queries import read_public_stats
from api.figures.schemas import AnswerStats, AnswerStatsQuery, PublicStats
from api.middleware.openapi_helpers import declare_errors, make_blueprint
from api.middleware.public_answers import answer_cached
from configs.world.prefecture import prefectures

blueprint = make_blueprint("stats", __name__, "/api/stats", "stats", "Figures for everybody")


@blueprint.get("", responses={200: PublicStats, **declare_errors()})
def show_stats() -> Response:
    """Show how many detections there were and how many desks are watched, for the landing page."""
    return answer_cached("stats", read_public_stats)


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
