"""The note of an order from 25 €, before it is paid, and the client's name on the invoice."""

from collections.abc import Callable

import pytest

from api.models.payment import Payment
from configs.world.plan import PlanName
from tests.api.invoices.documents import issue
from tests.api.pages.plan.buyer import Buyer
from tests.factories import rows


def test_from_25_euros_the_order_shows_it(buyer: Buyer, settings_env: Callable[..., None]) -> None:
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


def test_below_it_does_not(buyer: Buyer) -> None:
    assert 'id="note"' not in buyer.open_order(PlanName.URGENCE_7J).html


def test_the_vat_in_it_is_that_of_the_settings(buyer: Buyer, settings_env: Callable[..., None]) -> None:
    settings_env(SELLER_VAT="FR32123456789")
    text = buyer.open_order(PlanName.URGENCE_TOTAL).text.replace("\u00a0", " ").replace("\u202f", " ")
    for amount in ("24,99 €", "5,00 €", "29,99 €", "TVA 20 %"):
        assert amount in text


def test_the_name_stands_on_the_invoice(buyer: Buyer) -> None:
    buyer.open_order()
    buyer.press(clientName="  Chloé Nœl ")
    buyer.pay()
    assert [each.client_name for each in issue()] == ["Chloé Nœl"]


@pytest.mark.parametrize("name", ["x" * 101, "a\nb"])
def test_a_name_that_is_none_is_said_beside_its_field(buyer: Buyer, name: str) -> None:
    buyer.open_order()
    page = buyer.press(clientName=name)
    assert buyer.browser.status == 422
    assert 'id="f-clientName-error"' in page.html
    assert rows(Payment) == []
