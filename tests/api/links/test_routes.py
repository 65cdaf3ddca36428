from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import time_machine
from flask.testing import FlaskClient

from api.models.alert import Alert, ClosedBecause
from api.models.audit import ActorKind, AuditEntry
from api.models.desk import DeskChange
from api.models.incident import Incident, IncidentReason
from api.models.user import Channel, Contact, Role, User
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import AcknowledgeIncident, StopAlerts, VerifyAddress, write_token
from configs.world.plan import PlanName
from tests.api.operations.operators import add_operator
from tests.clients import People, check_page
from tests.factories import add_alert, add_incident, change, one, rows
from tests.in_turn import in_turn


def stop(alert_id: UUID) -> str:
    return f"/l/{write_token(StopAlerts((alert_id,)))}"


def test_opening_the_stop_link_shows_the_alert_and_changes_nothing(
    client: FlaskClient, person: People
) -> None:
    camille = person()
    link = stop(add_alert(camille.id))
    several = write_token(StopAlerts((add_alert(camille.id), add_alert(camille.id))))
    assert "Ne plus recevoir ces messages ?" in client.get(f"/l/{several}").text
    for _ in range(2):
        answer = client.get(link)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
        check_page(answer)
        assert "Arrêter cette alerte ?" in answer.text
        assert "Seine-Saint-Denis (93)" in answer.text
        assert 'method="post"' in answer.text
    assert all(alert.waits for alert in rows(Alert))
    assert rows(DeskChange) == []


def test_confirming_stops_the_alert_once_and_tells_the_planner(client: FlaskClient, person: People) -> None:
    link = stop(add_alert(person().id))
    for answer in (client.get(link), client.post(link), client.post(link), client.get(link)):
        assert answer.status_code == 200
        assert "jour" not in answer.text.lower()  # as in séjour: no page names the procedure
    assert "Votre alerte est arrêtée" in answer.text
    (alert,) = rows(Alert)
    assert alert.closed_because is ClosedBecause.STOPPED
    assert sorted(line.desk_id for line in rows(DeskChange)) == [
        "bobigny_93/naturalisation",
        "bobigny_93/titre-sejour",
    ]


def test_an_old_link_says_that_it_expired(
    client: FlaskClient, person: People, frozen: time_machine.Traveller
) -> None:
    link = stop(add_alert(person().id))
    frozen.shift(timedelta(days=31))
    for method in ("GET", "POST"):
        answer = client.open(link, method=method)
        assert answer.status_code == 410
        assert "Ce lien a expiré" in answer.text
    (alert,) = rows(Alert)
    assert alert.waits


def verify(contact_id: UUID, address: str = "camille@example.org") -> str:
    return f"/l/{write_token(VerifyAddress(contact_id, digest(address)))}"


def test_opening_the_confirmation_changes_nothing_confirming_does(
    client: FlaskClient, person: People
) -> None:
    person(plan=PlanName.URGENCE_24H, confirmed=False)
    (contact,) = rows(Contact)
    page = client.get(verify(contact.id))
    assert "camille@example.org" in page.text
    assert rows(Contact)[0].verified_at is None
    assert "Votre adresse est confirmée" in client.post(verify(contact.id)).text
    confirmed_at = rows(Contact)[0].verified_at
    assert confirmed_at is not None
    client.post(verify(contact.id))
    assert rows(Contact)[0].verified_at == confirmed_at
    assert "Votre adresse est confirmée" in client.get(verify(contact.id)).text


def test_a_link_confirms_the_address_it_was_sent_to_no_later_one_and_none_that_is_gone(
    client: FlaskClient, person: People
) -> None:
    person("new@example.org", confirmed=False)
    (contact,) = rows(Contact)
    for link in (verify(contact.id, "old@example.org"), verify(UUID(int=7))):
        for method in ("GET", "POST"):
            answer = client.open(link, method=method)
            assert "est plus enregistrée" in answer.text
            assert "new@example.org" not in answer.text
    assert rows(Contact)[0].verified_at is None


def test_what_is_no_link_of_ours_is_a_page_too(client: FlaskClient) -> None:
    answer = client.get("/l/stop/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "existe pas" in answer.text


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
