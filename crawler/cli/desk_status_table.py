"""Table of desk status for operators: intervals wished, feasible and achieved, and the reason of each status."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from api.models.base import session
from api.models.desk import DeskState
from configs.world.desk import Desk
from crawler.cli.tables import aligned
from crawler.recording import coverage_tracking
from crawler.scheduling import intervals
from crawler.scheduling.desk_budgets import own_interval

_HEADINGS = ("DESK", "STATUS", "WISHED", "FEASIBLE", "ACHIEVED", "CHECKED", "PROVEN", "REASON")


def desk_status_table(desks: Iterable[Desk], now: datetime) -> str:
    """Return the table; intervals in seconds, `-` where nothing is known yet.

    Raises:
        sqlalchemy.exc.DBAPIError: the server is away.
        configs.settings.SettingMissing: DATABASE_URL is not set.
    """
    shown = list(desks)
    with session() as rows:
        found = rows.scalars(sa.select(DeskState).where(DeskState.id.in_([desk.id for desk in shown])))
        states = {state.id: state for state in found}
    return aligned([_HEADINGS, *(_row(desk, states.get(desk.id), now) for desk in shown)])


def _row(desk: Desk, state: DeskState | None, now: datetime) -> tuple[str, ...]:
    if state is None:
        return (desk.id, *"------", "not planned yet")
    interval = intervals.effective_interval(state.wished_seconds, state.share_seconds, own_interval(desk))
    return (
        desk.id,
        state.status,
        _seconds(state.wished_seconds),
        _seconds(state.feasible_seconds),
        _seconds(state.achieved_seconds),
        f"{state.last_check_at:%Y-%m-%d %H:%M:%S}" if state.last_check_at else "-",
        "yes" if coverage_tracking.is_proven(state.whole_at, interval, now) else "no",
        state.status_reason,
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
