"""Bodies of detections."""

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from api.schemas import Answer, Body


class PublicDetection(Answer):
    """Slots that one check saw open. `slotDate` and `slotTime` (HH:MM) are the first one's, in the desk's own time.

    Either is null where the page did not say it. `proof` is a link to the page as it was seen, good for an hour; null
    where none is kept, and for whoever the detection was not for.
    """

    id: UUID
    prefecture_id: str
    desk_id: str
    label: str
    site: str | None
    slots_available: int
    slot_date: date | None
    slot_time: str | None = Field(examples=["09:30"])
    booking_url: str
    proof: str | None
    detected_at: datetime


class OwnDetection(PublicDetection):
    """A detection that concerns the user: of its slots, those that their alerts wait for."""

    alert_ids: list[UUID]


class DetectionPage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[OwnDetection]
    next: UUID | None


class DetectionQuery(Body):
    """Which page of the detections."""

    before: UUID | None = None
    limit: int = Field(50, ge=1, le=100)
