"""The dashboard."""

from datetime import timedelta

import pytest

from api.alerts.service import stop_alerts
from api.models.alert import AlertTarget
from api.models.base import session
from api.models.user import Grant
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.clients import Browser
from tests.factories import add_account, add_alert, add_grant, save


def test_it_shows_the_alerts_of_its_user_only(visitor: Browser) -> None:
    mine, other = add_account(), add_account("other@example.org")
    add_alert(mine.id)
    add_alert(other.id, AlertTarget(prefecture_id="melun_77", procedure="TITRE_SEJOUR"))
    page = visitor.sign_in().page
    assert "Seine-Saint-Denis (93)" in page.text
    assert "Seine-et-Marne" not in page.text
    assert "0 créneau trouvé" in page.text


def test_without_an_alert_it_says_what_to_do(camille: Browser) -> None:
    assert "Aucune alerte pour l’instant" in camille.page.text
    assert "Vous n’avez pas de formule en cours." in camille.page.text


def test_it_speaks_the_language_of_the_account(visitor: Browser) -> None:
    user = add_account(language="en")
    add_grant(user.id, PlanName.URGENCE_24H)
    page = visitor.sign_in().page
    assert page.headings == ["My alerts"]
    assert "URGENCE 24H" in page.text
    assert visitor.get("/dashboard?lang=ar").headings == ["تنبيهاتي"]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("payment=success&plan=URGENCE_7J", "URGENCE 7J"),
        ("payment=success&plan=<script>", "Merci"),
        ("payment=success&plan=NONE", "Merci"),
        ("payment=success&plan=URGENCE_24H&plan=URGENCE_7J", "URGENCE 24H"),
        ("payment=success&plan=%00%ff%ed%a0%80", "Merci"),
    ],
)
def test_checkout_leads_back_here(camille: Browser, query: str, text: str) -> None:
    page = camille.get(f"/dashboard?{query}")
    assert text in page.text
    assert "Merci, votre paiement est en route." in page.text


def test_an_unconfirmed_address_gets_its_mail_again(visitor: Browser) -> None:
    add_account(confirmed=False)
    page = visitor.sign_in().page
    assert "Confirmez votre adresse" in page.text
    visitor.send("/confirm")
    assert "Un message est en route" in visitor.follow().text


def test_it_warns_when_a_link_stopped_the_last_alert_of_a_running_plan(visitor: Browser) -> None:
    user, now = add_account(), clock()
    grant = {
        "plan": PlanName.URGENCE_24H,
        "starts_at": now,
        "ends_at": now + timedelta(days=1),
        "source": "t",
    }
    save(Grant(user_id=user.id, **grant))
    alert_id = add_alert(user.id)
    warning = "a arrêté votre dernière alerte"
    assert warning not in visitor.sign_in().page.text
    with session() as s:
        stop_alerts(s, user.id, [alert_id])
    assert warning in visitor.get("/dashboard").text
