"""Bodies of detections."""

import datetime as dt
from uuid import UUID

from pydantic import Field

from api.ground.paging import PageQuery
from api.ground.schemas import Answer
from api.models.slot import GoneReason


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
    slot_date: dt.date | None
    slot_time: str | None = Field(examples=["09:30"])
    booking_url: str
    proof: str | None
    detected_at: dt.datetime


class OwnDetection(PublicDetection):
    """A detection that concerns the user: of its slots, those that their alerts wait for."""

    alert_ids: list[UUID]


class AlertDetection(OwnDetection):
    """A detection with what one alert waits for; `slotsOpen` of its slots were there at the last look."""

    slots_open: int


class SlotAnswer(Answer):
    """One slot, from when it was first seen to when it was gone. `date` and `time` (HH:MM) are in the desk's own time.

    `seats` is null where the page did not say it; `goneAt` while the slot is open.
    """

    place: str | None
    date: dt.date | None
    time: str | None = Field(examples=["09:30"])
    seats: int | None
    url: str
    opened_at: dt.datetime
    last_seen_at: dt.datetime
    gone_at: dt.datetime | None
    gone_reason: GoneReason | None


class DetectionDetail(OwnDetection):
    """A detection with the slots that the user's alerts wait for, in the order of time: the first 500 of them."""

    slots: list[SlotAnswer]


class PrefectureCount(Answer):
    """How many detections a prefecture had."""

    prefecture_id: str
    total: int
    today: int


class DetectionStats(Answer):
    """How many detections there were, told with the delay of all public pages. A day is one of Paris."""

    total: int
    today: int
    by_prefecture: list[PrefectureCount]


class DetectionPage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[OwnDetection]
    next: UUID | None


class DetectionQuery(PageQuery):
    """Which page of the detections."""
