"""Bodies of figures. No rate of answers rests on fewer than five, which could be one person's."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field

from api.ground.schemas import Answer
from api.models.notification import DeliveryFigure
from api.models.user import Channel
from api.prefectures.schemas import DetectionStats

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
