"""Routes of /api/detections: those that the signed-in user's alerts matched, and public statistics."""

from typing import Any

from flask import Response

from api.detections.queries import list_own_detections, read_detection_stats, read_own_detection
from api.detections.schemas import DetectionDetail, DetectionPage, DetectionQuery, DetectionStats
from api.ground.schemas import IdPath
from api.models.base import read_once
from api.web.auth import current_user_id
from api.web.openapi import BEARER, declare_errors, make_blueprint
from api.web.public_answers import answer_cached

blueprint = make_blueprint(
    "detections", __name__, "/api/detections", "detections", "What was seen for the user"
)


@blueprint.get("", security=BEARER, responses={200: DetectionPage, **declare_errors(401, 422)})
def list_detections(query: DetectionQuery) -> dict[str, Any]:
    """List the detections that the user's alerts matched, the newest first."""
    return read_once(list_own_detections, current_user_id(), query).as_json()


@blueprint.get("/<uuid:id>", security=BEARER, responses={200: DetectionDetail, **declare_errors(401, 404)})
def show_detection(path: IdPath) -> dict[str, Any]:
    """Show one detection that the user's alerts matched: its slots, when each was seen and gone, and the proof."""
    return read_once(read_own_detection, current_user_id(), path.id).as_json()


@blueprint.get("/stats", responses={200: DetectionStats, **declare_errors()})
def show_detection_stats() -> Response:
    """Count detections for everybody: in total, today, by prefecture, with the delay of public pages."""
    return answer_cached("detection-stats", read_detection_stats)
