"""Reads of the figures of answers, for everybody."""

from collections.abc import Sequence
from datetime import UTC, date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.answer_figures.schemas import AnswerFigures, AnswerRates, Grouping, Quartiles
from api.detections.queries import get_public_cutoff
from api.models.answer_figure import EVERY, AnswerFigure, SlotLife
from configs.world.prefecture import desks

_YEAR = 12
_COUNTS = ("alerts", "found", "too_late", "nothing_there", "stopped")
_SUMS = [sa.cast(sa.func.sum(getattr(AnswerFigure, name)), sa.BigInteger).label(name) for name in _COUNTS]
_Key = tuple[date, str, str]  # month, platform (of a desk's figures: none, it may have changed), desk


def list_answer_figures(
    session: Session, by: Grouping, months: int, prefecture_id: str | None = None
) -> list[AnswerFigures]:
    """Return the figures of the last months, the newest first; `prefecture_id` only with those of desks."""
    first = find_first_month(months)
    counts = _read_counts(session, by, first, prefecture_id)
    lives = _read_lives(session, by, first, prefecture_id)
    keys = sorted(counts.keys() | lives.keys(), key=lambda key: (-key[0].toordinal(), *key[1:]))
    return [_build(key, counts.get(key, {}), lives.get(key)) for key in keys]


def read_desk_rates(session: Session, desk_ids: Sequence[str]) -> dict[str, AnswerRates]:
    """Return by desk how its alerts of twelve months ended, by those who answered."""
    query = sa.select(AnswerFigure.desk_id, *_SUMS).where(
        AnswerFigure.desk_id == sa.any_(sa.literal(list(desk_ids), ARRAY(sa.Text()))),
        AnswerFigure.month >= find_first_month(_YEAR),
    )
    found = {
        row["desk_id"]: _list_counts(row) for row in _mappings(session, query.group_by(AnswerFigure.desk_id))
    }
    return {desk_id: AnswerRates.of(found.get(desk_id, {})) for desk_id in desk_ids}


def find_first_month(months: int) -> date:
    """Return the first day of the first of so many months, with the one of which the public knows last."""
    last = get_public_cutoff().astimezone(UTC)
    number = last.year * _YEAR + last.month - 1 - (months - 1)
    return date(number // _YEAR, number % _YEAR + 1, 1)


def _read_counts(
    session: Session, by: Grouping, first: date, prefecture_id: str | None
) -> dict[_Key, dict[str, int]]:
    row = AnswerFigure
    columns: dict[Grouping, list[Any]] = {
        Grouping.MONTH: [row.month],
        Grouping.PLATFORM: [row.month, row.platform],
        Grouping.DESK: [row.month, row.desk_id],
    }
    grouped = columns[by]
    query = sa.select(*grouped, *_SUMS).where(row.month >= first, *_is_of(row.desk_id, prefecture_id))
    rows = _mappings(session, query.group_by(*grouped))
    return {
        (each["month"], each.get("platform", EVERY), each.get("desk_id", EVERY)): _list_counts(each)
        for each in rows
    }


def _read_lives(
    session: Session, by: Grouping, first: date, prefecture_id: str | None
) -> dict[_Key, SlotLife]:
    row = SlotLife
    kept = {
        Grouping.MONTH: (row.platform == EVERY, row.desk_id == EVERY),
        Grouping.PLATFORM: (row.platform != EVERY, row.desk_id == EVERY),
        Grouping.DESK: (row.desk_id != EVERY,),
    }
    query = sa.select(row).where(row.month >= first, *kept[by], *_is_of(row.desk_id, prefecture_id))
    return {_name_life(each, by): each for each in session.scalars(query)}


def _name_life(life: SlotLife, by: Grouping) -> _Key:
    return life.month, EVERY if by is Grouping.DESK else life.platform, life.desk_id


def _is_of(desk_id: InstrumentedAttribute[str], prefecture_id: str | None) -> list[sa.ColumnElement[bool]]:
    return [sa.func.split_part(desk_id, "/", 1) == prefecture_id] if prefecture_id else []


def _mappings(session: Session, query: sa.Select[*tuple[Any, ...]]) -> Sequence[sa.RowMapping]:
    return session.execute(query).mappings().all()


def _list_counts(row: sa.RowMapping) -> dict[str, int]:
    return {name: row[name] for name in _COUNTS}


def _build(key: _Key, counts: dict[str, int], life: SlotLife | None) -> AnswerFigures:
    month, platform, desk_id = key
    desk = desks().get(desk_id)
    return AnswerFigures.of(
        counts,
        month=month,
        platform=(desk.platform if desk else platform) or None,
        desk_id=desk_id or None,
        taken=life.taken if life else 0,
        seconds_open=Quartiles.of(life.seconds) if life else None,
    )
