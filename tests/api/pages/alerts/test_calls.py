"""Calls on the form of an alert: offered with a plan that has them, kept by a form that did not show them."""

from uuid import UUID

import pytest

from api.models.alert import Alert
from api.models.user import Channel, Contact, Grant, User
from configs.ground.clock import clock
from configs.world.plan import PlanName
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


def wants_calls() -> bool:
    (enabled,) = (each.voice_enabled for each in rows(Alert))
    return bool(enabled)


def test_a_smaller_plan_is_not_offered_calls(camille: Browser) -> None:
    hold(PlanName.URGENCE_7J)
    assert OFFER not in camille.get(WISH).text


def test_a_new_alert_may_ask_for_calls(camille: Browser, door: Door) -> None:
    hold(PlanName.URGENCE_TOTAL)
    add_number()
    assert OFFER in camille.get(WISH).text
    camille.send(NEW, **{"voice.enabled": "true"})
    assert wants_calls()


def test_without_a_number_it_says_what_is_missing(camille: Browser) -> None:
    hold(PlanName.URGENCE_TOTAL)
    assert "Il nous faut d’abord un numéro confirmé" in camille.get(WISH).text
    page = camille.send(NEW, **{"voice.enabled": "true"})
    assert (camille.status, rows(Alert)) == (422, [])
    assert "confirmez d’abord un numéro de téléphone" in page.text


def test_calls_are_changed_and_ended_by_the_form(camille: Browser, alert: UUID, door: Door) -> None:
    hold(PlanName.URGENCE_TOTAL)
    add_number()
    edit = f"/alertes/{alert}/modifier"
    camille.get(edit)
    camille.send(edit, **{"voice.enabled": "true"})
    assert wants_calls()
    assert "/preferences#calls" in camille.get(edit).html
    camille.send(edit, **{"voice.enabled": []})
    assert not wants_calls()


def test_an_alert_with_calls_is_edited_once_its_plan_or_number_is_gone(
    camille: Browser, alert: UUID, door: Door
) -> None:
    hold(PlanName.URGENCE_TOTAL)
    add_number()
    edit = f"/alertes/{alert}/modifier"
    camille.get(edit)
    camille.send(edit, **{"voice.enabled": "true"})
    remove(Grant)
    remove(Contact, Contact.channel == Channel.SMS)
    camille.get(edit)
    camille.send(edit, name="Maman")
    assert (rows(Alert)[0].name, wants_calls()) == ("Maman", True)


def test_a_form_without_calls_leaves_them(camille: Browser, alert: UUID, door: Door) -> None:
    edit = f"/alertes/{alert}/modifier"
    camille.get(edit)
    change(Alert, Alert.id == alert, voice_enabled=True)
    camille.send(edit, name="Maman")
    assert wants_calls()
