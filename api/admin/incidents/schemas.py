"""Bodies of /api/admin/incidents."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from api.models.incident import Incident, IncidentReason
from api.schemas import Answer, Body
from configs.ground.signed_links import write_proof_link

LARGEST_ID = 2**63 - 1
IncidentId = Annotated[int, Field(ge=1, le=LARGEST_ID)]


class IncidentQuery(Body):
    """Incidents that are open or over, acknowledged or not, of a subject; `before` is the `next` of the page before."""

    open: bool | None = None
    acknowledged: bool | None = None
    subject: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    before: IncidentId | None = None
    limit: int = Field(50, ge=1, le=100)


class IncidentPath(Body):
    """Which incident."""

    id: IncidentId


class IncidentEntry(Answer):
    """A trouble of a host (`name:port`), a desk, or our own operations: a provider, a queue, a payment.

    `toldAt`: when its alarm went to operators, null where none did; `repeatedAt`: when it went out once more, on
    another channel. An alarm is repeated until somebody acknowledges it, once at most. `proofs`: links, good for
    PROOF_LINK_SECONDS, to the pages that announced slots which several people did not find.
    """

    id: int
    subject: str
    reason: IncidentReason
    starts_at: datetime
    seen_at: datetime
    ends_at: datetime | None
    told_at: datetime | None
    repeated_at: datetime | None
    acknowledged_at: datetime | None
    proofs: list[str]

    @classmethod
    def of(cls, incident: Incident) -> Self:
        """Return an incident, with new links to the proofs that its alarm names."""
        named = (incident.alarm_params or {}).get("proofs", ())
        columns = {name: getattr(incident, name) for name in cls.model_fields if name != "proofs"}
        return cls(**columns, proofs=[write_proof_link(UUID(each["detection"])) for each in named])


class IncidentPage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[IncidentEntry]
    next: int | None
