"""Bodies of the calendar: known release times of slots, as a list and as an iCalendar feed."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from api.prefectures.desk_queries import Announcer
from api.schemas import Answer, Body
from configs.world.prefecture import Procedure, WatchLevel

FeedLanguage = Literal["fr", "en", "ar"]


class CalendarQuery(Body):
    """Which prefecture and procedure; without them all."""

    prefecture: Annotated[str, Field(max_length=100, examples=["bobigny_93"])] | None = None
    procedure: Procedure | None = None


class FeedQuery(Body):
    """Which procedure, and the language of the entries."""

    procedure: Procedure
    language: FeedLanguage = "fr"


class ReleaseEntry(Answer):
    """A time at which a desk puts slots on line, as its own page says or another source; a page names no end.

    A page may show it up to 60 seconds later than it says.

    `watchLevel` `none`: no check sees its slots, so looking at that time is the only way.
    """

    prefecture_id: str
    name: str
    department: str
    time_zone: str
    desk_id: str
    label: str
    site: str | None
    procedures: list[Procedure]
    booking_url: str
    watch_level: WatchLevel
    begins_at: datetime
    ends_at: datetime | None
    announced_by: Announcer


class ReleaseCalendar(Answer):
    """The releases until `endsAt` that are not over, in the order of time."""

    ends_at: datetime
    items: list[ReleaseEntry]
