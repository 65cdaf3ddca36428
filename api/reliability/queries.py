"""Reads of the public ledger. Nothing in it is about one person: sums of few payments are left out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from api.cache import answer_cache
from api.detections.queries import get_public_cutoff
from api.figures.answers import list_answer_figures
from api.figures.deliveries import FigureChoice, list_channel_deliveries, read_days
from api.figures.schemas import Grouping
from api.models.check import CheckDay
from api.models.delivery_figure import ALL, DeliveryFigure
from api.models.payment import CreditForm, WatchCredit
from api.paging import first_id_at
from api.reliability.schemas import (
    ChannelDay,
    GivenBack,
    IntervalRatio,
    OutageEntry,
    OutageTotal,
    Reliability,
)
from configs.ground.clock import clock
from configs.world.prefecture import Desk, desks, prefectures

CACHE_KEY = "reliability"
_DAYS = 30
_FEW = 5  # messages or payments: of fewer, no figure that could be one person's
_MOST_OUTAGES = 200
_MONTHS, _MONTHS_BY_PLATFORM = 6, 2  # of answers
_DAY = timedelta(days=1)
_CURRENCY = "eur"
_LEDGER_SECONDS = 300.0  # its days are over: only outages that end change it

# A desk has one outage at a time: of those that began before, only the last can reach into the period.
_OUTAGES = """
WITH recent AS (
  SELECT o.desk_id, o.reason, o.starts_at, o.ends_at FROM unnest(CAST(:ids AS text[])) AS d(id)
  CROSS JOIN LATERAL (
    SELECT * FROM outages WHERE desk_id = d.id AND starts_at >= :since
    UNION ALL
    SELECT * FROM (
      SELECT * FROM outages WHERE desk_id = d.id AND starts_at < :since ORDER BY starts_at DESC LIMIT 1
    ) before WHERE ends_at IS NULL OR ends_at > :since
  ) o
)
"""
_NEWEST = sa.text(f"""{_OUTAGES}
SELECT desk_id, reason, starts_at, ends_at FROM recent ORDER BY starts_at DESC, desk_id LIMIT :most
""")  # noqa: S608 -- our own words
_TOTALS = sa.text(f"""{_OUTAGES}
SELECT reason, CAST(sum(number) AS bigint), count(*), CAST(sum(seconds) AS bigint) FROM (
  SELECT reason, desk_id, count(*) AS number,
    sum(greatest(extract(epoch FROM coalesce(ends_at, :now) - greatest(starts_at, :since)), 0)) AS seconds
  FROM recent GROUP BY reason, desk_id
) by_desk GROUP BY reason ORDER BY reason
""")  # noqa: S608 -- our own words


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
    given = {"ids": sorted(desks()), "since": period.begins_at, "now": clock(), "most": _MOST_OUTAGES}
    return Reliability(
        begins_on=period.first,
        ends_on=period.last,
        deliveries=_read_deliveries(session, period),
        arrivals=list_channel_deliveries(session, period.first, period.last),
        intervals=_read_intervals(session, period),
        outages=[_build_outage(*row) for row in session.execute(_NEWEST, given)],
        outages_by_reason=[
            OutageTotal(reason=reason, outages=number, desks=about, seconds=seconds)
            for reason, number, about, seconds in session.execute(_TOTALS, given)
        ],
        given_back=_read_given_back(session, period),
        answers=list_answer_figures(session, Grouping.MONTH, _MONTHS),
        answers_by_platform=list_answer_figures(session, Grouping.PLATFORM, _MONTHS_BY_PLATFORM),
    )


def _read_deliveries(session: Session, period: _Period) -> list[ChannelDay]:
    rows = read_days(session, period.first, period.last, FigureChoice(None, ALL, ALL))
    return [_build_channel_day(row) for row in rows]


def _build_channel_day(row: DeliveryFigure) -> ChannelDay:
    p50, p95, _ = row.seen_to_accepted if row.seen_to_accepted and row.sent >= _FEW else (None, None, None)
    return ChannelDay(
        day=row.day,
        channel=row.channel,
        accepted=row.sent,
        p50_seconds=p50,
        p95_seconds=p95,
        failed=row.missed,
    )


def _read_intervals(session: Session, period: _Period) -> list[IntervalRatio]:
    """Return the ratios of the prefectures with desks whose slots are seen, the worst first."""
    seen = [desk for desk in desks().values() if desk.shows_slots]
    given = {"ids": [desk.id for desk in seen], "first": period.first, "last": period.last}
    rows = {row[0]: row[1:] for row in session.execute(_select_ratios(), given)}
    found = [_build_ratio(key, *rows[key]) for key in _list_prefectures(seen) if key in rows]
    return sorted(found, key=lambda each: (-(each.ratio or 0), each.department))


def _list_prefectures(seen: Iterable[Desk]) -> list[str]:
    return sorted({desk.prefecture_id for desk in seen})


@cache
def _select_ratios() -> sa.Select[str, float | None, int, int]:
    place = sa.func.split_part(CheckDay.desk_id, "/", 1).label("place")
    ratio = CheckDay.achieved_seconds / CheckDay.promised_seconds
    ids = sa.bindparam("ids", type_=postgresql.ARRAY(sa.Text()))
    median = sa.cast(sa.func.percentile_cont(0.5).within_group(ratio), sa.Float)
    known = sa.func.count(CheckDay.achieved_seconds)
    unproven = sa.func.count().filter(CheckDay.proven == 0)
    query = sa.select(place, median, known, unproven).where(
        CheckDay.desk_id == sa.any_(ids),
        CheckDay.day.between(sa.bindparam("first"), sa.bindparam("last")),
        CheckDay.promised_seconds > 0,
    )
    return query.group_by(place)


def _build_ratio(prefecture_id: str, ratio: float | None, desk_days: int, unproven: int) -> IntervalRatio:
    place = prefectures()[prefecture_id]
    return IntervalRatio(
        prefecture_id=place.id,
        name=place.name,
        department=place.department,
        ratio=None if ratio is None else round(ratio, 3),
        desk_days=desk_days,
        unproven_days=unproven,
    )


def _build_outage(desk_id: str, reason: Any, starts_at: datetime, ends_at: datetime | None) -> OutageEntry:
    place = desk_id.partition("/")[0]
    return OutageEntry(
        prefecture_id=place, desk_id=desk_id, reason=reason, starts_at=starts_at, ends_at=ends_at
    )


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
    enough = payments == 0 or payments >= _FEW
    return GivenBack(
        form=form,
        payments=payments if enough else None,
        seconds=seconds if enough else None,
        amount=amount if enough else None,
        currency=_CURRENCY,
    )
