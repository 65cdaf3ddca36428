"""Acknowledgement of alarms by operators."""

from typing import Any

from sqlalchemy.orm import Session

from api.admin.audit import write_instant
from api.errors import not_found
from api.operations.alarms import acknowledge


def acknowledge_incident(session: Session, incident_id: int) -> dict[str, Any]:
    """Acknowledge an incident's alarm; return what changed. A repetition changes nothing.

    Raises:
        api.errors.ApiError: 404.
    """
    incident = acknowledge(session, incident_id)
    if incident is None:
        raise not_found("incident")
    return {"acknowledgedAt": write_instant(incident.acknowledged_at)}
