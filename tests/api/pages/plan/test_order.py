"""The page of an order: what it says, asks and stores, its note, its consents, after a withdrawal."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import time_machine

from api.accounts.consents import list_versions, read_consent_text
from api.models.alert import Alert, AlertTarget
from api.models.desk import DeskState
from api.models.payment import Payment, Referral
from api.models.user import Contact
from api.payments.billing.referrals import write_friend_link
from configs.ground.clock import clock
from configs.world.desk import Outcome
from configs.world.plan import PlanName
from tests.api.pages.plan.conftest import Buyer
from tests.api.pages.plan.test_plan import buy
from tests.api.payments.invoices.documents import issue
from tests.api.payments.shop import Shop
from tests.api.world import reveal_health
from tests.clients import Browser
from tests.desk_proofs import make_ready_to_order, prove_desks
from tests.factories import BOBIGNY, PASSWORD, add_account, add_alert, add_desk, change, rows
from tests.in_turn import in_turn

WISH = "&prefecture=bobigny_93&procedure=titre-sejour"
UNWATCHED = "&prefecture=cergy_95&procedure=TITRE_SEJOUR"
BUTTON = "commande avec obligation de paiement"
HEALTH_WISH = "&alert=" + quote(json.dumps({"deskIds": [BOBIGNY], "acceptHealth": True}))
NAMED = {  # an error names its box
    "consent.startNow": "Cochez « Je demande expressément que le service commence",
    "consent.acknowledgesLoss": "Cochez « Je reconnais que je perds mon droit",
}
BOXES = ["consent.startNow", "consent.acknowledgesLoss"]


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
    assert payment.consent["acceptsHourThreshold"] is False
    assert "je perds mon droit de rétractation" in payment.consent_text


def test_a_friends_link_is_named_by_an_order_unless_it_is_left_out(
    buyer: Buyer, settings_env: Callable[..., None]
) -> None:
    settings_env(FRIENDS="true")
    named = add_account("anna@example.org").id
    buyer.shop.buy(named)
    buyer.get(f"/ami/{write_friend_link(named).rpartition('/')[2]}")
    assert "des jours de plus" in buyer.browser.page.text
    page = buyer.open_order(wish=WISH)
    assert "Vous venez par le lien d’une personne abonnée" in page.text
    assert "anna" not in page.html
    buyer.press(friend=None, **{BOXES[0]: None})
    assert not [each for each in buyer.browser.page.forms if "friend" in each["fields"]], "it stays left out"
    buyer.press(friend=None)
    assert rows(Referral) == []
    buyer.open_order(wish=WISH)
    buyer.press()
    assert [each.user_id for each in rows(Referral)] == [named]
    buyer.pay()
    assert (
        "lien d’une personne abonnée" not in buyer.open_order(wish=WISH).text
    )  # it names the first order alone


def test_an_order_says_which_desks_are_watched_asks_an_old_proof_again_and_shows_the_answer(
    buyer: Buyer, frozen: time_machine.Traveller
) -> None:
    prove_desks()
    change(DeskState, feasible_seconds=240, slowest_seconds=1800)
    frozen.shift(timedelta(minutes=16))
    page = buyer.get(f"/formule/commande?plan=URGENCE_7J{WISH}")
    text = " ".join(page.text.split())
    assert "Aujourd’hui, une vérification en 4 minutes environ. Au plus lent 30 minutes" in text
    assert "Un captcha cache les places" in text  # of the other desk, before the price
    assert "Nous vérifions cette page maintenant" in text
    requested = {each.id: each.check_requested_at for each in rows(DeskState)}
    assert requested[BOBIGNY] == clock()
    change(DeskState, check_requested_at=None)  # the planner took it
    frozen.shift(timedelta(minutes=9))
    buyer.get(f"/formule/commande?plan=URGENCE_7J{WISH}")
    assert {each.check_requested_at for each in rows(DeskState)} == {None}
    for _ in range(5):
        prove_desks(BOBIGNY, outcome=Outcome.UNREADABLE, times=1)
    live = buyer.browser.client.get(f"/formule/commande/guichets?plan=URGENCE_7J{WISH}").get_json()
    assert (live["stop"], "Les dernières vérifications ont échoué" in live["parts"]["offer"]) == (True, True)
    page = buyer.get(f"/formule/commande?plan=URGENCE_7J{WISH}")
    assert BUTTON not in page.html
    assert "Me prévenir quand ce sera possible" in page.text


def test_without_a_desk_to_watch_no_plan_is_offered(buyer: Buyer) -> None:
    page = buyer.get("/formule/commande?plan=URGENCE_7J")
    assert BUTTON not in page.html
    assert "Choisissez ce qui est à surveiller" in page.text


LABELS = {
    "fr": "commande avec obligation de paiement",
    "en": "order with obligation to pay",
    "ar": '<bdi>\u2068<span lang="fr">commande avec obligation de paiement</span>'
    ' · <span lang="en">order with obligation to pay</span>\u2069</bdi>',
}


@pytest.mark.parametrize("language", LABELS)
def test_the_button_says_the_obligation_to_pay_and_the_line_before_it_what_price_and_duration(
    language: str, browse: Callable[..., Browser]
) -> None:
    make_ready_to_order(add_account(language=language).id)
    browser = browse(language)
    browser.sign_in()
    page = browser.get("/formule/commande?plan=URGENCE_TOTAL")
    assert f"<span>{LABELS[language]}</span></button>" in page.html
    last = page.html.rpartition('<p class="last-line">')[2]
    before, _, after = last.partition("<button")
    words = re.sub(r"<[^>]+>", "", before).replace("\N{NO-BREAK SPACE}", " ")
    assert "URGENCE TOTAL" in words
    assert re.search(r"29[.,]99", words)
    month = {
        "fr": "par mois, sans durée fixe",
        "en": "a month, without a fixed term",
        "ar": "par mois, sans durée fixe",
    }
    assert month[language] in words
    assert ("باختصار" in page.text) is (language == "ar"), "what binds is explained in the reader’s language"
    assert before.count("<p") == 0, "nothing stands between that line and the button"
    assert LABELS[language] in after
    assert page.html.index("PayPal") < page.html.index('id="alert"'), "means of payment come first"
    names = re.findall(r'href="/l/retractation"[^>]*>(.+?)</a>', page.html, re.DOTALL)
    own = 2 if language == "ar" else 1  # the order's: of one sentence in French and English two
    assert len(names) == own + 1, "and that of every page's foot"
    assert all(any(word in " ".join(each.split()) for word in FUNCTION[language]) for each in names)


FUNCTION = {
    "fr": ["renoncer au contrat ici"],
    "en": ["withdraw from contract here"],
    "ar": ["renoncer au contrat ici", "withdraw from contract here"],
}


@pytest.mark.parametrize("language", ["de", "ar", "zh"])
def test_the_halves_of_a_sentence_have_dates_and_amounts_in_their_own_language(
    language: str,
    browse: Callable[..., Browser],
    settings_env: Callable[..., None],
    shop: Shop,
    frozen: time_machine.Traveller,
) -> None:
    settings_env(FRIENDS="true")
    make_ready_to_order(add_account(language=language).id)
    browser = browse(language)
    browser.sign_in()
    named = add_account("anna@example.org").id
    shop.buy(named)
    friends = browser.get(f"/ami/{write_friend_link(named).rpartition('/')[2]}").html
    assert "\u2068" not in friends.partition("<h1>")[2].partition("<ul>")[0], (
        "what does not bind is translated"
    )
    halves = split_halves(browser.get("/formule/commande?plan=URGENCE_7J").html)
    assert "7 jours, jusqu’au 27 novembre 2026, 10:00. Elle finit d’elle-même." in halves["fr"]
    assert "7 days, until November 27, 2026, 10:00. It ends by itself." in halves["en"]
    assert "Vous commandez URGENCE 7J : 14,99 €, une seule fois, pour 7 jours." in halves["fr"]
    assert "Nommer cette personne : vous recevez 2 jours de plus" in halves["fr"]
    said = browser.get("/l/resilier").text
    assert "Dix jours : 30 novembre 2026 · Ten days: November 30, 2026" in said.replace(
        "\N{NO-BREAK SPACE}", " "
    )


def split_halves(html: str) -> dict[str, set[str]]:
    """Return the sentences that stand in French, and those in English beside them."""
    found = re.findall(r'<span lang="(fr|en)">(.*?)</span>', html, re.DOTALL)
    plain = [(each, re.sub(r"<[^>]+>", "", text).replace("\N{NO-BREAK SPACE}", " ")) for each, text in found]
    return {each: {text for of, text in plain if of == each} for each in ("fr", "en")}


def test_each_consent_is_a_box_of_its_own_that_nobody_ticks_for_the_user(buyer: Buyer) -> None:
    page = buyer.open_order(wish=WISH)
    boxes = [at for tag, at in page.tags if at.get("type") == "checkbox"]
    assert [at["name"] for at in boxes] == BOXES
    assert not any("checked" in at for at in boxes)
    for left_out in BOXES:
        page = buyer.press(**{left_out: ""})
        assert buyer.browser.status == 422
        boxes = [at for tag, at in page.tags if at.get("type") == "checkbox"]
        assert ["checked" in at for at in boxes] == [at["name"] != left_out for at in boxes]
        (wrong,) = (at for at in boxes if "aria-invalid" in at)
        assert wrong["name"] == left_out
        assert f"{wrong['id']}-error" in wrong["aria-describedby"]
        assert NAMED[left_out] in page.text.replace("\xa0", " ")
        assert rows(Payment) == []


def test_back_after_the_payment_the_old_form_orders_nothing_unseen(buyer: Buyer) -> None:
    buyer.open_order()
    buyer.press()
    buyer.pay()
    page = buyer.press()
    assert buyer.browser.status == 422
    assert "Une commande a été payée entre-temps" in page.text
    assert "Votre offre est prolongée jusqu’au" in page.text
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
    assert len([at for tag, at in page.tags if "checked" in at]) == 3  # the boxes, and what it is for
    assert rows(Payment) == []
    buyer.press()
    assert buyer.browser.status == 303


def test_an_unconfirmed_address_orders_nothing_and_is_led_to_its_confirmation(buyer: Buyer) -> None:
    buyer.open_order()
    change(Contact, Contact.user_id == buyer.user.id, verified_at=None)
    buyer.press()
    assert "Confirmez d’abord votre adresse e-mail" in buyer.browser.follow().text
    assert rows(Payment) == []
    page = buyer.open_order()
    assert "Confirmez d’abord votre adresse e-mail." in page.text
    assert BUTTON not in page.text
    buyer.browser.send("/confirm")
    assert "Un message est en route" in buyer.browser.follow().text


def test_what_cannot_be_watched_is_not_sold_and_shows_what_is(buyer: Buyer) -> None:
    page = buyer.open_order(wish=UNWATCHED)
    assert "Cette démarche ne peut pas être surveillée ici" in page.text
    assert BUTTON not in page.text
    assert "checked" not in page.html  # no choice among what is not sold
    assert "prefecture=bobigny_93" not in page.html, (
        "a residence permit is bound to the department of residence"
    )
    buyer.open_order()
    page = buyer.press(alert='{"prefectureId": "cergy_95", "procedures": ["TITRE_SEJOUR"]}')
    assert buyer.browser.status == 422
    assert "Cette démarche ne peut pas être surveillée ici" in page.text
    assert rows(Payment) == []


def test_existing_alerts_are_named_and_carried_and_the_name_stands_on_the_invoice(buyer: Buyer) -> None:
    add_alert(buyer.user.id)
    page = buyer.open_order()
    assert "Seine-Saint-Denis (93)" in page.text
    buyer.press(clientName="  Chloé Nœl ")
    buyer.pay()
    assert len(rows(Alert)) == 1
    assert [each.client_name for each in issue()] == ["Chloé Nœl"]


def test_while_stripe_is_away_the_page_says_when_to_come_back(buyer: Buyer) -> None:
    buyer.open_order(wish=WISH)
    buyer.shop.control.mode("error_500", path="/v1/")
    page = buyer.press()
    assert buyer.browser.status == 503
    assert int(buyer.browser.response.headers["Retry-After"]) > 0
    assert "Rien n’a été prélevé." in page.text
    assert "Réessayez dans" in page.text
    assert len([at for tag, at in page.tags if "checked" in at]) == 3  # the boxes, and what it is for


def test_an_upgrade_shows_its_credit_and_a_smaller_plan_is_not_sold(
    buyer: Buyer, frozen: time_machine.Traveller
) -> None:
    buyer.buy(PlanName.URGENCE_24H)
    frozen.shift(timedelta(hours=12))
    page = buyer.open_order(PlanName.URGENCE_7J)
    assert "2,50" in page.text
    assert "12,49" in page.text
    assert "Votre offre est prolongée" in buyer.open_order(PlanName.URGENCE_24H).text
    buyer.buy(PlanName.URGENCE_7J)
    page = buyer.open_order(PlanName.URGENCE_24H)
    assert "Votre offre en cours comprend déjà celle-ci." in page.text
    assert BUTTON not in page.text


def test_a_plan_that_is_not_sold_leads_to_those_that_are(camille: Browser) -> None:
    for plan in ("", "NONE", "GOLD", "é", "x" * 5000):
        camille.get("/formule/commande", query_string={"plan": plan, "prefecture": "bobigny_93"})
        assert camille.location == "/formule?prefecture=bobigny_93", plan[:9]


def test_from_25_euros_the_order_shows_a_note_with_the_vat_of_the_settings(
    buyer: Buyer, settings_env: Callable[..., None]
) -> None:
    assert 'id="note"' not in buyer.open_order(PlanName.URGENCE_7J).html
    settings_env(SELLER_NAME="Œuvre utile", SELLER_ADDRESS="1 rue de l’Été", SELLER_SIREN="123456789")
    page = buyer.open_order(PlanName.URGENCE_TOTAL)
    for text in (
        "Note",
        "20 novembre 2026",
        "Œuvre utile",
        "1 rue de l’Été",
        "123456789",
        "TVA non applicable",
    ):
        assert text in page.text
    assert page.html.index('id="note"') < page.html.index("order-button")
    settings_env(SELLER_VAT="FR32123456789")
    text = buyer.open_order(PlanName.URGENCE_TOTAL).text.replace("\u00a0", " ").replace("\u202f", " ")
    for amount in ("24,99 €", "5,00 €", "29,99 €", "TVA 20 %"):
        assert amount in text


@in_turn("name", ["x" * 101, "a\nb"])
def test_a_name_that_is_none_is_said_beside_its_field(buyer: Buyer, name: str) -> None:
    buyer.open_order()
    page = buyer.press(clientName=name)
    assert buyer.browser.status == 422
    assert 'id="f-clientName-error"' in page.html
    assert rows(Payment) == []


@pytest.fixture
def patient(buyer: Buyer, settings_env: Callable[..., None], tmp_path: Path) -> Buyer:
    """Give a buyer at a prefecture one of whose desks is for sick foreigners."""
    reveal_health(tmp_path, settings_env)
    return buyer


def test_the_order_asks_for_explicit_consent(patient: Buyer) -> None:
    page = patient.open_order(wish=HEALTH_WISH)
    assert read_consent_text("health", "fr") in page.text
    assert '<bdi lang="fr">Étrangers malades' in page.html, "the desk is named as people know it"
    (box,) = (at for tag, at in page.tags if at.get("name") == "acceptHealth")
    assert "checked" not in box, "an address ticks no box"
    page = patient.press()
    assert "Cochez cette case pour attendre cette page de rendez-vous." in page.text
    assert (patient.browser.status, rows(Payment)) == (422, [])


def test_the_consent_is_stored_as_of_the_order(patient: Buyer) -> None:
    patient.open_order(wish=HEALTH_WISH)
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
    assert "acceptHealth" not in [at.get("name") for tag, at in buyer.open_order(wish=HEALTH_WISH).tags]
    buyer.press()
    buyer.pay()
    assert rows(Alert)[0].consent is None


@pytest.fixture
def withdrawn(buyer: Buyer) -> Buyer:
    """Give a buyer who used a plan for a minute and withdrew."""
    order = buy(buyer)
    buyer.shop.pass_time(minutes=1)
    buyer.get(f"/formule/retractation/{order.id}")
    buyer.browser.send("/formule/retractation/")
    assert buyer.browser.status == 303
    return buyer


def test_the_order_says_when_it_begins_and_asks_for_no_beginning_at_once(withdrawn: Buyer) -> None:
    page = withdrawn.open_order(wish=WISH)
    assert "commence le 5 décembre 2026, 00:00" in page.text
    assert "tout vous est remboursé" in page.text
    boxes = [at["name"] for tag, at in page.tags if at.get("type") == "checkbox"]
    assert boxes == BOXES[2:]
    last = page.html.rpartition('<p class="last-line">')[2].partition("</p>")[0]
    assert "2026-12-04T23:00:00" in last, "the line before the button says it, too"
    page = withdrawn.open_order(PlanName.URGENCE_TOTAL)
    assert "à partir du 18 février 2027" in page.text
    assert "plan=URGENCE_24H" in page.html
    assert not [at for tag, at in page.tags if at.get("type") == "checkbox"], "it cannot be ordered"


def test_it_is_bought_and_each_page_says_that_the_plan_waits(withdrawn: Buyer) -> None:
    add_desk()
    page = withdrawn.get("/formule")
    assert "Après une rétractation, cette offre commence le 5 décembre 2026, 00:00." in page.text
    assert "Après une rétractation, à partir du 18 février 2027" in page.text
    withdrawn.open_order(wish=WISH)
    withdrawn.browser.page.forms = [each for each in withdrawn.browser.page.forms if "paid" in each["fields"]]
    withdrawn.browser.send("/formule/commande", button_code="order")
    withdrawn.pay()
    order = max(rows(Payment), key=lambda each: each.id)
    assert (order.consent["startNow"], order.consent_text) == (False, "")
    (alert,) = rows(Alert, Alert.enabled)
    for url in ("/formule", "/dashboard", f"/alertes/{alert.id}"):
        assert "commence le 5 décembre 2026, 00:00" in withdrawn.get(url).text, url
    assert "du 5 décembre 2026, 00:00 au 12 décembre 2026, 00:00" in (
        withdrawn.get("/dashboard?payment=success&plan=URGENCE_7J").text
    )


def test_it_says_by_which_channels_alerts_leave_as_set_up_today(buyer: Buyer) -> None:
    text = " ".join(buyer.open_order(wish=WISH).text.split())
    assert "Vos alertes partent parE-mail" in text
    change(Contact, Contact.user_id == buyer.user.id, enabled=False)
    text = " ".join(buyer.open_order(wish=WISH).text.split())
    assert "aucun canal : rien ne vous parviendrait" in text


def test_one_desk_replaces_its_procedure(buyer: Buyer) -> None:
    page = buyer.open_order(wish=WISH)
    (choice,) = (each for each in page.forms if each["attributes"]["method"] == "get")
    (chosen,) = choice["fields"]["alert"]
    offered = [json.loads(at["value"]) for _, at in page.tags if at.get("type") == "radio"]
    assert json.loads(chosen)["procedures"] == ["TITRE_SEJOUR"]
    assert [each["deskIds"] for each in offered] == [[], [BOBIGNY], ["bobigny_93/naturalisation"]]
    buyer.get(f"/formule/commande?plan=URGENCE_7J&alert={quote(json.dumps(offered[1]))}")
    assert "Seulement : Titre de séjour" in buyer.browser.page.text.replace("\xa0", " ")
    buyer.press()
    buyer.pay()
    (alert,) = rows(Alert)
    assert [(each.desk_id, each.procedure) for each in rows(AlertTarget)] == [(BOBIGNY, None)]
    assert alert.enabled


def test_what_is_not_watched_is_not_offered_without_its_alert(buyer: Buyer) -> None:
    page = buyer.open_order(wish=UNWATCHED)
    add_alert(buyer.user.id)
    assert "Commander sans cette alerte" not in buyer.open_order(wish=UNWATCHED).text
    assert "Me prévenir quand ce sera possible" in page.text
