"""Bodies of what operators see of one detection: its slots, and the messages about it."""

from datetime import datetime

from api.admin.watch.schemas import DetectionEntry
from api.models.notification import State
from api.models.slot import GoneReason
from api.schemas import Answer


class SlotEntry(Answer):
    """One slot of a detection. `moment`: an ISO instant, a day, or `open`, as the page told it."""

    place_label: str | None
    moment: str
    seats: int | None
    opened_at: datetime
    seen_at: datetime
    gone_at: datetime | None
    gone_reason: GoneReason | None


class DetectionDetails(Answer):
    """A detection with its first MOST_SLOTS slots, and how many messages about it are in each state."""

    entry: DetectionEntry
    slots: list[SlotEntry]
    messages: dict[State, int]
