"""The order of an alert whose desk reveals health: a box of its own, ticked by the person alone."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from api.accounts.consents import list_versions, read_consent_text
from api.models.alert import Alert
from api.models.payment import Payment
from configs.ground.clock import clock
from tests.api.pages.plan.buyer import Buyer
from tests.api.world import reveal_health
from tests.factories import BOBIGNY, rows

WISH = "&alert=" + quote(json.dumps({"deskIds": [BOBIGNY], "acceptHealth": True}))
REFUSED = {
    "fr": "Cochez cette case pour attendre ce guichet.",
    "en": "Tick this box to wait for this desk.",
    "ar": "ضعوا علامة في هذه الخانة لانتظار هذا الشباك.",
}


@pytest.fixture
def patient(buyer: Buyer, settings_env: Callable[..., None], tmp_path: Path) -> Buyer:
    """Give a buyer at a prefecture one of whose desks is for sick foreigners."""
    reveal_health(tmp_path, settings_env)
    return buyer


@pytest.mark.parametrize("language", REFUSED)
def test_the_order_asks_for_explicit_consent(patient: Buyer, language: str) -> None:
    page = patient.open_order(wish=f"{WISH}&lang={language}")
    assert read_consent_text("health", language) in page.text
    assert "<li><bdi>Étrangers malades</bdi></li>" in page.html, "the desk is named as people know it"
    (box,) = (at for tag, at in page.tags if at.get("name") == "acceptHealth")
    assert "checked" not in box, "an address ticks no box"
    page = patient.press()
    assert REFUSED[language] in page.text
    assert (patient.browser.status, rows(Payment)) == (422, [])


def test_the_consent_is_stored_as_of_the_order(patient: Buyer) -> None:
    patient.open_order(wish=WISH)
    ordered = clock()
    patient.press(acceptHealth="true")
    patient.shop.clock.shift(timedelta(minutes=5))
    patient.pay()
    (alert,) = rows(Alert)
    assert alert.consented_at == ordered
    given = alert.consent["health"]
    wanted = ("order", list_versions()[0], ordered.isoformat())
    assert (given["place"], given["text"], given["given_at"]) == wanted


def test_an_alert_that_reveals_nothing_has_no_such_box(buyer: Buyer) -> None:
    assert "acceptHealth" not in [at.get("name") for tag, at in buyer.open_order(wish=WISH).tags]
    buyer.press()
    buyer.pay()
    assert rows(Alert)[0].consent is None
