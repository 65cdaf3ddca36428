"""Route of /api/stats: figures for the landing page."""

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.middleware.openapi_helpers import declare_errors, make_operation_id
from api.middleware.public_answers import answer_cached
from api.stats.queries import read_public_stats
from api.stats.schemas import PublicStats

blueprint = APIBlueprint(
    "stats",
    __name__,
    url_prefix="/api/stats",
    operation_id_callback=make_operation_id,
    abp_tags=[Tag(name="stats", description="Figures for everybody")],
)


@blueprint.get("", responses={200: PublicStats, **declare_errors()})
def show_stats() -> Response:
    """Show how many detections there were and how many desks are watched, for the landing page."""
    return answer_cached("stats", read_public_stats)
