"""Pages that end a plan: cancellation and withdrawal in the account."""

from datetime import timedelta

from api.models.declaration import Declaration
from api.models.notification import Notification
from api.models.payment import Payment, Refund, Subscription
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.pages.plan.conftest import Buyer
from tests.clients import Browser, Page
from tests.factories import change, rows


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


def buy(buyer: Buyer, name: PlanName = PlanName.URGENCE_7J) -> Payment:
    buyer.buy(name)
    change(Notification, Notification.kind == "order", accepted_at=clock())
    found: list[Payment] = rows(Payment)
    return next(each for each in found if each.plan is name)


def list_links(page: Page) -> list[str]:
    """Return the links to withdrawals from single orders."""
    return [
        at["href"] for tag, at in page.tags if tag == "a" and "/formule/retractation/" in at.get("href", "")
    ]


def test_each_order_shows_its_end_and_two_steps_withdraw_from_it(buyer: Buyer) -> None:
    order = buy(buyer)
    page = buyer.get("/formule")
    assert "Vous pouvez vous rétracter jusqu’au vendredi 4 décembre 2026, à minuit" in page.text
    assert page.text.count("renoncer au contrat ici") == 2, "the order's, and that of every page's foot"
    (link,) = list_links(page)
    page = buyer.get(link)
    assert all(
        part in page.text
        for part in (str(order.order_number), "14,99\u00a0€", "jusqu’au vendredi 4 décembre 2026")
    )
    assert "confirmer la rétractation" in page.text
    assert rows(Declaration) == []
    buyer.browser.send("/formule/retractation/", name="Camille Martin")
    page = buyer.browser.follow()
    assert "Votre rétractation est enregistrée." in page.text
    assert "10:00:00" in page.text
    assert "Nous vous remboursons 14,99\u00a0€" in page.text
    assert list_links(buyer.get("/formule")) == []


def test_it_stays_visible_when_the_plan_is_over_and_says_why_nothing_is_left(buyer: Buyer) -> None:
    buy(buyer, PlanName.URGENCE_24H)
    buyer.shop.pass_time(days=2)
    (link,) = list_links(buyer.get("/formule"))
    page = buyer.get(link)
    assert "La formule a été utilisée jusqu’à sa fin." in page.text
    assert "confirmer la rétractation" not in page.text


def test_it_goes_with_the_period(buyer: Buyer) -> None:
    order = buy(buyer, PlanName.URGENCE_TOTAL)
    page = buyer.get(f"/formule/retractation/{order.id}")
    buyer.shop.clock.shift(timedelta(days=15))
    buyer.browser.sign_in()
    assert list_links(buyer.get("/formule")) == []
    assert (
        "Le délai pour se rétracter de cette commande est passé."
        in buyer.get(f"/formule/retractation/{order.id}").text
    )
    assert page.forms[-1]["fields"].keys() >= {"name"}


def test_a_name_that_is_too_long_is_said_beside_its_field(buyer: Buyer) -> None:
    buyer.get(f"/formule/retractation/{buy(buyer).id}")
    buyer.browser.send("/formule/retractation/", name="é" * 10_000)
    assert buyer.browser.status == 422
    assert "Ce nom est trop long." in buyer.browser.page.text
    assert rows(Declaration) == []
