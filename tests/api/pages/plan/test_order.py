import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine

from api.models.alert import Alert
from api.models.payment import Payment
from api.models.user import Contact, User
from configs.world.plan import PlanName
from tests.api.pages.plan.buyer import Buyer
from tests.clients import Browser
from tests.factories import PASSWORD, add_account, add_alert, change, rows

WISH = "&prefecture=bobigny_93&procedure=titre-sejour"
UNWATCHED = "&prefecture=cergy_95&procedure=TITRE_SEJOUR"
BUTTON = "commande avec obligation de paiement"


def test_an_order_leads_to_checkout_and_its_payment_creates_the_alert(buyer: Buyer) -> None:
    page = buyer.open_order(wish=WISH)
    assert "Seine-Saint-Denis (93)" in page.text
    assert "14,99" in page.text
    assert "/textes/conditions/" in page.html
    buttons = [each for each in page.html.split("<button")[1:] if BUTTON in each]
    assert len(buttons) == 1
    assert f"<span>{BUTTON}</span></button>" in buttons[0]
    buyer.press()
    buyer.pay()
    (payment,), (alert,) = rows(Payment), rows(Alert)
    assert (payment.status, payment.plan, alert.user_id) == ("COMPLETED", "URGENCE_7J", buyer.user.id)
    assert payment.consent["acceptsHourThreshold"] is True
    assert "je perds mon droit de rétractation" in payment.consent_text


LABELS = {
    "fr": "commande avec obligation de paiement",
    "en": "order with obligation to pay",
    "ar": "طلب مع الالتزام بالدفع",
}


@pytest.mark.parametrize("language", LABELS)
def test_the_button_says_the_obligation_to_pay_and_the_line_before_it_what_price_and_duration(
    language: str, browse: Callable[..., Browser]
) -> None:
    add_account(language=language)
    browser = browse(language)
    browser.sign_in()
    page = browser.get("/formule/commande?plan=URGENCE_TOTAL")
    assert f"<span>{LABELS[language]}</span></button>" in page.html
    last = page.html.rpartition('<p class="last-line">')[2]
    before, _, after = last.partition("<button")
    words = re.sub(r"<[^>]+>", "", before).replace("\N{NO-BREAK SPACE}", " ")
    assert "URGENCE TOTAL" in words
    assert re.search(r"29[.,]99", words)
    month = {"fr": "par mois, sans durée fixe", "en": "a month, without a fixed term", "ar": "دون مدة محددة"}
    assert month[language] in words
    assert before.count("<p") == 0, "nothing stands between that line and the button"
    assert LABELS[language] in after
    assert page.html.index("PayPal") < page.html.index('id="alert"'), "means of payment come first"
    assert 'href="/l/retractation"' in page.html


FUNCTION = {
    "fr": "renoncer au contrat ici",
    "en": "withdraw from contract here",
    "ar": "الانسحاب من العقد هنا",
}


@pytest.mark.parametrize("language", FUNCTION)
def test_the_order_names_the_function_to_withdraw_as_every_foot_does(
    language: str, browse: Callable[..., Browser]
) -> None:
    add_account(language=language)
    browser = browse(language)
    browser.sign_in()
    html = browser.get("/formule/commande?plan=URGENCE_7J").html
    names = re.findall(r'href="/l/retractation"[^>]*>([^<]+)</a>', html)
    assert len(names) == 2
    assert all(FUNCTION[language] in " ".join(each.split()) for each in names)


@pytest.mark.parametrize("left_out", ["consent.startNow", "consent.acknowledgesLoss"])
def test_each_consent_is_a_box_of_its_own_that_nobody_ticks_for_the_user(buyer: Buyer, left_out: str) -> None:
    page = buyer.open_order(wish=WISH)
    boxes = [at for tag, at in page.tags if at.get("type") == "checkbox"]
    assert [at["name"] for at in boxes] == [
        "consent.startNow",
        "consent.acknowledgesLoss",
        "consent.acceptsHourThreshold",
    ]
    assert not any("checked" in at for at in boxes)
    page = buyer.press(**{left_out: ""})
    assert buyer.browser.status == 422
    boxes = [at for tag, at in page.tags if at.get("type") == "checkbox"]
    assert ["checked" in at for at in boxes] == [at["name"] != left_out for at in boxes]
    (wrong,) = (at for at in boxes if "aria-invalid" in at)
    assert wrong["name"] == left_out
    assert f"{wrong['id']}-error" in wrong["aria-describedby"]
    assert "Cochez cette case pour commander" in page.text
    assert rows(Payment) == []
    assert buyer.press(**{"consent.acceptsHourThreshold": ""}) is not None
    assert [each.consent["acceptsHourThreshold"] for each in rows(Payment)] == [False]


def test_back_after_the_payment_the_old_form_orders_nothing_unseen(buyer: Buyer) -> None:
    buyer.open_order()
    buyer.press()
    buyer.pay()
    page = buyer.press()
    assert buyer.browser.status == 422
    assert "Une commande a été payée entre-temps" in page.text
    assert "Votre formule est prolongée jusqu’au" in page.text
    assert len(rows(Payment)) == 1
    buyer.press()
    assert buyer.browser.status == 303


