"""Withdrawing in the account: visible for the whole period, two steps, and what goes back is shown."""

from datetime import timedelta

from api.models.declaration import Declaration
from api.models.notification import Notification
from api.models.payment import Payment
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.pages.plan.buyer import Buyer
from tests.clients import Page
from tests.factories import change, rows


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
