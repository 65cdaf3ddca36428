"""Bodies of /api/admin/delivery."""

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import Field

from api.figures.schemas import Percentiles, compute_rate
from api.models.delivery_figure import DeliveryFigure
from api.models.user import Channel
from api.schemas import Answer, Body

MOST_DAYS, MOST_DAYS_BY_PREFECTURE = 31, 7


class DeliveryQuery(Body):
    """Figures of the last `days`, today's among them: of one channel, provider or prefecture, or of all.

    `by`: all together and each provider, or each prefecture; of prefectures the last seven days at most. The provider
    `none` stands for messages that no provider accepted.
    """

    days: int = Field(7, ge=1, le=MOST_DAYS)
    channel: Channel | None = None
    provider: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    prefecture: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    by: Literal["provider", "prefecture"] = "provider"


class Delays(Answer):
    """Seconds from one instant to another: the page was read (seen), committed, matched, accepted, delivered."""

    seen_to_committed: Percentiles | None
    committed_to_matched: Percentiles | None
    matched_to_accepted: Percentiles | None
    accepted_to_delivered: Percentiles | None
    seen_to_accepted: Percentiles | None
    seen_to_delivered: Percentiles | None


class DeliveryEntry(Answer):
    """Slot alerts written on a UTC day, without those that catch up. `provider` and `prefectureId` are null for all.

    `sent` were accepted by a provider, whatever came later. `unsure` have an attempt of unknown fate, so that some may
    have arrived twice. `deliveryRate` is `confirmed` of `tracked`: messages of providers that send receipts (SendGrid,
    Twilio), once they have one or it is overdue.
    """

    day: dt.date
    channel: Channel
    provider: str | None
    prefecture_id: str | None
    messages: int
    sent: int
    delivered: int
    bounced: int
    no_receipt: int
    failed: int
    expired: int
    skipped: int
    unsure: int
    tracked: int
    confirmed: int
    delivery_rate: float | None
    delays: Delays
    updated_at: dt.datetime

    @classmethod
    def of(cls, row: DeliveryFigure) -> Self:
        """Return a row as an entry."""
        stages = {name: Percentiles.of(getattr(row, name)) for name in Delays.model_fields}
        own = cls.model_fields.keys() - {"provider", "prefecture_id", "delivery_rate", "delays"}
        return cls(
            **{name: getattr(row, name) for name in own},
            provider=row.provider or None,
            prefecture_id=row.prefecture_id or None,
            delivery_rate=compute_rate(row),
            delays=Delays(**stages),
        )


class DeliveryReport(Answer):
    """The newest day first; today's figures are those of this moment, the others at most an hour old."""

    begins_on: dt.date
    ends_on: dt.date
    items: list[DeliveryEntry]
