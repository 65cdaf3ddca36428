"""Reads of the figures of deliveries for operators."""

from datetime import timedelta

from sqlalchemy.orm import Session

from api.admin.delivery.schemas import (
    MOST_DAYS_BY_PREFECTURE,
    DeliveryEntry,
    DeliveryQuery,
    DeliveryReport,
)
from api.figures.deliveries import FigureChoice, compute_day, read_days
from api.models.delivery_figure import ALL
from configs.ground.clock import clock

_DAY = timedelta(days=1)


def read_report(session: Session, wanted: DeliveryQuery) -> DeliveryReport:
    """Return the figures that were written of past days, and those of today as they are now."""
    now = clock()
    if wanted.by == "prefecture":
        days = min(wanted.days, MOST_DAYS_BY_PREFECTURE)
        choice = FigureChoice(wanted.channel, wanted.provider or ALL, wanted.prefecture)
    else:
        days = wanted.days
        choice = FigureChoice(wanted.channel, wanted.provider, wanted.prefecture or ALL)
    today, first = now.date(), now.date() - (days - 1) * _DAY
    rows = compute_day(session, today, now, choice) + read_days(session, first, today - _DAY, choice)
    return DeliveryReport(begins_on=first, ends_on=today, items=[DeliveryEntry.of(each) for each in rows])
