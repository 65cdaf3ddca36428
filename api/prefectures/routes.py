"""Routes of /api/prefectures: the public status of prefectures and desks."""

from flask import Response

from api.ground.errors import ensure_found
from api.prefectures.queries import build_map_key, read_map, read_prefecture_page, read_prefectures
from api.prefectures.schemas import MapQuery, PrefectureList, PrefecturePage, PrefecturePath, TileMap
from api.web.openapi import declare_errors, make_blueprint
from api.web.public_answers import answer_cached
from configs.world.prefecture import prefectures

blueprint = make_blueprint(
    "prefectures", __name__, "/api/prefectures", "prefectures", "What is watched, and how it goes"
)


@blueprint.get("", responses={200: PrefectureList, **declare_errors()})
def list_prefectures() -> Response:
    """List all prefectures with their status and their desks."""
    return answer_cached("prefectures", read_prefectures)


@blueprint.get("/map", responses={200: TileMap, **declare_errors(422)})
def show_map(query: MapQuery) -> Response:
    """Show for each department what can be watched now, and how it goes, for a tile map."""
    return answer_cached(build_map_key(query.procedure), lambda s: read_map(s, query.procedure))


@blueprint.get("/<id>", responses={200: PrefecturePage, **declare_errors(404)})
def show_prefecture(path: PrefecturePath) -> Response:
    """Show one prefecture, with its recent detections, which are published with a delay."""
    place = ensure_found(prefectures().get(path.id), "prefecture: GET /api/prefectures lists them")
    return answer_cached(f"prefecture:{place.id}", lambda s: read_prefecture_page(s, place))
