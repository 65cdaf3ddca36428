"""Figures of deliveries in answers: percentiles, and what everybody may see."""

import datetime as dt
from collections.abc import Sequence
from typing import Self

from api.models.delivery_figure import DeliveryFigure
from api.models.user import Channel
from api.schemas import Answer


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
