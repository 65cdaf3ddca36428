"""The system as operators see it: incidents, background jobs, the audit, and the settings of this process."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, SecretStr
from sqlalchemy.orm import Session

from api.admin.audit import write_instant
from api.ground.alarms import acknowledge
from api.ground.errors import ensure_found
from api.ground.paging import Found, PageQuery, apply_filter, cut_page, read_page
from api.ground.schemas import Body
from api.models.audit import AuditEntry
from api.models.base import session
from api.models.incident import Incident
from api.models.job import JobResult, JobState
from api.models.user import User
from configs.ground.logs import mask_entry
from configs.ground.signing import ShowProof, write_link
from configs.settings import settings

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
    is_open, is_known = Incident.ends_at.is_(None), Incident.acknowledged_at.is_not(None)
    filters = {"open": is_open, "acknowledged": is_known, "subject": Incident.subject}
    query = apply_filter(sa.select(Incident), wanted, **filters)
    if wanted.before:
        query = query.where(Incident.id < wanted.before)
    newest = query.order_by(Incident.id.desc()).limit(wanted.limit + 1)
    items, more = cut_page(session.scalars(newest).all(), wanted.limit)
    return Found(items, items[-1].id if more else None)


def read_incident(session: Session, incident_id: int) -> Incident:
    """Return one incident.

    Raises:
        ApiError: 404.
    """
    return ensure_found(
        session.get(Incident, incident_id) if incident_id <= _LARGEST_ID else None, "incident"
    )


def write_proof_links(incident: Incident) -> list[str]:
    """Return links, good for PROOF_LINK_SECONDS, to pages that announced slots which several people did not find."""
    named = (incident.alarm_params or {}).get("proofs", ())
    return [write_link(ShowProof(UUID(each["detection"]))) for each in named]


def acknowledge_incident(session: Session, incident_id: int) -> dict[str, Any]:
    """Acknowledge an incident's alarm; return what changed. A repetition changes nothing.

    Raises:
        ApiError: 404.
    """
    incident = ensure_found(acknowledge(session, incident_id), "incident")
    return {"acknowledgedAt": write_instant(incident.acknowledged_at)}


class JobQuery(Body):
    """A background job, or those that ended so the last time."""

    job: str | None = Field(None, max_length=60)
    result: JobResult | None = None


class AuditQuery(PageQuery):
    """Entries by who acted, what was done, and to what."""

    actor_id: UUID | None = None
    action: str | None = Field(None, max_length=60)
    subject_type: str | None = Field(None, max_length=60)
    subject_id: str | None = Field(None, max_length=300)


class SettingQuery(Body):
    """All settings: there is nothing to choose."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of this process: its value as text, None of a secret and of one that is not set."""

    name: str
    value: str | None
    is_set: bool
    is_secret: bool


def list_jobs(work: Session, wanted: JobQuery) -> Found[JobState]:
    """Return the background jobs that are wanted, in the order of their names."""
    rows = work.scalars(sa.select(JobState).order_by(JobState.name))
    return Found(
        [each for each in rows if wanted.job in (None, each.name) and wanted.result in (None, each.result)]
    )


def list_job_names() -> Sequence[str]:
    """Return the names of all background jobs, in order."""
    with session() as s:
        return s.scalars(sa.select(JobState.name).order_by(JobState.name)).all()


def list_audit(session: Session, wanted: AuditQuery) -> Found[AuditEntry]:
    """Return a page of the audit, the newest first."""
    names = ("actor_id", "action", "subject_type", "subject_id")
    columns = {name: getattr(AuditEntry, name) for name in names}
    query = apply_filter(sa.select(AuditEntry), wanted, **columns)
    return Found(*read_page(session, query, AuditEntry.id, wanted))


def name_actors(session: Session, entries: Collection[AuditEntry]) -> dict[UUID, str]:
    """Return the addresses of those who acted and have an account, by id."""
    ids = {each.actor_id for each in entries if each.actor_id}
    rows = session.execute(sa.select(User.id, User.email).where(User.id.in_(ids)))
    return dict(rows.all())


def list_settings() -> Found[Setting]:
    """Return all settings of this process without secrets, in the order of their names."""
    current = settings()
    names = sorted(type(current).model_fields)
    return Found([_build_setting(name, getattr(current, name)) for name in names])


def _build_setting(name: str, value: Any) -> Setting:
    secret = "SecretStr" in str(type(settings()).model_fields[name].annotation) or _holds_secret(value)
    is_set = value not in (None, (), {})
    shown = str(mask_entry(name, str(value))) if is_set and not secret else None
    return Setting(name.upper(), shown, is_set, secret)


def _holds_secret(value: Any) -> bool:
    """Return whether a value is or contains a secret; a proxy contains its password."""
    if isinstance(value, tuple | list):
        return any(_holds_secret(each) for each in value)
    fields = getattr(value, "__dataclass_fields__", ())
    return isinstance(value, SecretStr) or any(_holds_secret(getattr(value, each)) for each in fields)
