from api.models.declaration import Declaration
from api.models.payment import Refund, Subscription
from configs.world.plan import PlanName
from tests.api.pages.plan.buyer import Buyer
from tests.clients import Browser, Page
from tests.factories import rows


def send(buyer: Buyer, wished: str) -> Page:
    """Go both steps: choose, then send the page that shows the choice."""
    page = buyer.get(f"/formule/resiliation?wished={wished}")
    assert "notification de la résiliation" in page.text
    return buyer.browser.send("/formule/resiliation")


def test_it_ends_with_what_is_paid(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_TOTAL)
    page = buyer.get("/formule/resiliation")
    assert "Choisir la fin de la période, 20 décembre 2026" in page.text
    send(buyer, "periodEnd")
    assert "Votre résiliation est notifiée. Le contrat prend fin le 20 décembre 2026" in (
        buyer.browser.follow().text
    )
    page = buyer.get("/formule")
    assert "Aucun : résilié, fin le 20 décembre 2026" in page.text
    assert rows(Refund) == []


def test_each_day_says_beforehand_what_goes_back(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_TOTAL)
    page = buyer.get("/formule/resiliation")
    days = [at["value"] for tag, at in page.tags if tag == "option"]
    assert (days[0], days[-1], len(days)) == ("2026-11-20", "2026-11-30", 11)
    assert [at["value"] for tag, at in page.tags if "selected" in at] == ["2026-11-30"]
    assert "25 novembre 2026 : 24,41" in page.text
    step = buyer.get("/formule/resiliation?wished=2026-11-25")
    for _ in range(2):
        buyer.browser.page = step
        buyer.browser.send("/formule/resiliation")
        assert "24,41" in buyer.browser.follow().text
    assert (len(rows(Declaration)), rows(Refund)) == (1, [])
    assert "25 novembre 2026" in buyer.get("/formule").text


def test_one_press_undoes_it(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_TOTAL)
    send(buyer, "2026-11-25")
    buyer.get("/formule")
    buyer.browser.send("/formule/resiliation/annulation")
    page = buyer.browser.follow()
    assert "La résiliation est annulée : votre contrat continue." in page.text
    assert "Chaque mois" in page.text
    (contract,) = rows(Subscription)
    assert contract.cancel_wanted_at is None


def test_a_day_that_cannot_be_says_so_beside_the_field(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_TOTAL)
    for day in ("2026-11-19", "2026-12-01", "tomorrow", "2026-02-31", "9" * 5000, ""):
        buyer.get("/formule/resiliation?wished=periodEnd")
        buyer.browser.send("/formule/resiliation", wished=day)
        assert buyer.browser.status == 422, day[:12]
        assert "Le formulaire n’a pas été envoyé." in buyer.browser.page.text
    assert [each.cancel_wanted_at for each in rows(Subscription)] == [None]


def test_without_a_subscription_there_is_nothing_to_cancel(camille: Browser) -> None:
    page = camille.get("/formule/resiliation")
    assert "Il n’y a rien à résilier" in page.text
