"""How often the desks of a person's alerts are asked, in words: today, and at the slowest that may follow."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from babel.dates import format_timedelta
from sqlalchemy.orm import Session

from api.models.alert import Alert, AlertTarget
from api.models.desk import DeskState
from api.models.watchability import Interval
from configs.world.desk import Desk
from configs.world.plan import Plan
from configs.world.prefecture import desks


def describe_pace(session: Session, user_id: UUID | None, plan: Plan, language: str) -> dict[str, str]:
    """Return `every`, and `slowest` where it is slower; both are empty where no alert waits."""
    mine = sa.select(AlertTarget).join(AlertTarget.alert)
    waiting = (Alert.user_id == user_id, Alert.enabled, Alert.closed_at.is_(None))
    targets = session.scalars(mine.where(*waiting)).all()
    ids = [each.id for each in desks().values() if each.shows_slots and _is_meant(each, targets)]
    if not ids:
        return {"every": "", "slowest": ""}
    found = Interval.of(plan, session.scalars(sa.select(DeskState).where(DeskState.id.in_(ids))))
    slowest = _write(found.slowest, language) if found.slowest > found.today else ""
    return {"every": _write(found.today, language), "slowest": slowest}


def _is_meant(desk: Desk, targets: Iterable[AlertTarget]) -> bool:
    return any(
        each.covers_desk(desk_id=desk.id, prefecture_id=desk.prefecture_id, procedures=desk.procedures)
        for each in targets
    )


def _write(seconds: float, language: str) -> str:
    return format_timedelta(timedelta(seconds=seconds), threshold=2, locale=language)
