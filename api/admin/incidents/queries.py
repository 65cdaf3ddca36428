"""Reads of incidents for operators."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.admin.incidents.schemas import LARGEST_ID, IncidentEntry, IncidentPage, IncidentQuery
from api.errors import not_found
from api.models.incident import Incident
from api.paging import cut_page


def list_incidents(session: Session, wanted: IncidentQuery) -> IncidentPage:
    """Return a page of incidents."""
    query = sa.select(Incident)
    for asked, is_so in (
        (wanted.open, Incident.ends_at.is_(None)),
        (wanted.acknowledged, Incident.acknowledged_at.is_not(None)),
    ):
        if asked is not None:
            query = query.where(is_so if asked else sa.not_(is_so))
    if wanted.subject:
        query = query.where(Incident.subject == wanted.subject)
    if wanted.before:
        query = query.where(Incident.id < wanted.before)
    newest = query.order_by(Incident.id.desc()).limit(wanted.limit + 1)
    found, more = cut_page(session.scalars(newest).all(), wanted.limit)
    items = [IncidentEntry.of(each) for each in found]
    return IncidentPage(items=items, next=items[-1].id if more else None)


def read_incident(session: Session, incident_id: int) -> IncidentEntry:
    """Return one incident.

    Raises:
        api.errors.ApiError: 404.
    """
    incident = session.get(Incident, incident_id) if incident_id <= LARGEST_ID else None
    if incident is None:
        raise not_found("incident")
    return IncidentEntry.of(incident)
