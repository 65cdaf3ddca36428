"""The live feed of a stack: each check, detection and notification, a line each, as they are written."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from rich.text import Text
from sqlalchemy.orm import Session

from api.models.check import Check
from api.models.notification import Notification, State
from api.models.slot import Detection
from configs.clock import clock
from configs.outcome import Outcome

_COLOURS = {
    Outcome.SLOTS: "bold green", Outcome.NO_SLOTS: "dim", Outcome.CAPTCHA: "magenta", Outcome.BLOCKED: "red",
    Outcome.RATE_LIMITED: "red", Outcome.OVERLOADED: "yellow", Outcome.MAINTENANCE: "yellow",
    Outcome.CLOSED: "red", Outcome.UNREACHABLE: "red", Outcome.UNREADABLE: "red",
}  # fmt: skip
_ENDED = (State.FAILED, State.EXPIRED, State.SKIPPED, State.BOUNCED)
_LATE = timedelta(seconds=30)  # a row may become visible that long after its own time


@dataclass
class Feed:
    """Reads what is new since the last look; remembers what it has shown."""

    since: datetime = field(default_factory=clock)
    _checks: set[int] = field(default_factory=set)
    _others: set[tuple[UUID, str]] = field(default_factory=set)

    def new_lines(self, session: Session) -> Iterator[Text]:
        """Yield a line for each row that was not shown yet, oldest first."""
        now = clock()
        lines = [
            *self._new_checks(session),
            *self._new_detections(session),
            *self._new_notifications(session),
        ]
        self.since = max(self.since, now - _LATE)
        for _, line in sorted(lines, key=lambda pair: pair[0]):
            yield line

    def _new_checks(self, session: Session) -> Iterator[tuple[datetime, Text]]:
        query = sa.select(Check).where(Check.started_at >= self.since).order_by(Check.started_at)
        rows = [row for row in session.scalars(query) if row.id not in self._checks]
        self._checks.update(row.id for row in rows)
        for row in rows:
            yield row.started_at + timedelta(milliseconds=row.milliseconds), check_line(row)

    def _new_detections(self, session: Session) -> Iterator[tuple[datetime, Text]]:
        query = sa.select(Detection).where(Detection.committed_at >= self.since)
        for row in session.scalars(query):
            if self._first_time(row.id, "detection"):
                yield row.committed_at, detection_line(row)

    def _new_notifications(self, session: Session) -> Iterator[tuple[datetime, Text]]:
        recent = sa.or_(Notification.accepted_at >= self.since, Notification.failed_at >= self.since)
        for row in session.scalars(sa.select(Notification).where(recent)):
            when = row.failed_at or row.accepted_at
            if when and self._first_time(row.id, row.state):
                yield when, notification_line(row)

    def _first_time(self, key: UUID, what: str) -> bool:
        seen = (key, what) in self._others
        self._others.add((key, what))
        return not seen


def _line(when: datetime, what: str, style: str) -> Text:
    return Text.assemble((f"{when.astimezone():%H:%M:%S} ", "dim"), (f"{what:<13}", style))


def check_line(row: Check) -> Text:
    """Return the line of a check: desk, outcome, milliseconds, evidence."""
    line = _line(row.started_at, "check", "cyan")
    line.append(f"{row.desk_id:<50}")
    line.append(f"{row.outcome.value:<13}", _COLOURS[row.outcome])
    line.append(f"{row.milliseconds:>6} ms  ", "dim")
    return line.append(row.evidence[:70], "dim")


def detection_line(row: Detection) -> Text:
    """Return the line of a detection: desk and how many slots are new."""
    line = _line(row.committed_at, "DETECTION", "bold green")
    line.append(f"{row.desk_id:<50}", "bold")
    count = len(row.slots)
    first = row.slots[0].moment if row.slots else ""
    return line.append(f"{count} new slot{'s' * (count > 1)}, first {first}", "green")


def notification_line(row: Notification) -> Text:
    """Return the line of a notification: channel, state, how long after the page was read."""
    line = _line(row.accepted_at or row.failed_at or row.created_at, "notification", "bold blue")
    line.append(f"{row.channel.value + ' ' + row.kind:<50}")
    line.append(f"{row.state.value:<13}", "red" if row.state in _ENDED else "blue")
    return line.append(delay(row) or (row.reason or "")[:70], "bold")


def delay(row: Notification) -> str:
    """Return how long after the page was read the provider accepted it, in words; empty when unknown."""
    if row.accepted_at is None or row.seen_at is None:
        return ""
    return f"{(row.accepted_at - row.seen_at) / timedelta(milliseconds=1):.0f} ms after the page was read"
