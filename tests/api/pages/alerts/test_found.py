from datetime import UTC, timedelta
from uuid import UUID

import pytest
from icalendar import Calendar

from api.models.alert import Alert
from api.models.appointment import Appointment
from api.models.user import User
from configs.ground.clock import clock
from tests.api.pages.alerts.test_new_alert import MARKUP
from tests.clients import Browser
from tests.factories import add_alert, rows


@pytest.fixture
def alert(camille: Browser) -> UUID:
    (user,) = rows(User)
    made = add_alert(user.id)
    camille.get(f"/alertes/{made}/trouve")
    return made


def test_it_closes_the_alert_and_keeps_the_appointment_for_the_calendar(
    camille: Browser, alert: UUID
) -> None:
    day = (clock() + timedelta(days=40)).date()
    camille.send("/trouve", day=str(day), hour="09:30", place="Guichet 4, Bobigny")
    page = camille.follow()
    assert "Bravo" in page.text
    assert "Vous avez trouvé un rendez-vous." in page.text
    assert "Guichet 4, Bobigny" in page.text
    assert "09:30" in page.text
    event = camille.client.get(f"/alertes/{alert}/rendez-vous.ics")
    (entry,) = Calendar.from_ical(event.text).walk("VEVENT")
    (kept,) = rows(Appointment)
    starts_at = entry.decoded("DTSTART")
    assert starts_at == kept.at
    assert f"DTSTART:{kept.at.astimezone(UTC):%Y%m%dT%H%M%SZ}" in event.text, "as every program reads it"
    assert "VTIMEZONE" not in event.text
    assert entry["LOCATION"] == "Guichet 4, Bobigny"
    assert event.mimetype == "text/calendar"
    assert event.headers["Cache-Control"] == "no-store"


def test_nothing_needs_to_be_said(camille: Browser, alert: UUID) -> None:
    camille.send("/trouve")
    assert "rendez-vous.ics" not in camille.follow().html
    assert rows(Appointment) == []
    assert [each.closed_because for each in rows(Alert)] == ["found"]
    camille.get(f"/alertes/{alert}/rendez-vous.ics")
    assert camille.status == 404


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        (("2027-01-01", "", ""), "Écrivez aussi l’heure."),
        (("", "09:30", ""), "Écrivez aussi le jour."),
        (("2999-01-01", "09:30", ""), "trop éloignée"),
        (("0001-01-01", "00:00", ""), "trop éloignée"),
        (("9999-12-31", "23:59", ""), "trop éloignée"),
        (("demain", "09:30", ""), "n’est pas valable"),
        (("2027-01-01", "neuf heures", ""), "n’est pas valable"),
        (("", "", "A" * 10_000), "200 caractères"),
        ((MARKUP, MARKUP, MARKUP), "n’est pas valable"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_wrong_is_said_and_what_was_typed_is_kept(
    camille: Browser, alert: UUID, typed: tuple[str, str, str], text: str
) -> None:
    page = camille.send("/trouve", **dict(zip(("day", "hour", "place"), typed, strict=True)))
    assert camille.status == 422
    assert text in page.text
    assert MARKUP not in page.html
    assert page.find_form("/trouve")["fields"]["place"] == [typed[2]]
    assert rows(Alert)[0].closed_at is None
