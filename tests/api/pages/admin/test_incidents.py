"""Operators' pages of incidents."""

from datetime import timedelta

from api.models.incident import Incident, IncidentReason
from configs.ground.clock import clock
from tests.api.pages.admin.conftest import walk
from tests.clients import Browser
from tests.factories import BOBIGNY, rows, save

HOST = "127.77.0.93:8800"


def add_incident(
    subject: str = HOST, reason: IncidentReason = IncidentReason.BLOCKED, **columns: object
) -> int:
    began = clock() - timedelta(minutes=1)
    given = {
        "starts_at": began,
        "seen_at": began,
        "alarm_kind": "operations",
        "alarm_params": {},
        "told_at": began,
    }
    made = save(Incident(subject=subject, reason=reason, **(given | columns)))
    return made.id


def test_incidents_are_chosen_and_lead_to_their_subject(admin: Browser) -> None:
    first = add_incident()
    second = add_incident(BOBIGNY, IncidentReason.CLOSED, ends_at=clock(), acknowledged_at=clock())
    third = add_incident("twilio", IncidentReason.PROVIDER_DOWN)
    for query, shown in (
        ("", {first, second, third}),
        ("open=true", {first, third}),
        ("open=false", {second}),
        ("acknowledged=false&open=", {first, third}),
        (f"subject={HOST}", {first}),
    ):
        page = admin.get(f"/admin/incidents?{query}")
        assert {each for each in (first, second, third) if f'/admin/incidents/{each}"' in page.html} == shown
    links = {first: f"/admin/sites/{HOST}", second: f"/admin/guichets/{BOBIGNY}", third: None}
    for incident, link in links.items():
        page = admin.get(f"/admin/incidents/{incident}")
        assert page.headings[0].startswith(f"Incident {incident} :")
        if link:
            assert f'href="{link}"' in page.html
    for unknown in (99999, 2**63 - 1, 2**63, 10**30):
        admin.get(f"/admin/incidents/{unknown}")
        assert admin.status == 404, unknown


def test_an_alarm_is_acknowledged_once(admin: Browser) -> None:
    incident = add_incident()
    page = admin.get(f"/admin/incidents/{incident}/acquittement")
    assert "Il reste en cours tant que le trouble dure" in page.text
    assert rows(Incident)[0].acknowledged_at is None
    admin.send("/acquittement")
    page = admin.follow()
    assert f"L’incident {incident} est acquitté." in page.text
    assert "Acquittée" in page.text
    first = rows(Incident)[0].acknowledged_at
    page = admin.get(f"/admin/incidents/{incident}/acquittement")
    assert "Un opérateur l’a déjà acquitté" in page.text
    admin.send("/acquittement")
    assert rows(Incident)[0].acknowledged_at == first


def test_what_happened_at_one_moment_is_over_by_that(admin: Browser) -> None:
    incident = add_incident("sms", IncidentReason.SMS_CEILING)
    page = admin.get(f"/admin/incidents/{incident}/acquittement")
    assert "il est clos" in page.text
    admin.send("/acquittement")
    assert "Fini" in admin.follow().text


def test_a_name_keeps_its_capitals(admin: Browser) -> None:
    number = add_incident("sms", IncidentReason.SMS_CEILING)
    assert admin.get(f"/admin/incidents/{number}").headings == [
        f"Incident {number} : plafond des SMS atteint"
    ]


def test_incidents_are_listed_the_newest_first_page_by_page(admin: Browser) -> None:
    made = [add_incident(subject=f"host{number}:443") for number in range(5)]
    pages = list(walk(admin, "/admin/incidents?limit=2", lambda row: row[0].partition(" ")[0]))
    assert pages == [[str(each) for each in found] for found in (made[:2:-1], made[2:0:-1], made[:1])]
