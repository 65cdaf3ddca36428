"""Routes of /api/admin/incidents: troubles, and the acknowledgement of their alarms."""

from typing import Any

from api.admin.access import audited, check_access
from api.admin.incidents import queries, service
from api.admin.incidents.schemas import IncidentEntry, IncidentPage, IncidentPath, IncidentQuery
from api.middleware.openapi_helpers import declare_errors, make_blueprint

blueprint = make_blueprint(
    "admin-incidents",
    __name__,
    "/api/admin/incidents",
    "admin incidents",
    "For operators: troubles and their alarms",
    signed_in=True,
)
blueprint.before_request(check_access)


@blueprint.get("", responses={200: IncidentPage, **declare_errors(401, 403, 422)})
def list_incidents(query: IncidentQuery) -> dict[str, Any]:
    """List incidents, the newest first."""
    with audited("incidents.list", "incident") as work:
        return queries.list_incidents(work.session, query).as_json()


@blueprint.post("/<id>/acknowledge", responses={200: IncidentEntry, **declare_errors(401, 403, 404, 422)})
def acknowledge_incident(path: IncidentPath) -> dict[str, Any]:
    """Acknowledge an alarm, so that it is not sent once more. A repetition changes nothing."""
    with audited("incident.acknowledge", "incident", path.id) as work:
        work.changes.update(service.acknowledge_incident(work.session, path.id))
        return queries.read_incident(work.session, path.id).as_json()
