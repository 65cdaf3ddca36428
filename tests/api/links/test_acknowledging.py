"""The link in an alarm shows it, and acknowledges it by POST for the operator it was sent to."""

from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient

from api.models.audit import ActorKind, AuditEntry
from api.models.incident import Incident, IncidentReason
from api.models.user import Channel, Role, User
from configs.ground.signed_links import AcknowledgeIncident, write_token
from tests.api.operations.operators import add_operator
from tests.factories import add_incident, change, one, rows
from tests.in_turn import in_turn


@pytest.fixture
def admin(client: FlaskClient) -> UUID:
    return add_operator(Channel.EMAIL)


def link(user_id: UUID, incident_id: int) -> str:
    return f"/l/{write_token(AcknowledgeIncident(incident_id, user_id))}"


def test_opening_it_shows_the_alarm_and_changes_nothing(client: FlaskClient, admin: UUID) -> None:
    page = link(admin, add_incident())
    for _ in range(2):
        answer = client.get(page)
        assert answer.status_code == 200
        assert "prestataire d’envoi en panne" in answer.text
        assert "sendgrid" in answer.text
        assert 'method="post"' in answer.text
    assert one(Incident).acknowledged_at is None
    assert rows(AuditEntry) == []


@in_turn("role", [Role.ADMIN, Role.SUPPORT])
def test_confirming_acknowledges_it_once_with_one_row_in_the_audit(client: FlaskClient, role: Role) -> None:
    operator, number = add_operator(Channel.EMAIL, role=role), add_incident(subject=role.value)
    for _ in range(2):
        answer = client.post(link(operator, number))
        assert answer.status_code == 200
        assert "Alarme prise en compte" in answer.text
    assert one(Incident, Incident.id == number).acknowledged_at is not None
    row = one(AuditEntry, AuditEntry.subject_id == str(number))
    assert (row.actor_id, row.actor_kind, row.action) == (
        operator,
        ActorKind(role.value),
        "incident.acknowledge",
    )
    assert row.subject_type == "incident"
    assert row.request_id


def test_what_lasts_stays_open_and_what_happened_at_once_is_over(client: FlaskClient, admin: UUID) -> None:
    lasts, happened = add_incident(), add_incident(IncidentReason.FRAUD_WARNING, "fraud:1")
    for each in (lasts, happened):
        client.post(link(admin, each))
    ended = {each.id: each.ends_at is not None for each in rows(Incident)}
    assert ended == {lasts: False, happened: True}


def test_who_is_no_operator_any_more_acknowledges_nothing(client: FlaskClient, admin: UUID) -> None:
    number = add_incident()
    change(User, role=Role.USER)
    for who, what in ((admin, number), (uuid4(), number), (admin, number + 1)):
        for method in ("GET", "POST"):
            answer = client.open(link(who, what), method=method)
            assert answer.status_code == 200
            assert "Ce lien ne vaut plus" in answer.text
            assert "sendgrid" not in answer.text
    assert one(Incident).acknowledged_at is None
    assert rows(AuditEntry) == []
