"""Slots that a page did not show: told as gone when it has not shown them twice, for pages flap."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.models.desk import DeskState
from api.models.slot import GoneReason, SlotRow
from deploy.local.watch_events import Gone

Event = TypeVar("Event")


@dataclass
class Absences:
    """Remembers what was absent once: closed since then, and not told yet."""

    _once: list[Gone] = field(default_factory=list)

    def keep(self, events: Iterable[Event]) -> list[Event]:
        """Keep slots that were absent just now; return all other events."""
        others: list[Event] = []
        for event in events:
            if isinstance(event, Gone) and event.reason is GoneReason.TAKEN:
                self._once.append(event)
            else:
                others.append(event)
        return others

    def twice(self, session: Session) -> list[Gone]:
        """Return, once each, those whose desk was covered as a whole since; what came back is left out."""
        covered = [gone for gone in self._once if _covered_since(session, gone)]
        self._once = [gone for gone in self._once if gone not in covered]
        left = [_without_those_back(session, gone) for gone in covered]
        return [gone for gone in left if gone.count]


def _covered_since(session: Session, gone: Gone) -> bool:
    whole = sa.exists().where(DeskState.id == gone.desk_id, DeskState.whole_at > gone.at)
    return bool(session.scalar(sa.select(whole)))


def _without_those_back(session: Session, gone: Gone) -> Gone:
    back = aliased(SlotRow)
    same = sa.and_(
        back.desk_id == SlotRow.desk_id,
        back.place_key == SlotRow.place_key,
        back.moment == SlotRow.moment,
        back.opened_at >= SlotRow.gone_at,
    )
    went = sa.and_(
        SlotRow.desk_id == gone.desk_id, SlotRow.gone_at == gone.at, SlotRow.gone_reason == gone.reason
    )
    query = sa.select(sa.func.count(), sa.func.min(SlotRow.opened_at)).where(went, ~sa.exists().where(same))
    number, opened_at = session.execute(query).one()
    return replace(gone, count=number, opened_at=opened_at)
