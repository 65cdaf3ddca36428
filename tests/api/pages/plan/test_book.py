"""The book of an order on its page: where its money is, in plain words, for its owner and for operators."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask

from api.background import jobs
from api.models.payment import Payment, StripeId
from configs.world.plan import PlanName
from tests.api.pages.plan.buyer import Buyer
from tests.clients import Browser, Page, seat_operator
from tests.factories import add_account, rows

_WISH = "&prefecture=bobigny_93&procedure=titre-sejour"
_TITLE = "Où est l’argent"


def plain(page: Page) -> str:
    """Return a page's words, with one blank between them."""
    return " ".join(unescape(re.sub("<[^>]+>", " ", page.html)).split())


def read_book(buyer: Buyer, which: int = 0) -> str:
    """Return what a payment's page says of its money: the oldest payment by 0."""
    buyer.browser.sign_in()
    payment = sorted(rows(Payment), key=lambda each: each.id)[which]
    return plain(buyer.get(f"/formule/paiements/{payment.id}")).partition(_TITLE)[2]


def find_intent() -> str:
    return next(str(each.id) for each in rows(StripeId) if each.kind == "payment_intent")


def test_a_paid_order_is_counted_when_its_plan_is_over(buyer: Buyer) -> None:
    buyer.buy()
    assert "Payé 14,99 € Formule en cours, pas encore comptée 14,99 €" in read_book(buyer)
    buyer.shop.pass_time(days=8)
    jobs.reconcile_payments()
    assert "Payé 14,99 € Temps utilisé 14,99 € Mouvements" in read_book(buyer)


def test_a_withdrawal_shows_what_goes_back_and_why(buyer: Buyer) -> None:
    buyer.buy()
    (payment,) = rows(Payment)
    buyer.get(f"/formule/retractation/{payment.id}")
    buyer.browser.send("/formule/retractation/", name="Camille")
    assert "Payé 14,99 € Encore dû 14,99 € Mouvements" in read_book(buyer)
    buyer.shop.deliver()
    book = read_book(buyer)
    assert "Payé 14,99 € Remboursé 14,99 € Mouvements" in book
    assert "Remboursement demandé · Rétractation 20/11/2026 10:00 14,99 €" in book
    assert "Remboursé · Rétractation 20/11/2026 10:00 14,99 €" in book


def test_an_outage_lowers_the_next_charge(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_TOTAL, _WISH)
    buyer.shop.pass_time(days=20)
    jobs.credit_outages()
    buyer.shop.deliver()
    book = read_book(buyer)
    assert "Temps non surveillé, à rendre" in book
    assert "Encore dû 19,99 €" in book, book
    buyer.shop.pass_time(days=11)
    assert "Temps non surveillé, déduit du prélèvement suivant" in read_book(buyer)
    book = read_book(buyer, 1)
    assert "Payé 10,00 € Déduit du prix 19,99 €" in book
    assert "Temps non surveillé, déduit du prix" in book


def test_an_upgrade_moves_the_rest(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_24H)
    buyer.shop.clock.shift(timedelta(hours=12))
    buyer.browser.sign_in()
    buyer.buy(PlanName.URGENCE_7J)
    book = read_book(buyer)
    assert "Payé 4,99 € Temps utilisé 2,49 € Compté dans une autre commande 2,50 €" in book
    assert "Reste passé à une formule plus grande 20/11/2026 22:00 2,50 €" in book
    book = read_book(buyer, 1)
    assert "Payé 12,49 € Déduit du prix 2,50 € Formule en cours, pas encore comptée 14,99 €" in book
    assert "Reste de la formule précédente, déduit du prix 20/11/2026 22:00 2,50 €" in book


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ("", "Payé 14,99 € Contesté, retenu par la banque 14,99 € Mouvements"),
        ("won", "Contestation close : le paiement est maintenu 20/11/2026 10:00 14,99 €"),
        ("lost", "Payé 14,99 € Rendu par la banque après une contestation 14,99 € Mouvements"),
    ],
)
def test_a_dispute_says_where_the_money_is(buyer: Buyer, end: str, says: str) -> None:
    buyer.buy()
    dispute = buyer.shop.control.dispute(find_intent())
    if end:
        buyer.shop.control.close_dispute(str(dispute["id"]), end)
    buyer.shop.deliver()
    assert says in read_book(buyer)


def test_operators_read_the_same_with_their_reasons(buyer: Buyer, app: Flask) -> None:
    buyer.buy()
    buyer.shop.control.refund(find_intent(), 500)
    buyer.shop.deliver()
    assert "Remboursé · Par notre équipe 20/11/2026 10:00 5,00 €" in read_book(buyer)
    (payment,) = rows(Payment)
    page = plain(seat_operator(app).get(f"/admin/paiements/{payment.id}"))
    assert "Payé 14,99 € Formule en cours, pas encore comptée 9,99 € Remboursé 5,00 €" in page
    assert "Remboursé · Fait dans Stripe 20/11/2026 10:00 5,00 €" in page


def test_an_unpaid_order_has_no_book_and_anothers_is_not_there(
    buyer: Buyer, browse: Callable[..., Browser]
) -> None:
    buyer.open_order()
    buyer.press()
    answer = buyer.browser.response
    (payment,) = rows(Payment)
    assert _TITLE not in buyer.get(f"/formule/paiements/{payment.id}").text
    buyer.browser.response = answer
    buyer.pay()
    add_account("other@example.org")
    other = browse().sign_in("other@example.org")
    page = other.get(f"/formule/paiements/{payment.id}")
    assert other.status == 404
    assert _TITLE not in page.text
