"""The table of operations events is complete, and its alarms are reasons of incidents."""

import pytest

from api.models.incident import IncidentReason
from api.operations.events import URGENCY, OperatorEvent, Urgency, find_event
from api.operations.words import name_incident


def test_every_event_has_an_urgency() -> None:
    assert set(URGENCY) == set(OperatorEvent)
    assert set(URGENCY.values()) == set(Urgency)


def test_every_alarm_is_a_reason_of_an_incident() -> None:
    alarms = {event.value for event, urgency in URGENCY.items() if urgency is Urgency.ALARM}
    assert alarms - {"desk_trouble"} == {each.value for each in IncidentReason if each.of_operations}


@pytest.mark.parametrize("reason", list(IncidentReason))
def test_every_reason_has_a_name_of_its_own(reason: IncidentReason) -> None:
    assert [each for each in IncidentReason if name_incident(each) == name_incident(reason)] == [reason]


def test_words_of_payments_find_their_event() -> None:
    assert find_event("fraud_warning") is OperatorEvent.FRAUD_WARNING
    assert find_event("failures_rising") is OperatorEvent.FAILURES_RISING
    assert find_event("dispute_opened") is OperatorEvent.PAYMENT_TROUBLE
