"""Reads of the figures of answers, for everybody: how alerts ended, and how fast slots were gone."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from api.ground.cache import answer_cache
from api.models.check import CheckDay
from api.prefectures.detections import get_public_cutoff
from api.prefectures.schemas import AnswerFigures, AnswerRates, Quartiles
from configs.world.prefecture import desks

ANSWER_COUNTS = ("alerts", "found", "too_late", "nothing_there", "stopped")
_YEAR = 12
_Figures = TypeAdapter(list[AnswerFigures])
_CACHE_SECONDS = 3600.0  # days that are over change little
_SUMS = [sa.cast(sa.func.sum(getattr(CheckDay, name)), sa.BigInteger).label(name) for name in ANSWER_COUNTS]
_SUM = sa.func.sum(
    CheckDay.alerts + CheckDay.found + CheckDay.too_late + CheckDay.nothing_there + CheckDay.stopped
)
HAS_ANSWERS = _SUM > 0
_Key = tuple[date, str]  # month, platform: empty where the figures are of all
_OTHERS = "none"  # the platform of desks that the files no longer have

# A slot opens and goes between two checks, so its life is as exact as the desk's interval.
_LIVES = sa.text("""
SELECT month, coalesce(platform, ''), count(*),
  percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY seconds)
FROM (
  SELECT CAST(date_trunc('month', s.gone_at AT TIME ZONE 'UTC') AS date) AS month,
    CASE WHEN :by_platform THEN coalesce(p.platform, :others) END AS platform,
    CAST(extract(epoch FROM s.gone_at - s.opened_at) AS float8) AS seconds
  FROM slots s LEFT JOIN unnest(CAST(:desks AS text[]), CAST(:platforms AS text[])) AS p(desk_id, platform)
    ON p.desk_id = s.desk_id
  WHERE s.gone_at >= :begins AND s.gone_at < :ends AND s.gone_reason = 'taken' AND s.source = 'check'
) lives GROUP BY 1, 2
""")


def list_answer_figures(session: Session, months: int, *, by_platform: bool) -> list[AnswerFigures]:
    """Return the figures of the last months, the newest first, an hour old at most.

    They are of UTC days that the public may know.
    """

    def build() -> bytes:
        return _Figures.dump_json(_list_figures(session, months, by_platform=by_platform))

    key = f"answer-figures:{by_platform}:{months}"
    return _Figures.validate_json(answer_cache().get(key, build, _CACHE_SECONDS).body)


def read_desk_rates(session: Session, desk_ids: Sequence[str]) -> dict[str, AnswerRates]:
    """Return by desk how its alerts of twelve months ended, by those who answered."""
    query = sa.select(CheckDay.desk_id, *_SUMS).where(
        CheckDay.desk_id == sa.any_(sa.literal(list(desk_ids), ARRAY(sa.Text()))), *_select_days(_YEAR)
    )
    rows = session.execute(query.group_by(CheckDay.desk_id)).mappings()
    found = {row["desk_id"]: {name: row[name] for name in ANSWER_COUNTS} for row in rows}
    return {desk_id: AnswerRates.of(found.get(desk_id, {})) for desk_id in desk_ids}


def find_first_month(months: int) -> date:
    """Return the first day of the first of so many months, with the one of which the public knows last."""
    last = get_public_cutoff().astimezone(UTC)
    number = last.year * _YEAR + last.month - 1 - (months - 1)
    return date(number // _YEAR, number % _YEAR + 1, 1)


def _select_days(months: int) -> tuple[sa.ColumnElement[bool], ...]:
    return CheckDay.day >= find_first_month(months), CheckDay.day < _find_end().date()


def _find_end() -> datetime:
    """Return the end of the last UTC day that the public may know."""
    return datetime.combine(get_public_cutoff().astimezone(UTC).date(), time(), UTC)


def _list_figures(session: Session, months: int, *, by_platform: bool) -> list[AnswerFigures]:
    counts = _read_counts(session, months, by_platform=by_platform)
    lives = _read_slot_lives(session, months, by_platform=by_platform)
    keys = sorted(counts.keys() | lives.keys(), key=lambda key: (-key[0].toordinal(), key[1]))
    return [_build(key, counts.get(key, Counter()), *lives.get(key, (0, None))) for key in keys]


def _read_counts(session: Session, months: int, *, by_platform: bool) -> dict[_Key, Counter[str]]:
    month = sa.cast(sa.func.date_trunc("month", CheckDay.day), sa.Date).label("month")
    query = sa.select(month, CheckDay.desk_id, *_SUMS).where(*_select_days(months))
    found: defaultdict[_Key, Counter[str]] = defaultdict(Counter)
    for row in session.execute(query.group_by(month, CheckDay.desk_id).having(HAS_ANSWERS)).mappings():
        desk = desks().get(row["desk_id"])
        platform = (desk.platform if desk else _OTHERS) if by_platform else ""
        found[row["month"], platform].update({name: row[name] for name in ANSWER_COUNTS})
    return found


def _read_slot_lives(
    session: Session, months: int, *, by_platform: bool
) -> dict[_Key, tuple[int, list[float]]]:
    known = list(desks().values())
    given = {
        "by_platform": by_platform,
        "others": _OTHERS,
        "desks": [desk.id for desk in known],
        "platforms": [desk.platform for desk in known],
        "begins": datetime.combine(find_first_month(months), time(), UTC),
        "ends": _find_end(),
    }
    rows = session.execute(_LIVES, given)
    return {(month, platform): (taken, seconds) for month, platform, taken, seconds in rows}


def _build(key: _Key, counts: Counter[str], taken: int, seconds: list[float] | None) -> AnswerFigures:
    return AnswerFigures.of(
        counts,
        month=key[0],
        platform=key[1] or None,
        taken=taken,
        seconds_open=Quartiles.of(seconds) if seconds else None,
    )
