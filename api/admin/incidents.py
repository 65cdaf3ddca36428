"""Incidents as operators find and acknowledge them."""

from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.admin.audit import write_instant
from api.errors import not_found
from api.models.incident import Incident
from api.operations.alarms import acknowledge
from api.paging import Found, apply_filter, cut_page
from api.schemas import Body
from configs.ground.signed_links import ShowProof, write_link

_LARGEST_ID = 2**63 - 1


class IncidentQuery(Body):
    """Incidents that are open or over, acknowledged or not, of a subject; `before` is the `next` of the page before."""

    open: bool | None = None
    acknowledged: bool | None = None
    subject: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    before: Annotated[int, Field(ge=1, le=_LARGEST_ID)] | None = None
    limit: int = Field(50, ge=1, le=100)


def list_incidents(session: Session, wanted: IncidentQuery) -> Found[Incident]:
    """Return a page of incidents, the newest first."""
    query = sa.select(Incident)
    for asked, is_so in (
        (wanted.open, Incident.ends_at.is_(None)),
        (wanted.acknowledged, Incident.acknowledged_at.is_not(None)),
    ):
        if asked is not None:
            query = query.where(is_so if asked else sa.not_(is_so))
    query = apply_filter(query, wanted, subject=Incident.subject)
    if wanted.before:
        query = query.where(Incident.id < wanted.before)
    newest = query.order_by(Incident.id.desc()).limit(wanted.limit + 1)
    items, more = cut_page(session.scalars(newest).all(), wanted.limit)
    return Found(items, items[-1].id if more else None)


def read_incident(session: Session, incident_id: int) -> Incident:
    """Return one incident.

    Raises:
        api.errors.ApiError: 404.
    """
    incident = session.get(Incident, incident_id) if incident_id <= _LARGEST_ID else None
    if incident is None:
        raise not_found("incident")
    return incident


def write_proof_links(incident: Incident) -> list[str]:
    """Return links, good for PROOF_LINK_SECONDS, to pages that announced slots which several people did not find."""
    named = (incident.alarm_params or {}).get("proofs", ())
    return [write_link(ShowProof(UUID(each["detection"]))) for each in named]


def acknowledge_incident(session: Session, incident_id: int) -> dict[str, Any]:
    """Acknowledge an incident's alarm; return what changed. A repetition changes nothing.

    Raises:
        api.errors.ApiError: 404.
    """
    incident = acknowledge(session, incident_id)
    if incident is None:
        raise not_found("incident")
    return {"acknowledgedAt": write_instant(incident.acknowledged_at)}
