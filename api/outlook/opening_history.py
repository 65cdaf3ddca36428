"""Openings of desks in the last 90 days: by weekday and hour, a slot's median life, and how well it was watched."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from api.detections.queries import get_public_cutoff
from api.models.check_day import CheckDay
from api.models.slot import GoneReason, SlotRow
from api.outlook.schemas import HeatCell, OpeningHistory
from configs.world.desk import Desk

_PERIOD = timedelta(days=90)
# The other reasons say when we stopped looking, not when the slot went.
_REAL_ENDS = (GoneReason.TAKEN, GoneReason.PAST)


@dataclass(frozen=True, slots=True)
class _Facts:
    """Rows by desk: cells, life, and days of watching."""

    cells: dict[str, list[HeatCell]]
    lives: dict[str, tuple[int, float]]
    days: dict[str, tuple[int, int]]


def read_opening_histories(session: Session, desks: Sequence[Desk]) -> dict[str, OpeningHistory]:
    """Return by id how often slots of these desks opened. They are of one prefecture, and so of one time zone."""
    ends = get_public_cutoff()
    begins = ends - _PERIOD
    if not desks:
        return {}
    ids = [desk.id for desk in desks]
    given = {"ids": ids, "begins": begins, "ends": ends, "zone": desks[0].time_zone}
    cells: dict[str, list[HeatCell]] = defaultdict(list)
    for desk_id, weekday, hour, openings, slots in session.execute(_select_cells(), given):
        cells[desk_id].append(HeatCell(weekday=weekday, hour=hour, openings=openings, slots=slots))
    lives = {key: (number, median) for key, number, median in session.execute(_select_lives(), given)}
    watched = {key: (days, proven) for key, days, proven in session.execute(_select_days(), given)}
    facts = _Facts(cells, lives, watched)
    return {key: _build_history(key, facts, begins, ends) for key in ids}


def _build_history(desk_id: str, facts: _Facts, begins: datetime, ends: datetime) -> OpeningHistory:
    cells = facts.cells.get(desk_id, [])
    lives, median = facts.lives.get(desk_id, (0, None))
    days, proven = facts.days.get(desk_id, (0, 0))
    return OpeningHistory(
        begins_at=begins,
        ends_at=ends,
        openings=sum(cell.openings for cell in cells),
        slots=sum(cell.slots for cell in cells),
        median_life=median,
        lives=lives,
        watched_days=days,
        proven_checks=proven,
        cells=cells,
    )


def _are_given() -> sa.ColumnElement[bool]:
    """Return the condition that a slot is of the desks `ids` and opened between `begins` and `ends`."""
    ids = sa.bindparam("ids", type_=postgresql.ARRAY(sa.Text()))
    opened = SlotRow.opened_at.between(sa.bindparam("begins"), sa.bindparam("ends"))
    return sa.and_(SlotRow.desk_id == sa.any_(ids), opened)


@cache
def _select_cells() -> sa.Select[str, int, int, int, int]:
    """Return the query for the cells: slots are counted by instant first, which is faster than distinct instants."""
    # A place that is "open" counts again when its hours are shown: as one opening at most.
    shown = SlotRow.gone_reason.is_distinct_from(GoneReason.SUPERSEDED)
    counts = sa.select(SlotRow.desk_id, SlotRow.opened_at, sa.func.count().label("slots"))
    opened = counts.where(_are_given(), shown).group_by(SlotRow.desk_id, SlotRow.opened_at).subquery()
    local = sa.func.timezone(sa.bindparam("zone"), opened.c.opened_at)
    keys = (
        opened.c.desk_id,
        sa.cast(sa.extract("isodow", local), sa.Integer).label("weekday"),
        sa.cast(sa.extract("hour", local), sa.Integer).label("hour"),
    )
    slots = sa.cast(sa.func.sum(opened.c.slots), sa.Integer)
    return sa.select(*keys, sa.func.count(), slots).group_by(*keys).order_by(*keys)


@cache
def _select_lives() -> sa.Select[Any]:
    seconds = sa.extract("epoch", SlotRow.gone_at - SlotRow.opened_at)
    median = sa.cast(sa.func.percentile_cont(0.5).within_group(seconds), sa.Float)
    over = (SlotRow.gone_at <= sa.bindparam("ends"), SlotRow.gone_reason.in_(_REAL_ENDS))
    query = sa.select(SlotRow.desk_id, sa.func.count(), median).where(_are_given(), *over)
    return query.group_by(SlotRow.desk_id)


@cache
def _select_days() -> sa.Select[str, int, int]:
    ids = sa.bindparam("ids", type_=postgresql.ARRAY(sa.Text()))
    begins = sa.cast(sa.bindparam("begins", type_=sa.DateTime(timezone=True)), sa.Date)
    days = sa.func.count().filter(CheckDay.proven > 0)
    query = sa.select(CheckDay.desk_id, days, sa.func.sum(CheckDay.proven))
    return query.where(CheckDay.desk_id == sa.any_(ids), CheckDay.day >= begins).group_by(CheckDay.desk_id)
