"""Bodies of detections, prefectures, their desks, and figures. No rate of answers rests on fewer than five."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from api.ground.schemas import Answer, Body
from api.models.desk import DeskStatus
from api.models.notification import DeliveryFigure
from api.models.slot import GoneReason
from api.models.user import Channel
from api.models.watchability import Hindrance
from configs.world.desk import Grade, Procedure, WatchLevel


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


class PrefecturePath(BaseModel):
    """Which prefecture."""

    id: str


class MapQuery(Body):
    """Which procedure; without one all desks count."""

    procedure: Procedure | None = None


class DeskLooks(Answer):
    """Looks of people at a desk behind a captcha: the last one, and how many people looked within a day.

    `people` is null below five.
    """

    last_at: dt.datetime
    people: int | None


class DeskAnswer(Answer):
    """One desk and what the watching says of it now. Intervals are in seconds, null while nothing was planned.

    `feasibleInterval` is what the site allows while slots are open too, which takes more requests: with the wished one,
    the slower of the two is what can be promised. `watchLevel` is what can be known; `lastProvenAt` when a check
    last proved anything; `lastSlotFoundAt` is told with a delay, like all that public pages say of slots.
    `notWatchable`: why nothing may be begun about it now, null where an alert can; an `unproven` or `doubted` one
    is being tried.
    `sureUntil`: five intervals after the last proof; afterwards it is not sure how the desk is watched.
    `releasesAt` is when the prefecture says that it will put more slots on line. `townHalls` are those of a department
    that answered lately, null for a desk that is one page; `feasibleInterval` is then what asking all of them takes.
    `looks`: of people, where `watchLevel` is `people` and somebody looked within a week.
    """

    id: str
    label: str
    site: str | None
    procedures: list[Procedure]
    booking_url: str
    grade: Grade
    watch_level: WatchLevel
    not_watchable: Hindrance | None
    status: DeskStatus
    status_reason: str
    wished_interval: float | None
    feasible_interval: float | None
    achieved_interval: float | None
    last_checked_at: dt.datetime | None
    last_proven_at: dt.datetime | None
    sure_until: dt.datetime | None
    last_slot_found_at: dt.datetime | None
    consecutive_errors: int
    releases_at: dt.datetime | None
    town_halls: list[str] | None = None
    looks: DeskLooks | None = None


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
    last_scraped_at: dt.datetime | None
    last_slot_found_at: dt.datetime | None
    consecutive_errors: int
    desks: list[DeskAnswer]


class PrefecturePage(PrefectureAnswer):
    """One prefecture with what was seen there lately, told with a delay.

    `peopleWaiting`: how many wait for what we cannot watch yet, by procedure; from ten on, rounded down to tens.
    """

    recent_detections: list[PublicDetection]
    people_waiting: dict[Procedure, int]


class PrefectureList(Answer):
    """All prefectures, in the order of their departments."""

    items: list[PrefectureAnswer]


class MapTile(Answer):
    """One department: its place on the tile map, and the best of its desks now.

    `watchLevel` is what can be known of them now; `none` where nothing can be watched. `notWatchable` is of the
    desk that is nearest to being watchable, as are `lastProvenAt` and `sureUntil`; `lastLookAt` is people's last one at
    a desk there. It and `status` are null where no
    desk is known. `prefectureId` and `name` are null where this installation has no file of the prefecture.
    """

    department: str = Field(examples=["93"])
    row: int = Field(description="From 1, the north")
    column: int = Field(description="From 1, the west")
    prefecture_id: str | None
    name: str | None
    desks: int
    watch_level: WatchLevel
    not_watchable: Hindrance | None
    last_proven_at: dt.datetime | None
    sure_until: dt.datetime | None
    last_look_at: dt.datetime | None
    status: DeskStatus | None


class SeenDesks(Answer):
    """At how many desks checks see slots now, in how many departments, and in how many of those for each procedure."""

    desks: int
    departments: int
    by_procedure: dict[Procedure, int]


class TileMap(Answer):
    """All 101 departments in the order of their codes; `procedure`: only desks that serve it are counted."""

    procedure: Procedure | None
    seen: SeenDesks
    items: list[MapTile]


_FEW = 5


class AnswerRates(Answer):
    """How slot alerts ended, by those who answered.

    `alerts`: alerts of one person for one detection that were sent; null from one to four. `answers`: what the rates
    rest on. `ledToAppointment` and `tooLate` are shares of the answers, `falseAlarmsPerThousand` is of the alerts; null
    where there are fewer than five answers.
    """

    alerts: int | None
    answers: int
    led_to_appointment: float | None
    too_late: float | None
    false_alarms_per_thousand: float | None

    @classmethod
    def of(cls, counts: Mapping[str, int], **other: Any) -> Self:
        """Return the rates of counts, which have the names of the columns of `check_days`."""
        alerts = counts.get("alerts", 0)
        answers = sum(counts.get(name, 0) for name in ("found", "too_late", "nothing_there", "stopped"))
        is_enough = answers >= _FEW

        def share(name: str, whole: int, times: int = 1) -> float | None:
            return round(times * counts.get(name, 0) / whole, 4) if is_enough and whole >= _FEW else None

        return cls(
            alerts=alerts if alerts == 0 or alerts >= _FEW else None,
            answers=answers,
            led_to_appointment=share("found", answers),
            too_late=share("too_late", answers),
            false_alarms_per_thousand=share("nothing_there", alerts, 1000),
            **other,
        )


class Quartiles(Answer):
    """Seconds within which a quarter, half and three quarters of the slots were gone."""

    p25: float
    p50: float
    p75: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Self:
        """Return a row's column."""
        p25, p50, p75 = (round(each, 1) for each in seconds)
        return cls(p25=p25, p50=p50, p75=p75)


