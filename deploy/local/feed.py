"""What is new in the tables since the last look: each check, detection and notification once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.check import Check
from api.models.notification import Notification
from api.models.slot import Detection
from configs.clock import clock

Row = Check | Detection | Notification
_LATE = timedelta(seconds=30)  # a row may become visible that long after its own time


@dataclass
class Feed:
    """Remembers what it has shown, as long as it could come up again."""

    since: datetime = field(default_factory=clock)
    _shown: dict[tuple[object, str], datetime] = field(default_factory=dict)

    def new_rows(self, session: Session) -> list[Row]:
        """Return the rows that were not returned yet, oldest first; a notification again in each new state."""
        now = clock()
        new = [(at, row) for at, row in self._recent(session) if self._is_new(at, row)]
        self.since = max(self.since, now - _LATE)
        self._shown = {key: at for key, at in self._shown.items() if at >= self.since}
        return [row for _, row in sorted(new, key=lambda pair: pair[0])]

    def _recent(self, session: Session) -> Iterator[tuple[datetime, Row]]:
        for check in session.scalars(sa.select(Check).where(Check.started_at >= self.since)):
            yield check.started_at + timedelta(milliseconds=check.milliseconds), check
        for detection in session.scalars(sa.select(Detection).where(Detection.committed_at >= self.since)):
            yield detection.committed_at, detection
        ended = sa.func.coalesce(Notification.failed_at, Notification.accepted_at)
        told = sa.select(Notification, ended).where(
            sa.or_(Notification.accepted_at >= self.since, Notification.failed_at >= self.since)
        )
        for notification, at in session.execute(told):
            yield at, notification

    def _is_new(self, at: datetime, row: Row) -> bool:
        key = row.id, row.state.value if isinstance(row, Notification) else type(row).__name__
        return self._shown.setdefault(key, at) is at
