"""/api/detections: what was seen for the signed-in user."""

from typing import Any

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.detection_reads import own_detections
from api.documents import BEARER, operation_id, problems
from api.models.base import session
from api.schemas.detection import DetectionPage, DetectionQuery
from api.tokens import require_sign_in, signed_in

blueprint = APIBlueprint(
    "detections",
    __name__,
    url_prefix="/api/detections",
    operation_id_callback=operation_id,
    abp_tags=[Tag(name="detections", description="What was seen for the user")],
    abp_security=BEARER,
)
blueprint.before_request(require_sign_in)


@blueprint.get("", responses={200: DetectionPage, **problems(401, 422)})
def list_detections(query: DetectionQuery) -> dict[str, Any]:
    """List the detections that the user's alerts matched, the newest first."""
    with session() as s:
        return own_detections(s, signed_in().id, query.before, query.limit).as_json()
