"""Operators' pages of payments: the list, one payment, its refund, differences with Stripe, and totals."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask

from api.models.audit import AuditEntry
from api.models.payment import Payment
from configs.ground.clock import clock
from tests.api.pages.admin.conftest import act, plain
from tests.api.payments.shop import Shop, find_intent, get_payment, list_grants, list_refunds
from tests.clients import Browser, seat_operator
from tests.factories import add_account, add_payment, change, rows

LIST = "/admin/paiements"


@pytest.fixture
def admin(shop: Shop, app: Flask) -> Browser:
    """A browser of an admin, at the clock of the shop."""
    return seat_operator(app)


def write_address(payment_id: UUID) -> str:
    return f"{LIST}/{payment_id}"


def find_number(payment_id: UUID) -> str:
    return get_payment(payment_id).order_number or ""


def list_refund_audits() -> list[AuditEntry]:
    return [each for each in rows(AuditEntry) if each.action == "payment.refund"]


def test_a_part_goes_back_after_one_more_question(
    shop: Shop, admin: Browser, support: Browser, camille_id: UUID
) -> None:
    payment_id = shop.buy(camille_id)
    page = admin.get(write_address(payment_id))
    assert "14,99 € peuvent encore être rendus" in plain(page.text)
    page = admin.get(f"{write_address(payment_id)}/remboursement?amount=5,00")
    assert plain(page.headings[0]) == "Rendre 5,00 € ?"
    assert "La formule URGENCE 7J continue." in plain(page.text)
    assert "9,99 € peuvent encore être rendus" in plain(page.text)
    assert list_refunds(payment_id) == []
    admin.send("/remboursement", note="deux jours de panne <b>", typed=find_number(payment_id))
    assert "5,00 €" in plain(admin.follow().text)
    shop.deliver()
    assert get_payment(payment_id).refunded_cents == 500
    assert list_grants(camille_id)[0].ends_at > clock()
    (refund,) = list_refunds(payment_id)
    assert refund.note == "deux jours de panne <b>"
    assert "deux jours de panne <b>" in support.get(write_address(payment_id)).text
    (row,) = list_refund_audits()
    assert (row.subject_id, row.changes) == (str(payment_id), {"refundId": str(refund.id), "amount": 500})


def test_a_payment_under_dispute_says_so_before_money_goes_back(
    shop: Shop, admin: Browser, camille_id: UUID
) -> None:
    payment_id = shop.buy(camille_id)
    dispute = shop.control.dispute(find_intent(payment_id))
    shop.deliver()
    page = admin.get(f"{write_address(payment_id)}/remboursement?amount=5,00")
    assert "La banque examine une contestation" in page.text
    admin.send("/remboursement", note="geste", typed=find_number(payment_id))
    shop.work()
    page = admin.get(write_address(payment_id))
    assert "charge_disputed" in page.text, "why it waits"
    shop.control.close_dispute(str(dispute["id"]), "lost")
    shop.deliver()
    page = admin.get(write_address(payment_id))
    assert "dispute_lost" in page.text, "why it failed"
    assert "La page qui suit dit ce que cela fait" not in page.text, "nothing is left to give back"
    assert shop.control.ledger()[0]["refunded"] == 0


def test_all_that_is_left_ends_the_plan_and_the_page_says_so(
    shop: Shop, admin: Browser, camille_id: UUID
) -> None:
    payment_id = shop.buy(camille_id)
    page = admin.get(f"{write_address(payment_id)}/remboursement")
    assert "la formule URGENCE 7J prend fin" in plain(page.text)
    assert "il n’en reste rien à rendre" in page.text
    asked, number = page, find_number(payment_id)
    admin.send("/remboursement", note="essai", typed=number)
    shop.deliver()
    assert get_payment(payment_id).status.value == "REFUNDED"
    assert all(each.ends_at <= clock() for each in list_grants(camille_id))
    page = admin.get(write_address(payment_id))
    assert "Rien ne peut être rendu" in page.text
    assert "Tout est rendu" in page.text
    assert find_intent(payment_id) in page.text
    admin.page = asked
    admin.send("/remboursement", note="essai", typed=number)
    assert "tout l’a déjà été" in admin.follow().text
    assert len(list_refunds(payment_id)) == 1
    unpaid = shop.order(camille_id).payment_id
    assert "Rien ne peut être rendu" in admin.get(write_address(unpaid)).text
    admin.get(f"{write_address(unpaid)}/remboursement")
    assert "il n’a pas été payé" in admin.follow().text


def test_without_the_order_s_number_a_reason_or_an_amount_that_is_left_nothing_goes_back(
    shop: Shop, admin: Browser, camille_id: UUID
) -> None:
    payment_id = shop.buy(camille_id)
    for typed in ("", "XXXXXXXXXX", "14,99"):
        admin.get(f"{write_address(payment_id)}/remboursement?amount=1")
        page = admin.send("/remboursement", note="essai", typed=typed)
        assert admin.status == 422
        assert page.find_form("/remboursement")["fields"]["note"] == ["essai"], "what was typed is kept"
        assert page.find_form("/remboursement")["fields"]["cents"] == ["100"]
    page = admin.send("/remboursement", note="  ", typed=find_number(payment_id))
    assert admin.status == 422
    assert "Écrivez la raison" in page.text
    path = f"{write_address(payment_id)}/remboursement"
    for amount in ("15,00", "0", "0,00", "-1", "1,234", "5e2", "x" * 30, "99999999", "1 000"):
        admin.get(path, query_string={"amount": amount})
        assert "14,99 € peuvent encore être rendus, pas plus" in plain(admin.follow().text), amount
    for cents in ("1500", "0", "-5", "", "x", "9" * 30):  # forged ones
        admin.get(f"{path}?amount=1")
        admin.send("/remboursement", cents=cents, note="essai", typed=find_number(payment_id))
        assert admin.status == 303, cents
    assert list_refunds(payment_id) == []


def test_a_form_that_is_sent_twice_gives_back_once(shop: Shop, admin: Browser, camille_id: UUID) -> None:
    payment_id = shop.buy(camille_id)
    admin.get(f"{write_address(payment_id)}/remboursement?amount=5")
    asked = admin.page
    fields = {"note": "essai", "typed": find_number(payment_id)}
    admin.send("/remboursement", **fields)
    shop.clock.shift(timedelta(minutes=2))  # the service's own guard against double clicks is over
    admin.page = asked
    page = admin.send("/remboursement", **fields)
    assert admin.status == 422
    assert "Entre-temps, de l’argent de ce paiement a été rendu" in page.text
    assert page.find_form("/remboursement")["fields"]["left"] == ["999"], "one more press means it"
    assert [each.amount_cents for each in list_refunds(payment_id)] == [500]
    assert len(list_refund_audits()) == 1, "a refusal rolls its audit row back"


def test_the_same_again_within_a_minute_is_refused(shop: Shop, admin: Browser, camille_id: UUID) -> None:
    payment_id = shop.buy(camille_id)
    path, number = f"{write_address(payment_id)}/remboursement?amount=5", find_number(payment_id)
    act(admin, path, note="deux jours de panne", typed=number)
    assert "il y a moins d’une minute" in act(admin, path, note="deux jours de panne", typed=number)
    act(admin, path, note="et le troisième", typed=number)
    assert [each.amount_cents for each in list_refunds(payment_id)] == [500, 500]


def test_two_at_once_give_back_once(shop: Shop, admin: Browser, camille_id: UUID) -> None:
    payment_id = shop.buy(camille_id)
    admin.get(f"{write_address(payment_id)}/remboursement?amount=5")
    codes = admin.send_twice("/remboursement", note="essai", typed=find_number(payment_id))
    assert codes == [303, 422]
    assert [each.amount_cents for each in list_refunds(payment_id)] == [500]


def test_payments_are_found_by_number_state_account_and_stripe_s_id(
    shop: Shop, admin: Browser, camille_id: UUID
) -> None:
    order, paid = shop.order(camille_id), shop.buy(add_account("other@example.org").id)
    numbers = {each: find_number(each) for each in (order.payment_id, paid)}
    for query, expected in {
        f"orderNumber={numbers[paid]}": paid,
        "status=PENDING": order.payment_id,
        f"userId={camille_id}": order.payment_id,
        f"stripeId={order.session_id}": order.payment_id,
    }.items():
        page = admin.get(f"{LIST}?{query}")
        found = [each for each, number in numbers.items() if f"<bdi>{number}</bdi>" in page.html]
        assert found == [expected], query


def test_of_a_deleted_account_nobody_is_told(admin: Browser, camille_id: UUID) -> None:
    payment_id = add_payment(camille_id)
    change(Payment, Payment.id == payment_id, user_id=None)
    page = admin.get(write_address(payment_id))
    assert "supprimé" in page.text
    page = admin.get(f"{write_address(payment_id)}/remboursement?amount=1")
    assert "personne n’est averti" in page.text
