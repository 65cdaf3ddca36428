"""Notices to users whose alert was saved while its desks were unwatchable, once one becomes watchable."""

from collections import defaultdict
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.models.alert import Alert, AlertTarget
from api.models.desk import DeskState
from api.models.discovery import is_page_lost
from configs.world.desk import Desk
from configs.world.prefecture import desks
from crawler.incidents.recipients_sql import AT_ONCE
from crawler.scheduling.demand import targets_of


def write_watchable_notices(rows: Session) -> list[UUID]:
    """Write a notice for each saved alert one of whose desks can be watched now; return their ids.

    The alert stays paused: whether the plan allows it is checked when its user enables it.
    """
    anybody = sa.exists().where(Alert.awaits_watch, Alert.closed_at.is_(None))
    if not rows.scalar(sa.select(anybody)):  # an index answers, so that most runs read no desk
        return []
    written: list[UUID] = []
    for alert, mine in _find_kept_alerts(rows, _find_watchable_desks(rows)).items():
        alert.awaits_watch = False
        params = {"alert": str(alert.id), "desks": mine}
        key = f"desk_watchable:{alert.id}"
        written += notifier.create_notifications(
            rows, alert.user_id, "desk_watchable", params, key, priority="scheduled"
        )
    return written


def _find_watchable_desks(rows: Session) -> list[Desk]:
    """Return the desks whose slots were looked for and whose page was neither closed nor moved."""
    proven = sa.select(DeskState.id).where(DeskState.last_proven_at.is_not(None), ~is_page_lost())
    known = set(rows.scalars(proven))
    return [desk for desk in desks().values() if desk.shows_slots and desk.id in known]


def _find_kept_alerts(rows: Session, watched: list[Desk]) -> dict[Alert, list[str]]:
    """Return kept alerts that are about one of these desks, with the desks of each."""
    meaning: dict[tuple[str | None, str | None, str | None], set[str]] = defaultdict(set)
    for desk in watched:
        for target in targets_of(desk):
            meaning[target].add(desk.id)
    kept = (
        sa.select(Alert, AlertTarget)
        .join(AlertTarget, AlertTarget.alert_id == Alert.id)
        .where(Alert.awaits_watch, Alert.closed_at.is_(None), _targets_any_of(watched))
        .order_by(Alert.id)
        .limit(AT_ONCE)
    )
    found: dict[Alert, set[str]] = defaultdict(set)
    for alert, about in rows.execute(kept):
        found[alert] |= meaning[about.desk_id, about.prefecture_id, about.procedure]
    return {alert: sorted(mine) for alert, mine in found.items()}


def _targets_any_of(watched: list[Desk]) -> sa.ColumnElement[bool]:
    served = {(desk.prefecture_id, procedure) for desk in watched for procedure in desk.procedures}
    return sa.or_(
        AlertTarget.desk_id.in_([desk.id for desk in watched]),
        sa.tuple_(AlertTarget.prefecture_id, AlertTarget.procedure).in_(sorted(served)),
    )
