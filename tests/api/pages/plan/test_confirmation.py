from configs.world.plan import PlanName
from tests.api.pages.plan.buyer import Buyer
from tests.clients import Browser
from tests.factories import add_account, add_payment

BACK = "/dashboard?payment=success&plan=URGENCE_7J"
TWIN = "/formule/confirmation?plan=URGENCE_7J"


def ask(browser: Browser) -> tuple[str, bool]:
    """Return the part that the page shows by now, and whether the page stops to ask."""
    answer = browser.client.get(TWIN, headers={"Accept": "application/json"})
    assert answer.json is not None
    return answer.json["parts"]["payment"], answer.json["stop"]


def test_the_page_waits_until_the_plan_is_there(buyer: Buyer) -> None:
    buyer.open_order()
    buyer.press()
    buyer.pay(hears=False)
    page = buyer.get(BACK)
    assert "Merci, votre paiement est en route." in page.text
    assert f'data-live="{TWIN}"' in page.html
    assert "data-live-reload" in page.html  # plan and alerts are new then
    assert "Actualiser la page" in page.text
    part, stops = ask(buyer.browser)
    assert ("est en route" in part, stops) == (True, False)
    buyer.shop.deliver()
    part, stops = ask(buyer.browser)
    assert ("Votre paiement est confirmé." in part, stops) == (True, True)
    assert "27 novembre 2026" in part
    page = buyer.get(BACK)
    assert "Votre paiement est confirmé." in page.text
    assert "data-live" not in page.html


def test_an_order_that_was_not_paid_leads_to_another_one(buyer: Buyer) -> None:
    buyer.open_order()
    buyer.press()
    buyer.shop.pass_time(hours=2)
    part, stops = ask(buyer.browser)
    assert ("Le paiement n’a pas abouti." in part, stops) == (True, True)
    assert "/formule/commande?plan=URGENCE_7J" in part


def test_the_payment_of_somebody_else_confirms_nothing(camille: Browser) -> None:
    add_payment(add_account("other@example.org").id, PlanName.URGENCE_7J)
    assert ask(camille)[1] is False


def test_a_script_without_a_login_is_told_so(visitor: Browser) -> None:
    answer = visitor.client.get(TWIN, headers={"Accept": "application/json"})
    assert answer.status_code == 401
