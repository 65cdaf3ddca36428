"""Bodies of /api/prefectures: prefectures and their desks."""

from datetime import datetime

from pydantic import BaseModel, Field

from api.detections.schemas import PublicDetection
from api.ground.schemas import Answer, Body
from api.models.desk import DeskStatus
from configs.world.prefecture import Grade, Procedure, WatchLevel


class PrefecturePath(BaseModel):
    """Which prefecture."""

    id: str


class MapQuery(Body):
    """Which procedure; without one all desks count."""

    procedure: Procedure | None = None


class DeskAnswer(Answer):
    """One desk and what the watching says of it now. Intervals are in seconds, null while nothing was planned.

    `feasibleInterval` is what the site allows while slots are open too, which takes more requests: with the wished one,
    the slower of the two is what can be promised. `watchLevel` is what a check can prove; `lastProvenAt` when a check
    last proved anything; `lastSlotFoundAt` is told with a delay, like all that public pages say of slots.
    `releasesAt` is when the prefecture says that it will put more slots on line. `townHalls` are those of a department
    that answered lately, null for a desk that is one page; `feasibleInterval` is then what asking all of them takes.
    """

    id: str
    label: str
    site: str | None
    procedures: list[Procedure]
    booking_url: str
    grade: Grade
    watch_level: WatchLevel
    status: DeskStatus
    status_reason: str
    wished_interval: float | None
    feasible_interval: float | None
    achieved_interval: float | None
    last_checked_at: datetime | None
    last_proven_at: datetime | None
    last_slot_found_at: datetime | None
    consecutive_errors: int
    releases_at: datetime | None
    town_halls: list[str] | None = None


class PrefectureAnswer(Answer):
    """One prefecture; its status is the best of its desks, `checkInterval` (seconds) the shortest."""

    id: str
    name: str
    department: str
    region: str
    tier: int
    status: DeskStatus
    status_reason: str
    check_interval: float
    last_scraped_at: datetime | None
    last_slot_found_at: datetime | None
    consecutive_errors: int
    desks: list[DeskAnswer]


class PrefecturePage(PrefectureAnswer):
    """One prefecture with what was seen there lately, told with a delay."""

    recent_detections: list[PublicDetection]


class PrefectureList(Answer):
    """All prefectures, in the order of their departments."""

    items: list[PrefectureAnswer]


class MapTile(Answer):
    """One department: its place on the tile map, and the best of its desks now.

    `watchLevel` is what a check of them can prove now; `none` where nothing can be watched. `status` is null where no
    desk is known. `prefectureId` and `name` are null where this installation has no file of the prefecture.
    """

    department: str = Field(examples=["93"])
    row: int = Field(description="From 1, the north")
    column: int = Field(description="From 1, the west")
    prefecture_id: str | None
    name: str | None
    desks: int
    watch_level: WatchLevel
    status: DeskStatus | None


class ProvenDesks(Answer):
    """How many desks were proven in the last 24 hours: their page said clearly whether slots are open. And for what."""

    desks: int
    departments: int
    procedures: list[Procedure]


class TileMap(Answer):
    """All 101 departments in the order of their codes; `procedure`: only desks that serve it are counted."""

    procedure: Procedure | None
    proven: ProvenDesks
    items: list[MapTile]
