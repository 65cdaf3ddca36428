"""Routes of /api/detections: detections that the signed-in user's alerts matched."""

from typing import Any

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.detections.queries import list_own_detections
from api.detections.schemas import DetectionPage, DetectionQuery
from api.middleware.auth import current_user, require_sign_in
from api.middleware.openapi_helpers import BEARER, declare_errors, make_operation_id
from api.models.base import session

blueprint = APIBlueprint(
    "detections",
    __name__,
    url_prefix="/api/detections",
    operation_id_callback=make_operation_id,
    abp_tags=[Tag(name="detections", description="What was seen for the user")],
    abp_security=BEARER,
)
blueprint.before_request(require_sign_in)


@blueprint.get("", responses={200: DetectionPage, **declare_errors(401, 422)})
def list_detections(query: DetectionQuery) -> dict[str, Any]:
    """List the detections that the user's alerts matched, the newest first."""
    with session() as s:
        return list_own_detections(s, current_user().id, query.before, query.limit).as_json()
