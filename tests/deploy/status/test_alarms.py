"""Alarms without an acknowledgement, on the screen."""

from datetime import timedelta
from typing import Any

import pytest

from api.health.alarm_overview import read_alarms
from api.models.incident import IncidentReason
from configs.clock import clock
from deploy.status import alarms
from tests.api.world import add_incident

pytestmark = pytest.mark.usefixtures("database", "frozen")

MINUTE = timedelta(minutes=1)


def said() -> list[str]:
    return [text.plain for text in alarms.lines(read_alarms())]


def told(subject: str, minutes: int, **columns: Any) -> int:
    alarm = {"alarm_kind": "desk_trouble", "alarm_params": {}, "told_at": clock() - minutes * MINUTE}
    return add_incident(IncidentReason.BLOCKED, subject, **(alarm | columns))


def test_alarms_are_named_until_somebody_acknowledges_them() -> None:
    first = told("a:443", 20, repeated_at=clock() - 5 * MINUTE)
    second = told("b:443", 3)
    told("c:443", 3, acknowledged_at=clock())
    told("d:443", 3, ends_at=clock() + MINUTE)
    add_incident(IncidentReason.MAINTENANCE, "e:443")
    assert said() == [
        "2 alarms not acknowledged",
        f"no. {second} blocked for 3 min  b:443",
        f"no. {first} blocked for 20 min, sent once more  a:443",
    ]


def test_no_alarm_is_said_too() -> None:
    assert said() == ["none open"]
