from api.models.payment import Refund, Subscription
from api.models.user import User
from configs.plan import PlanName
from tests.api.pages.browser import Browser
from tests.api.pages.plan.buyer import Buyer
from tests.api.world import PASSWORD, rows


def send(buyer: Buyer, **fields: str) -> None:
    """Send the form that has these fields: the first one ends with the period, the second one on a day."""
    page = buyer.browser.page
    page.forms = [
        each
        for each in page.forms
        if "resiliation" in each["attributes"]["action"]
        and ("periodEnd" in each["fields"]) is not bool(fields)
    ]
    buyer.browser.send("/formule/resiliation", **fields)


def test_it_ends_with_what_is_paid(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_TOTAL)
    page = buyer.get("/formule/resiliation")
    assert "Notification de la résiliation au 20 décembre 2026" in page.text
    send(buyer)
    assert "Votre contrat est résilié. Il prend fin le 20 décembre 2026" in buyer.browser.follow().text
    page = buyer.get("/formule")
    assert "Aucun : résilié, fin le 20 décembre 2026" in page.text
    assert rows(Refund) == []


def test_it_ends_on_a_day_and_what_is_left_goes_back_once(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_TOTAL)
    page = buyer.get("/formule/resiliation")
    days = [at["value"] for tag, at in page.tags if tag == "option"]
    assert (days[0], days[-1], len(days)) == ("2026-11-20", "2026-11-30", 11)
    for _ in range(2):
        buyer.browser.page = page
        send(buyer, on="2026-11-22")
    assert "vous sont remboursés" not in buyer.browser.follow().text, "the second time nothing changes"
    assert len(rows(Refund)) == 1
    (subscription,) = rows(Subscription)
    assert subscription.cancel_wanted_at.isoformat().startswith("2026-11-22T23:00")


def test_a_day_that_cannot_be_says_so_beside_the_field(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_TOTAL)
    buyer.get("/formule/resiliation")
    for day in ("2026-11-19", "2026-12-01", "tomorrow", "2026-02-31", "9" * 5000, ""):
        send(buyer, on=day)
        assert buyer.browser.status == 422, day[:12]
        assert "Le formulaire n’a pas été envoyé." in buyer.browser.page.text
        assert ("f-on-error" in buyer.browser.page.html) is bool(day)
    assert [each.cancel_wanted_at for each in rows(Subscription)] == [None]


def test_without_a_subscription_there_is_nothing_to_cancel(camille: Browser) -> None:
    page = camille.get("/formule/resiliation")
    assert "Il n’y a rien à résilier" in page.text


def test_without_a_login_it_leads_to_the_sign_in_and_back(visitor: Browser, account: User) -> None:
    visitor.get("/formule/resiliation")
    visitor.follow()
    visitor.send("/login", email=account.email, password=PASSWORD)
    assert visitor.follow().headings == ["Résilier votre contrat"]
