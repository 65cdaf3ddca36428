"""Body of /api/reliability: the public ledger of the last thirty days."""

import datetime as dt

from pydantic import Field

from api.figures.schemas import AnswerFigures, ChannelDelivery
from api.models.desk import OutageReason
from api.models.payment import CreditForm
from api.models.user import Channel
from api.schemas import Answer


class ChannelDay(Answer):
    """Slot alerts of one channel and UTC day: how many the provider accepted, and how long after the page was read.

    `failed` alerts were never accepted, although a slot of theirs was open when they were tried. Percentiles are null
    where fewer than five were accepted.
    """

    day: dt.date
    channel: Channel
    accepted: int
    p50_seconds: float | None
    p95_seconds: float | None
    failed: int


class IntervalRatio(Answer):
    """How the interval between two proven answers kept to the promised one, at one prefecture.

    `ratio` is the median over the days of its desks of achieved ÷ promised: 1 or less keeps the promise. `deskDays` had
    two proven answers or more; `unprovenDays` had none.
    """

    prefecture_id: str
    name: str
    department: str
    ratio: float | None
    desk_days: int
    unproven_days: int


class OutageEntry(Answer):
    """A time in which a desk could not be watched; `endsAt` is null while it lasts."""

    prefecture_id: str
    desk_id: str
    reason: OutageReason
    starts_at: dt.datetime
    ends_at: dt.datetime | None


class OutageTotal(Answer):
    """All outages of one reason: how many, of how many desks, and their seconds within the thirty days."""

    reason: OutageReason
    outages: int
    desks: int
    seconds: int


class GivenBack(Answer):
    """Paid time without watching that was given back: as `time`, taken off an `invoice`, or as a `refund`.

    The amount is in cents: the share of the price. Of fewer than five payments nothing is told, so that no sum is one
    person's.
    """

    form: CreditForm
    payments: int | None
    seconds: int | None
    amount: int | None
    currency: str = Field(examples=["eur"])


class Reliability(Answer):
    """The ledger from `beginsOn` to `endsOn`, UTC days that are over.

    `outages` are the newest 200 of the same time and since then; `outagesByReason` counts all. `answers` are figures of
    six months, `answersByPlatform` of the last two.
    """

    begins_on: dt.date
    ends_on: dt.date
    deliveries: list[ChannelDay]
    arrivals: list[ChannelDelivery]
    intervals: list[IntervalRatio]
    outages: list[OutageEntry]
    outages_by_reason: list[OutageTotal]
    given_back: list[GivenBack]
    answers: list[AnswerFigures]
    answers_by_platform: list[AnswerFigures]
