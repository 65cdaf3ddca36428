"""Figures of delivery as operators see them, by provider or prefecture."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy.orm import Session

from api.ground.paging import Found
from api.ground.schemas import Body
from api.models.delivery_figure import ALL, DeliveryFigure
from api.models.user import Channel
from api.prefectures.delivery_figures import FigureChoice, compute_day, read_days
from configs.ground.clock import clock

MOST_DAYS, MOST_DAYS_BY_PREFECTURE = 31, 7
_DAY = timedelta(days=1)


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


def read_figures(session: Session, wanted: DeliveryQuery) -> Found[DeliveryFigure]:
    """Return today's figures, computed now, then the stored ones of past days."""
    now = clock()
    if wanted.by == "prefecture":
        days = min(wanted.days, MOST_DAYS_BY_PREFECTURE)
        choice = FigureChoice(wanted.channel, wanted.provider or ALL, wanted.prefecture)
    else:
        days = wanted.days
        choice = FigureChoice(wanted.channel, wanted.provider, wanted.prefecture or ALL)
    today, first = now.date(), now.date() - (days - 1) * _DAY
    return Found(compute_day(session, today, now, choice) + read_days(session, first, today - _DAY, choice))
