"""What is new in the tables since the last look: each check, detection, notification and turn once."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.check import Check
from api.models.notification import Notification
from api.models.slot import Detection
from configs.clock import clock
from deploy.local.slot_gone_debounce import Absences
from deploy.local.watch_events import Rest, Turn, turns

Row = Check | Detection | Notification
Event = Row | Turn
_LATE = timedelta(seconds=30)  # a row may become visible that long after its own time


@dataclass
class Feed:
    """Remembers what it has shown, as long as it could come up again."""

    since: datetime = field(default_factory=clock)
    _shown: dict[Hashable, datetime] = field(default_factory=dict)
    _absences: Absences = field(default_factory=Absences)

    def new_events(self, session: Session) -> list[Event]:
        """Return what was not returned yet, oldest first; a notification again in each new state.

        Slots that a page does not show are returned, last, once it has not shown them twice.
        """
        now = clock()
        new = [(at, event) for at, event in self._recent(session) if self._is_new(at, event)]
        self.since = max(self.since, now - _LATE)
        self._shown = {key: at for key, at in self._shown.items() if at >= self.since}
        events = [event for _, event in sorted(new, key=lambda pair: pair[0])]
        return self._absences.keep(events) + self._absences.twice(session)

    def _recent(self, session: Session) -> Iterator[tuple[datetime, Event]]:
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
        for turn in turns(session, self.since):
            yield turn.at, turn

    def _is_new(self, at: datetime, event: Event) -> bool:
        key = _key(event)
        is_new = key not in self._shown
        self._shown[key] = at
        return is_new


def _key(event: Event) -> Hashable:
    if isinstance(event, Row):
        return event.id, event.state.value if isinstance(event, Notification) else type(event).__name__
    # a host's row is written for other reasons too
    return (event.host, event.until) if isinstance(event, Rest) else event
