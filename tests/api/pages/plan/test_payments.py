import pytest

from api.models.user import User
from configs.world.plan import PlanName
from tests.api.pages.plan.buyer import Buyer
from tests.clients import Browser
from tests.factories import add_account, add_payment, rows


def test_it_lists_the_users_payments_and_leads_to_each(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_24H)
    buyer.buy(PlanName.URGENCE_7J)
    stranger = add_payment(add_account("other@example.org").id)
    page = buyer.get("/formule/paiements")
    assert page.text.count("Payé") == 2
    assert str(stranger) not in page.html
    link = next(at["href"] for tag, at in page.tags if "/formule/paiements/" in at.get("href", ""))
    page = buyer.get(link)
    assert "Reste de la formule précédente, déduit du prix" in page.text
    assert "Conditions acceptées" in page.text
    assert "Reçus et factures" in page.text


@pytest.mark.parametrize("path", ["x", "0", "00000000-0000-0000-0000-000000000000", "%00"])
def test_an_unknown_payment_is_not_there(camille: Browser, path: str) -> None:
    camille.get(f"/formule/paiements/{path}")
    assert camille.status == 404


def test_many_payments_are_shown_in_pages(camille: Browser) -> None:
    (user,) = rows(User)
    for _ in range(21):
        add_payment(user.id)
    assert "Tous les paiements" in camille.get("/formule").text
    page = camille.get("/formule/paiements")
    following = next(at["href"] for tag, at in page.tags if at.get("rel") == "next")
    assert camille.get(following).html.count('href="/formule/paiements/') == 1
    assert camille.get("/formule/paiements?before=rubbish").html.count('href="/formule/paiements/') == 20
