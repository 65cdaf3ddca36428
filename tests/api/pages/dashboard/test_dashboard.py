from datetime import timedelta

import pytest

from api.alerts.stopping import stop_alerts
from api.models.alert import AlertTarget
from api.models.base import session
from api.models.user import Grant, User
from configs.ground.clock import clock
from configs.world.plan import PlanName, plans
from tests.api.world import statements
from tests.clients import Browser
from tests.factories import add_account, add_alert, add_grant, rows, save


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


@pytest.mark.parametrize(
    "query", ["payment=SUCCESS", "payment[]=success&plan[$ne]=1", "%", "plan=" + "A" * 6000]
)
def test_another_address_thanks_for_nothing(camille: Browser, query: str) -> None:
    assert "Merci" not in camille.get(f"/dashboard?{query}").text


def test_it_takes_as_many_statements_for_many_alerts_as_for_one(camille: Browser) -> None:
    (user,) = rows(User)
    add_alert(user.id)
    one = statements(lambda: camille.get("/dashboard"))
    for _ in range(5):
        add_alert(user.id)
    assert statements(lambda: camille.get("/dashboard")) == one <= 6


def test_an_unconfirmed_address_gets_its_mail_again(visitor: Browser) -> None:
    add_account(confirmed=False)
    page = visitor.sign_in().page
    assert "Confirmez votre adresse" in page.text
    visitor.send("/confirm")
    assert "Un message est en route" in visitor.follow().text


def test_every_plan_has_a_name(camille: Browser) -> None:
    for name in plans():
        if name is not PlanName.NONE:
            assert name.value.replace("_", " ") in camille.get(f"/dashboard?payment=success&plan={name}").text


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
