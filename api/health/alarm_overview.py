"""Overview of the alarms: open incidents whose alarm has no acknowledgement."""

from dataclasses import dataclass
from datetime import datetime

from api.health.read_session import read_session
from api.operations.alarms import list_unanswered


@dataclass(frozen=True, slots=True)
class OpenAlarm:
    """An alarm that is open; `repeated_at`: when it went out once more."""

    id: int
    subject: str
    reason: str
    told_at: datetime | None
    repeated_at: datetime | None


@dataclass(frozen=True, slots=True)
class AlarmOverview:
    """The open alarms without an acknowledgement, the newest first, twenty at most."""

    open: list[OpenAlarm]


def read_alarms() -> AlarmOverview:
    """Read the open alarms."""
    with read_session() as s:
        return AlarmOverview(
            [
                OpenAlarm(each.id, each.subject, each.reason.value, each.told_at, each.repeated_at)
                for each in list_unanswered(s)
            ]
        )
