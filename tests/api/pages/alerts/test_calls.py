"""Calls on the form of an alert: offered with a plan that has them, kept by a form that did not show them."""

from datetime import time
from uuid import UUID

import pytest

from api.models.alert import Alert
from api.models.user import Channel, Contact, Grant, User
from configs.clock import clock
from configs.plan import PlanName
from tests.api.pages.alerts.test_new_alert import NEW, WISH, hold
from tests.api.world import Door
from tests.clients import Browser
from tests.factories import add_alert, change, remove, rows, save

OFFER = "Appelez-moi quand un créneau s’ouvre"


def add_number() -> None:
    (user,) = rows(User)
    save(Contact(user_id=user.id, channel=Channel.SMS, address="+33612345678", verified_at=clock()))


@pytest.fixture
def alert(camille: Browser) -> UUID:
    (user,) = rows(User)
    return add_alert(user.id)


def read_calls() -> tuple[bool, time, time]:
    (alert,) = rows(Alert)
    return alert.voice_enabled, alert.voice_from, alert.voice_to


def test_a_smaller_plan_is_not_offered_calls(camille: Browser) -> None:
    hold(PlanName.URGENCE_7J)
    assert OFFER not in camille.get(WISH).text


def test_a_new_alert_may_ask_for_calls(camille: Browser, door: Door) -> None:
    hold(PlanName.URGENCE_TOTAL)
    add_number()
    assert OFFER in camille.get(WISH).text
    camille.send(NEW, **{"voice.enabled": "true", "voice.from": "21:00", "voice.to": "06:00"})
    assert read_calls() == (True, time(21), time(6))


def test_without_a_number_it_says_what_is_missing(camille: Browser) -> None:
    hold(PlanName.URGENCE_TOTAL)
    assert "Il nous faut d’abord un numéro confirmé" in camille.get(WISH).text
    page = camille.send(NEW, **{"voice.enabled": "true"})
    assert (camille.status, rows(Alert)) == (422, [])
    assert "confirmez d’abord un numéro de téléphone" in page.text


def test_the_same_hour_twice_is_refused_beside_its_field(camille: Browser) -> None:
    hold(PlanName.URGENCE_TOTAL)
    add_number()
    camille.get(WISH)
    page = camille.send(NEW, **{"voice.enabled": "true", "voice.from": "08:00", "voice.to": "08:00"})
    assert camille.status == 422
    assert "Choisissez une autre heure que celle du début." in page.text


def test_calls_are_changed_and_ended_by_the_form(camille: Browser, alert: UUID, door: Door) -> None:
    hold(PlanName.URGENCE_TOTAL)
    add_number()
    edit = f"/alertes/{alert}/modifier"
    camille.get(edit)
    camille.send(edit, **{"voice.enabled": "true", "voice.from": "07:00"})
    assert read_calls() == (True, time(7), time(22))
    fields = camille.get(edit).find_form(edit)["fields"]
    assert fields["voice.from"] == ["07:00"]
    camille.send(edit, **{"voice.enabled": []})
    assert read_calls() == (False, time(7), time(22))


def test_an_alert_with_calls_is_edited_once_its_plan_or_number_is_gone(
    camille: Browser, alert: UUID, door: Door
) -> None:
    hold(PlanName.URGENCE_TOTAL)
    add_number()
    edit = f"/alertes/{alert}/modifier"
    camille.get(edit)
    camille.send(edit, **{"voice.enabled": "true", "voice.from": "07:00"})
    remove(Grant)
    remove(Contact, Contact.channel == Channel.SMS)
    camille.get(edit)
    camille.send(edit, name="Maman")
    assert (rows(Alert)[0].name, read_calls()) == ("Maman", (True, time(7), time(22)))


def test_a_form_without_calls_leaves_them(camille: Browser, alert: UUID, door: Door) -> None:
    edit = f"/alertes/{alert}/modifier"
    camille.get(edit)
    change(Alert, Alert.id == alert, voice_enabled=True)
    camille.send(edit, name="Maman")
    assert read_calls() == (True, time(8), time(22))
