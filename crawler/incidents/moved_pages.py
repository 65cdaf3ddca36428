"""Drifts: desks whose page seems to have moved. Discovery opens the rows; a desk found or proven again ends them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.desk import DeskState, DeskStatus
from api.models.discovery import Drift, DriftReason
from configs.world.desk import Desk, Grade, Outcome
from crawler.scheduling.intervals import captcha_expected


def open_drifts(rows: Session, found: Iterable[tuple[str, DriftReason, str]], now: datetime) -> None:
    """Open drifts (desk, reason, evidence) and take their desks' status; a desk that has one keeps it as told."""
    for desk_id, reason, detail in found:
        row = insert(Drift).values(desk_id=desk_id, reason=reason, detail=detail, starts_at=now)
        if rows.scalar(row.on_conflict_do_nothing().returning(Drift.id)) is not None:
            moved = {"status": DeskStatus.ERROR, "status_reason": f"the page seems to have moved: {detail}"}
            rows.execute(sa.update(DeskState).where(DeskState.id == desk_id).values(moved))


def end_drifts(rows: Session, desk_ids: Collection[str], now: datetime) -> None:
    """End the open drifts of desks that were found again."""
    still = sa.update(Drift).where(Drift.desk_id.in_(list(desk_ids)), Drift.ends_at.is_(None))
    rows.execute(still.values(ends_at=sa.func.greatest(Drift.starts_at, now)))


def find_open_drifts(rows: Session) -> list[Drift]:
    """Return the open drifts."""
    return list(rows.scalars(sa.select(Drift).where(Drift.ends_at.is_(None)).order_by(Drift.id)))


def end_settled_drifts(rows: Session, desks: Mapping[str, Desk], now: datetime) -> None:
    """End the drifts of desks that a check has proven since, or an operator has confirmed since in the file.

    One whose desk the files have no more, or do not let be watched, is over too.
    """
    known = sa.select(Drift, DeskState).outerjoin(DeskState, DeskState.id == Drift.desk_id)
    open_ones = rows.execute(known.where(Drift.ends_at.is_(None)))
    if over := [
        drift.desk_id for drift, state in open_ones if _is_over(drift, desks.get(drift.desk_id), state)
    ]:
        end_drifts(rows, over, now)


def _is_over(drift: Drift, desk: Desk | None, state: DeskState | None) -> bool:
    """Tell whether the file settles a drift, or the checks prove the page since it began.

    Only slots prove that one is still in use which the prefecture has stopped to link: "no slot" is what abandoned
    pages say for ever. Where there always is a captcha, that is how the page lives.
    """
    if desk is None or not desk.schedulable:
        return True
    if desk.grade is Grade.CONFIRMED and desk.date > drift.starts_at.date():
        return True
    if state is None:
        return False
    if drift.reason is DriftReason.UNLINKED:
        at = state.last_slot_at
    elif captcha_expected(desk) and state.last_outcome is Outcome.CAPTCHA:
        at = state.last_check_at
    else:
        at = state.last_proven_at
    return at is not None and at > drift.starts_at
