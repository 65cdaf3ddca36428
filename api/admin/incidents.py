"""Incidents as operators see and acknowledge them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.admin.audit import Actor, AuditedWork, record_audit, write_instant
from api.ground.alarms import acknowledge
from api.ground.errors import ensure_found
from api.ground.paging import LARGEST_NUMBER, Found, NumberQuery, apply_filter, read_numbers
from api.models.audit import ActorKind
from api.models.incident import Incident, IncidentReason
from api.models.user import User
from configs.ground.clock import clock
from configs.ground.signing import AcknowledgeIncident, ShowProof, read_token, write_link

_OF_PARTS = (
    IncidentReason.PART_DOWN,
    IncidentReason.PART_DEGRADED,
    IncidentReason.PROVIDER_DOWN,
    IncidentReason.OLD_QUEUE,
)


class IncidentQuery(NumberQuery):
    """Incidents that are open or over, acknowledged or not, of a subject."""

    open: bool | None = None
    acknowledged: bool | None = None
    subject: Annotated[str, Field(min_length=1, max_length=300)] | None = None


def list_incidents(session: Session, wanted: IncidentQuery) -> Found[Incident]:
    """Return a page of incidents, the newest first."""
    is_open, is_known = Incident.ends_at.is_(None), Incident.acknowledged_at.is_not(None)
    filters = {"open": is_open, "acknowledged": is_known, "subject": Incident.subject}
    query = apply_filter(sa.select(Incident), wanted, **filters)
    return read_numbers(session, query, Incident.id, wanted)


def list_part_troubles(session: Session, since: datetime) -> list[tuple[str, datetime, datetime]]:
    """Return the parts of health that were ill since then, each with begin and end, in the order of their begins."""
    part = sa.case(
        (Incident.reason == IncidentReason.PROVIDER_DOWN, "providers"),
        (Incident.reason == IncidentReason.OLD_QUEUE, "messages"),
        else_=sa.func.split_part(Incident.subject, ":", 1),
    )
    end = sa.func.coalesce(Incident.ends_at, clock())
    query = sa.select(part, sa.func.greatest(Incident.starts_at, since), end)
    of_parts = Incident.reason.in_(_OF_PARTS) & (end > since)
    return [tuple(row) for row in session.execute(query.where(of_parts).order_by(Incident.starts_at))]


def read_incident(session: Session, incident_id: int) -> Incident:
    """Return one incident.

    Raises:
        ApiError: 404.
    """
    return ensure_found(
        session.get(Incident, incident_id) if incident_id <= LARGEST_NUMBER else None, "incident"
    )


def write_proof_links(incident: Incident) -> list[str]:
    """Return links, good for PROOF_LINK_SECONDS, to pages that announced slots which several people did not find."""
    named = (incident.alarm_params or {}).get("proofs", ())
    return [write_link(ShowProof(UUID(each["detection"]))) for each in named]


def acknowledge_incident(work: AuditedWork, incident_id: int) -> dict[str, Any]:
    """Acknowledge an incident's alarm; return what changed. A repetition changes nothing.

    Raises:
        ApiError: 404.
    """
    incident = ensure_found(acknowledge(work.session, incident_id), "incident")
    return {"acknowledgedAt": write_instant(incident.acknowledged_at)}


def find_alarm(session: Session, token: str) -> tuple[Incident, User] | None:
    """Return the incident that a token acknowledges, and the operator.

    None where the incident is gone, or its reader is no operator any more.

    Raises:
        configs.ground.signing.LinkRefused: it is expired or forged.
    """
    link = read_token(AcknowledgeIncident, token)
    user, incident = session.get(User, link.user), session.get(Incident, link.incident)
    if user is None or incident is None or not user.role.is_operator:
        return None
    return incident, user


def acknowledge_by_link(session: Session, token: str, request_id: str) -> tuple[Incident, User] | None:
    """Acknowledge the alarm of a token; a repetition adds no row to the audit.

    Raises:
        configs.ground.signing.LinkRefused: it is expired or forged.
    """
    if found := find_alarm(session, token):
        incident, operator = found
        session.refresh(incident, with_for_update=True)
        if incident.acknowledged_at is None:
            acknowledge(session, incident.id)
            actor = Actor(operator.id, ActorKind(operator.role.value), request_id)
            work = AuditedWork(session, actor, {"by": "link"})
            record_audit(work, "incident.acknowledge", "incident", incident.id)
    return found