def test_a_lost_session_does_not_order_by_another_button(buyer: Buyer) -> None:
    buyer.open_order(wish=WISH)
    for name in ("__Host-access", "__Host-refresh"):
        buyer.browser.client.delete_cookie(name)
    buyer.press()
    assert buyer.browser.status == 401
    page = buyer.browser.send("/login", email=buyer.user.email, password=PASSWORD)
    page = buyer.browser.send("/formule/commande")
    assert "Relisez votre commande" in page.text
    assert "Seine-Saint-Denis (93)" in page.text
    assert len([at for tag, at in page.tags if "checked" in at]) == 3
    assert rows(Payment) == []
    buyer.press()
    assert buyer.browser.status == 303


def test_an_unconfirmed_address_is_led_to_its_confirmation(visitor: Browser) -> None:
    add_account(confirmed=False)
    visitor.sign_in()
    page = visitor.get("/formule/commande?plan=URGENCE_7J")
    assert "Confirmez d’abord votre adresse e-mail." in page.text
    assert BUTTON not in page.text
    visitor.send("/confirm")
    assert "Un message est en route" in visitor.follow().text


def test_an_address_that_became_unconfirmed_is_refused_with_words(buyer: Buyer, account: User) -> None:
    buyer.open_order()
    change(Contact, Contact.user_id == account.id, verified_at=None)
    buyer.press()
    assert "Confirmez d’abord votre adresse e-mail" in buyer.browser.follow().text
    assert rows(Payment) == []


def test_what_cannot_be_watched_is_not_sold_and_shows_what_is(buyer: Buyer) -> None:
    page = buyer.open_order(wish=UNWATCHED)
    assert "Cette démarche ne peut pas être surveillée ici" in page.text
    assert BUTTON not in page.text
    assert "prefecture=bobigny_93" in page.html, "another place for the same procedure"
    buyer.open_order()
    page = buyer.press(alert='{"prefectureId": "cergy_95", "procedures": ["TITRE_SEJOUR"]}')
    assert buyer.browser.status == 422
    assert "Cette démarche ne peut pas être surveillée ici" in page.text
    assert rows(Payment) == []


def test_existing_alerts_are_named_and_carried(buyer: Buyer) -> None:
    add_alert(buyer.user.id)
    page = buyer.open_order()
    assert "Seine-Saint-Denis (93)" in page.text
    buyer.press()
    buyer.pay()
    assert len(rows(Alert)) == 1


def test_while_stripe_is_away_the_page_says_when_to_come_back(buyer: Buyer) -> None:
    buyer.open_order(wish=WISH)
    buyer.shop.control.mode("error_500", path="/v1/")
    page = buyer.press()
    assert buyer.browser.status == 503
    assert int(buyer.browser.response.headers["Retry-After"]) > 0
    assert "Rien n’a été prélevé." in page.text
    assert "Réessayez dans" in page.text
    assert len([at for tag, at in page.tags if "checked" in at]) == 3


def test_an_upgrade_shows_its_credit(buyer: Buyer, frozen: time_machine.Traveller) -> None:
    buyer.buy(PlanName.URGENCE_24H)
    frozen.shift(timedelta(hours=12))
    page = buyer.open_order(PlanName.URGENCE_7J)
    assert "2,50" in page.text
    assert "12,49" in page.text
    page = buyer.open_order(PlanName.URGENCE_24H)
    assert "Votre formule est prolongée" in page.text


def test_a_smaller_plan_is_not_sold_beside_a_larger_one(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_7J)
    page = buyer.open_order(PlanName.URGENCE_24H)
    assert "Votre formule en cours comprend déjà celle-ci." in page.text
    assert BUTTON not in page.text


def test_a_plan_that_is_not_sold_leads_to_those_that_are(camille: Browser) -> None:
    for plan in ("", "NONE", "GOLD", "é", "x" * 5000):
        camille.get("/formule/commande", query_string={"plan": plan, "prefecture": "bobigny_93"})
        assert camille.location == "/formule?prefecture=bobigny_93", plan[:9]


def test_rubbish_in_the_alert_orders_nothing(buyer: Buyer) -> None:
    buyer.open_order()
    for alert in ("[]", "{", "x" * 9000, '{"prefectureId": "nowhere", "procedures": ["VISA"]}'):
        page = buyer.press(alert=alert)
        assert buyer.browser.status == 422, alert[:9]
        assert "choisissez-la de nouveau" in page.text or "Il faut au plus" in page.text
    assert rows(Payment) == []


def test_a_checkout_that_was_left_leads_back_to_the_plans(buyer: Buyer) -> None:
    buyer.open_order(wish=WISH)
    buyer.press()
    page = buyer.get("/register?payment=cancelled")
    assert page.headings == ["Rien n’a été payé"]
    assert 'href="/formule"' in page.html
