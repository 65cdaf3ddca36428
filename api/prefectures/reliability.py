"""The public ledger of thirty days: its body, and its reads.

Nothing in it is about one person: sums of few payments are left out.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from api.ground.cache import answer_cache
from api.ground.schemas import Answer
from api.models.base import first_id_at
from api.models.check import CheckDay
from api.models.desk import Outage, OutageReason
from api.models.notification import ALL, DeliveryFigure
from api.models.payment import CreditForm, WatchCredit
from api.models.user import Channel
from api.prefectures.answer_figures import list_answer_figures
from api.prefectures.delivery_figures import FigureChoice, build_channel_delivery, read_days
from api.prefectures.detections import get_public_cutoff
from api.prefectures.schemas import AnswerFigures, ChannelDelivery
from configs.ground.clock import clock
from configs.world.prefecture import desks, prefectures

CACHE_KEY = "reliability"
_DAYS = 30
_FEW = 5  # messages or payments: of fewer, no figure that could be one person's
_MOST_OUTAGES = 200
_MONTHS, _MONTHS_BY_PLATFORM = 6, 2  # of answers
_DAY = timedelta(days=1)
_CURRENCY = "eur"
_LEDGER_SECONDS = 300.0  # its days are over: only outages that end change it
_TEXTS = postgresql.ARRAY(sa.Text())


class ChannelDay(Answer):
    """Slot alerts of one channel and UTC day: how many the provider accepted, and how long after the page was read.

    `failed` alerts were never accepted, although a slot of theirs was open when they were tried. Percentiles are null
    where fewer than five were accepted.
    """

    day: date
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
    starts_at: datetime
    ends_at: datetime | None


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

    begins_on: date
    ends_on: date
    deliveries: list[ChannelDay]
    arrivals: list[ChannelDelivery]
    intervals: list[IntervalRatio]
    outages: list[OutageEntry]
    outages_by_reason: list[OutageTotal]
    given_back: list[GivenBack]
    answers: list[AnswerFigures]
    answers_by_platform: list[AnswerFigures]


@dataclass(frozen=True, slots=True)
class _Period:
    """UTC days that are over, and so long that the public may know of them."""

    first: date
    last: date

    @property
    def begins_at(self) -> datetime:
        return datetime.combine(self.first, time(), UTC)


def read_reliability(session: Session) -> Reliability:
    """Return the ledger of the last thirty days, at most five minutes old."""
    kept = answer_cache().get("ledger", lambda: build_ledger(session).as_bytes(), _LEDGER_SECONDS)
    return Reliability.model_validate_json(kept.body)


def build_ledger(session: Session) -> Reliability:
    """Read the ledger from the tables."""
    last = get_public_cutoff().astimezone(UTC).date() - _DAY
    period = _Period(last - (_DAYS - 1) * _DAY, last)
    rows = read_days(session, period.first, period.last, FigureChoice(None, ALL, ALL))
    return Reliability(
        begins_on=period.first,
        ends_on=period.last,
        deliveries=[_build_channel_day(row) for row in rows],
        arrivals=[build_channel_delivery(row) for row in rows],
        intervals=_read_intervals(session, period),
        outages=_read_outages(session, period),
        outages_by_reason=_sum_outages(session, period),
        given_back=_read_given_back(session, period),
        answers=list_answer_figures(session, _MONTHS, by_platform=False),
        answers_by_platform=list_answer_figures(session, _MONTHS_BY_PLATFORM, by_platform=True),
    )


def _build_channel_day(row: DeliveryFigure) -> ChannelDay:
    p50, p95, _ = row.seen_to_accepted if row.seen_to_accepted and row.sent >= _FEW else (None, None, None)
    return ChannelDay.of_row(row, accepted=row.sent, p50_seconds=p50, p95_seconds=p95, failed=row.missed)


def _read_intervals(session: Session, period: _Period) -> list[IntervalRatio]:
    """Return the ratios of the prefectures with desks whose slots are seen, the worst first."""
    seen = [desk.id for desk in desks().values() if desk.shows_slots]
    place = sa.func.split_part(CheckDay.desk_id, "/", 1).label("place")
    ratio = CheckDay.achieved_seconds / CheckDay.promised_seconds
    median = sa.cast(sa.func.percentile_cont(0.5).within_group(ratio), sa.Float)
    known = sa.func.count(CheckDay.achieved_seconds)
    unproven = sa.func.count().filter(CheckDay.proven == 0)
    query = sa.select(place, median, known, unproven).where(
        CheckDay.desk_id == sa.any_(sa.literal(seen, _TEXTS)),
        CheckDay.day.between(period.first, period.last),
        CheckDay.promised_seconds > 0,
    )
    found = [_build_ratio(*row) for row in session.execute(query.group_by(place).order_by(place))]
    return sorted(found, key=lambda each: (-(each.ratio or 0), each.department))


def _build_ratio(prefecture_id: str, ratio: float | None, desk_days: int, unproven: int) -> IntervalRatio:
    place = prefectures()[prefecture_id]
    return IntervalRatio.of_row(
        place,
        prefecture_id=place.id,
        ratio=None if ratio is None else round(ratio, 3),
        desk_days=desk_days,
        unproven_days=unproven,
    )


def _reaches_into(period: _Period) -> sa.ColumnElement[bool]:
    lasts = Outage.ends_at.is_(None) | (Outage.ends_at > period.begins_at)
    return sa.and_(Outage.desk_id == sa.any_(sa.literal(sorted(desks()), _TEXTS)), lasts)


def _read_outages(session: Session, period: _Period) -> list[OutageEntry]:
    """Return the newest outages that reach into the period."""
    newest = sa.select(Outage).where(_reaches_into(period)).order_by(Outage.starts_at.desc(), Outage.desk_id)
    return [
        OutageEntry.of_row(each, prefecture_id=each.desk_id.partition("/")[0])
        for each in session.scalars(newest.limit(_MOST_OUTAGES))
    ]


def _sum_outages(session: Session, period: _Period) -> list[OutageTotal]:
    begins = sa.func.greatest(Outage.starts_at, period.begins_at)
    seconds = sa.extract("epoch", sa.func.coalesce(Outage.ends_at, clock()) - begins)
    sums = sa.select(
        Outage.reason,
        sa.func.count().label("outages"),
        sa.func.count(Outage.desk_id.distinct()).label("desks"),
        sa.cast(sa.func.sum(sa.func.greatest(seconds, 0)), sa.BigInteger).label("seconds"),
    ).where(_reaches_into(period))
    rows = session.execute(sums.group_by(Outage.reason).order_by(Outage.reason))
    return [OutageTotal.of_row(row) for row in rows]


def _read_given_back(session: Session, period: _Period) -> list[GivenBack]:
    """Return what was given back in each form; ids of credits are in the order of time."""
    end = period.begins_at + _DAYS * _DAY
    query = sa.select(
        WatchCredit.form,
        sa.func.count(WatchCredit.payment_id.distinct()),
        sa.cast(sa.func.sum(WatchCredit.seconds), sa.BigInteger),
        sa.cast(sa.func.sum(WatchCredit.amount_cents), sa.BigInteger),
    ).where(
        WatchCredit.id >= first_id_at(period.begins_at - _DAY),
        WatchCredit.created_at >= period.begins_at,
        WatchCredit.created_at < end,
    )
    rows = {form: sums for form, *sums in session.execute(query.group_by(WatchCredit.form))}
    return [_build_given_back(form, *rows.get(form, (0, 0, 0))) for form in CreditForm]


def _build_given_back(form: CreditForm, payments: int, seconds: int, amount: int) -> GivenBack:
    told = {"payments": payments, "seconds": seconds, "amount": amount}
    is_enough = payments == 0 or payments >= _FEW
    return GivenBack(form=form, currency=_CURRENCY, **(told if is_enough else dict.fromkeys(told)))