class AnswerFigures(AnswerRates):
    """Figures of a UTC month: of all desks, or of a platform's.

    `taken`: slots that were seen to be gone before their time. `secondsOpen`: how long they had been open, as exact as
    the interval at which their desk is checked; null without any.
    """

    month: dt.date = Field(description="Its first day")
    platform: str | None
    taken: int
    seconds_open: Quartiles | None


class Percentiles(Answer):
    """Seconds within which 50, 95 and 99 % of the messages came so far."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float] | None) -> Self | None:
        """Return the percentiles of a row's column; None where no message came so far."""
        if not seconds:
            return None
        p50, p95, p99 = (round(each, 4) for each in seconds)
        return cls(p50=p50, p95=p95, p99=p99)


def compute_rate(row: DeliveryFigure) -> float | None:
    """Return the share of the messages with a receipt, or overdue, that arrived."""
    return round(row.confirmed / row.tracked, 4) if row.tracked else None


class ChannelDelivery(Answer):
    """Slot alerts of one channel and UTC day: how many providers accepted, and how many of them arrived.

    `deliveryRate` is `confirmed` of `tracked`: only messages whose provider says later what became of them. Times are
    since the page was read; null where fewer than five messages have one.
    """

    day: dt.date
    channel: Channel
    sent: int
    tracked: int
    confirmed: int
    bounced: int
    no_receipt: int
    delivery_rate: float | None
    seen_to_accepted: Percentiles | None
    seen_to_delivered: Percentiles | None


class WatchLevels(Answer):
    """How many desks are watched: `full` (slots are seen), `people` (they report them), `presence`, `none`."""

    full: int
    people: int
    presence: int
    none: int


class PublicStats(DetectionStats):
    """Figures for the landing page: detections, told with the delay of public pages, and desks by watch level.

    `deliveries`: how fast slot alerts arrived by each channel, in the last seven UTC days that are over.
    """

    desks: WatchLevels
    deliveries: list[ChannelDelivery]
