"""The form of an alert asks for explicit consent where a desk's name reveals health."""

from collections.abc import Callable
from pathlib import Path

import pytest

from api.accounts.consents import list_versions, read_consent_text
from api.models.alert import Alert
from configs.world.plan import PlanName
from tests.api.pages.alerts.test_new_alert import NEW, hold
from tests.api.world import reveal_health
from tests.clients import Browser
from tests.factories import BOBIGNY, rows

REFUSED = {
    "fr": "Cochez cette case pour attendre ce guichet.",
    "en": "Tick this box to wait for this desk.",
    "ar": "ضعوا علامة في هذه الخانة لانتظار هذا الشباك.",
}


@pytest.mark.parametrize("language", ["fr", "ar"])
def test_a_box_must_be_ticked(
    camille: Browser, settings_env: Callable[..., None], tmp_path: Path, language: str
) -> None:
    reveal_health(tmp_path, settings_env)
    hold(PlanName.URGENCE_7J)
    page = camille.get(f"{NEW}?desk={BOBIGNY}&lang={language}")
    assert read_consent_text("health", language) in page.text
    assert REFUSED[language] in camille.send(NEW).text
    assert (camille.status, rows(Alert)) == (422, [])
    camille.send(NEW, acceptHealth="true")
    (alert,) = rows(Alert)
    assert alert.consent["health"]["text"] == list_versions()[0]


def test_where_no_name_reveals_anything_there_is_no_box(camille: Browser) -> None:
    assert "acceptHealth" not in camille.get(f"{NEW}?desk={BOBIGNY}").html
