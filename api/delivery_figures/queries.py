"""Reads of the figures that everybody may see: by channel, without providers and prefectures."""

from datetime import date

from sqlalchemy.orm import Session

from api.delivery_figures.schemas import ChannelDelivery, Percentiles, compute_rate
from api.delivery_figures.sums import FigureChoice, read_days
from api.models.delivery_figure import ALL, DeliveryFigure

_FEW = 5  # messages: of fewer, no time that could be one person's


def list_channel_deliveries(session: Session, first: date, last: date) -> list[ChannelDelivery]:
    """Return the figures of each channel and day, the newest day first. The days have to be over."""
    return [_build(row) for row in read_days(session, first, last, FigureChoice(None, ALL, ALL))]


def _build(row: DeliveryFigure) -> ChannelDelivery:
    return ChannelDelivery(
        day=row.day,
        channel=row.channel,
        sent=row.sent,
        tracked=row.tracked,
        confirmed=row.confirmed,
        bounced=row.bounced,
        no_receipt=row.no_receipt,
        delivery_rate=compute_rate(row),
        seen_to_accepted=Percentiles.of(row.seen_to_accepted) if row.sent >= _FEW else None,
        seen_to_delivered=Percentiles.of(row.seen_to_delivered) if row.delivered >= _FEW else None,
    )
