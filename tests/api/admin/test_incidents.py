"""Incidents as operators see and acknowledge them."""

from datetime import timedelta
from typing import Any

from api.models.incident import IncidentReason
from configs.ground.clock import clock
from tests.api.admin.conftest import audit
from tests.clients import Operator, problem
from tests.factories import add_incident

MINUTE = timedelta(minutes=1)


def ids(operator: Operator, **query: Any) -> list[int]:
    return [each["id"] for each in operator.get("/incidents", **query)["items"]]


def test_incidents_are_listed_the_newest_first_page_by_page(admin: Operator) -> None:
    made = [add_incident(subject=f"host{number}:443") for number in range(5)]
    first = admin.get("/incidents", limit=2)
    assert [each["id"] for each in first["items"]] == made[:2:-1]
    assert ids(admin, before=first["next"]) == made[2::-1]
    assert admin.get("/incidents", limit=5)["next"] is None


def test_they_are_found_by_what_became_of_them(admin: Operator, support: Operator) -> None:
    waits = add_incident(subject="a:443")
    over = add_incident(subject="b:443", ends_at=clock() + MINUTE)
    known = add_incident(subject="c:443", acknowledged_at=clock())
    assert ids(support, open="true") == [known, waits]
    assert ids(support, open="false") == [over]
    assert ids(support, acknowledged="true") == [known]
    assert ids(support, open="true", acknowledged="false") == [waits]
    assert ids(support, subject="b:443") == [over]


def test_an_alarm_is_acknowledged_and_a_repetition_changes_nothing(admin: Operator) -> None:
    number = add_incident(IncidentReason.FRAUD_WARNING, "fraud:1")
    first = admin.do("POST", f"/incidents/{number}/acknowledge")
    assert first["acknowledgedAt"] == first["endsAt"]
    assert first["acknowledgedAt"] is not None
    assert admin.do("POST", f"/incidents/{number}/acknowledge") == first
    assert [row.subject_id for row in audit(action="incident.acknowledge")] == [str(number)] * 2


def test_support_reads_and_unknown_ids_are_refused(admin: Operator, support: Operator) -> None:
    number = add_incident()
    assert problem(support.ask("POST", f"/incidents/{number}/acknowledge")) == (403, "admins-only")
    assert problem(admin.ask("POST", f"/incidents/{number + 1}/acknowledge")) == (404, "not-found")
    for strange in ("0", "-1", "x", str(2**63), "1.5"):
        assert admin.ask("POST", f"/incidents/{strange}/acknowledge").status_code == 422, strange
    assert [row.action for row in audit(action="incident.acknowledge")] == []
