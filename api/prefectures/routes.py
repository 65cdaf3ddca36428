"""Routes of /api/prefectures: the public status of prefectures and desks."""

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel

from api.errors import not_found
from api.middleware.openapi_helpers import declare_errors, make_operation_id
from api.middleware.public_answers import answer_cached
from api.prefectures.queries import read_prefecture_page, read_prefectures
from api.prefectures.schemas import PrefectureList, PrefecturePage
from configs.prefecture import prefectures

blueprint = APIBlueprint(
    "prefectures",
    __name__,
    url_prefix="/api/prefectures",
    operation_id_callback=make_operation_id,
    abp_tags=[Tag(name="prefectures", description="What is watched, and how it goes")],
)


class PrefecturePath(BaseModel):
    """Which prefecture."""

    id: str


@blueprint.get("", responses={200: PrefectureList, **declare_errors()})
def list_prefectures() -> Response:
    """List all prefectures with their status and their desks."""
    return answer_cached("prefectures", read_prefectures)


@blueprint.get("/<id>", responses={200: PrefecturePage, **declare_errors(404)})
def show_prefecture(path: PrefecturePath) -> Response:
    """Show one prefecture, with its recent detections, which are published with a delay."""
    place = prefectures().get(path.id)
    if place is None:
        raise not_found("prefecture: GET /api/prefectures lists them")
    return answer_cached(f"prefecture:{place.id}", lambda s: read_prefecture_page(s, place))
