from configs.world.plan import PlanName
from tests.api.pages.plan.buyer import Buyer
from tests.clients import Browser


def test_without_a_plan_it_shows_what_is_sold(camille: Browser) -> None:
    page = camille.get("/formule?prefecture=bobigny_93&procedure=VISA")
    assert "Aucune formule en cours" in page.text
    for price in ("4,99", "14,99", "29,99"):
        assert price in page.text
    assert "plan=URGENCE_7J&amp;prefecture=bobigny_93&amp;procedure=VISA" in page.html
    assert "Aucun paiement pour l’instant" in page.text


def test_it_shows_the_plan_its_end_and_what_it_could_become(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_7J)
    page = buyer.get("/formule")
    assert "27 novembre 2026" in page.text
    assert "Aucun : elle finit d’elle-même" in page.text
    assert "Prolonger" in page.text
    assert "14,99 € déduits pour le reste de votre formule : 15,00 € à payer maintenant" in " ".join(
        page.text.split()
    )
    assert "Votre formule en cours comprend déjà celle-ci." in page.text
    assert "Résilier" not in page.text


def test_a_subscription_shows_its_renewal_and_the_way_out(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_TOTAL)
    page = buyer.get("/formule")
    assert "Chaque mois, jusqu’à votre résiliation" in page.text
    assert 'href="/formule/resiliation"' in page.html


def test_the_portal_opens_after_a_payment(buyer: Buyer) -> None:
    buyer.buy()
    buyer.get("/formule")
    buyer.browser.send("/formule/portail")
    assert "/p/session/" in buyer.browser.location or "portal" in buyer.browser.location


def test_a_portal_that_does_not_answer_says_so(buyer: Buyer) -> None:
    buyer.buy()
    buyer.get("/formule")
    buyer.shop.control.mode("error_500", path="/v1/")
    buyer.browser.send("/formule/portail")
    assert "ne répond pas" in buyer.browser.follow().text
