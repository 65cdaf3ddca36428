"""Route of the advice for a wish: a procedure at a prefecture."""

from flask import Response

from api.ground.errors import ensure_found
from api.outlook.queries import read_outlook
from api.outlook.schemas import Outlook, OutlookQuery
from api.prefectures.schemas import PrefecturePath
from api.web.openapi import declare_errors, make_blueprint
from api.web.public_answers import answer_cached
from configs.world.prefecture import prefectures

blueprint = make_blueprint("outlook", __name__, "/api/prefectures", "prefectures", "The advice for a wish")


@blueprint.get("/<id>/outlook", responses={200: Outlook, **declare_errors(404, 422)})
def show_outlook(path: PrefecturePath, query: OutlookQuery) -> Response:
    """Show for a procedure what is watched, how often slots opened, what an alert costs, and what else there is."""
    place = ensure_found(prefectures().get(path.id), "prefecture: GET /api/prefectures lists them")
    key = f"outlook:{place.id}:{query.procedure}"
    return answer_cached(key, lambda s: read_outlook(s, place, query.procedure))
