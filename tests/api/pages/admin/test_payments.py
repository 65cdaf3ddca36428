"""Operators' pages of payments: the list, one payment, its refund, Stripe's events, differences, declarations, totals of invoices."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from flask import Flask

from api.models.audit import AuditEntry
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.payment import Payment
from api.models.stripe_event import StripeEventFlag
from api.models.user import Role
from configs.ground.clock import clock
from tests.api.pages.admin.conftest import audit, plain, walk
from tests.api.payments.invoices.documents import issue, pay, refund, sum_documents
from tests.api.payments.shop import Shop, find_intent, get_payment, list_grants, list_refunds
from tests.clients import Browser, seat_operator
from tests.factories import add_account, add_difference, add_payment, add_stripe_event, change, rows, save
from tests.in_turn import in_turn

PAYMENTS = "/admin/paiements"


@pytest.fixture
def treasurer(shop: Shop, app: Flask) -> Browser:
    """A browser of an admin, at the clock of the shop."""
    return seat_operator(app)


def write_address(payment_id: UUID) -> str:
    return f"{PAYMENTS}/{payment_id}"


def find_number(payment_id: UUID) -> str:
    return get_payment(payment_id).order_number or ""


def list_refund_audits() -> list[AuditEntry]:
    return [each for each in rows(AuditEntry) if each.action == "payment.refund"]


def test_a_part_goes_back_after_one_more_question(
    shop: Shop, treasurer: Browser, support: Browser, camille_id: UUID
) -> None:
    payment_id = shop.buy(camille_id)
    page = treasurer.get(write_address(payment_id))
    assert "14,99 € peuvent encore être rendus" in plain(page.text)
    page = treasurer.get(f"{write_address(payment_id)}/remboursement?amount=5,00")
    assert plain(page.headings[0]) == "Rendre 5,00 € ?"
    assert "La formule URGENCE 7J continue." in plain(page.text)
    assert "9,99 € peuvent encore être rendus" in plain(page.text)
    assert list_refunds(payment_id) == []
    treasurer.send("/remboursement", note="deux jours de panne <b>", typed=find_number(payment_id))
    assert "5,00 €" in plain(treasurer.follow().text)
    shop.deliver()
    assert get_payment(payment_id).refunded_cents == 500
    assert list_grants(camille_id)[0].ends_at > clock()
    (refund,) = list_refunds(payment_id)
    assert refund.note == "deux jours de panne <b>"
    assert "deux jours de panne <b>" in support.get(write_address(payment_id)).text
    (row,) = list_refund_audits()
    assert (row.subject_id, row.changes) == (str(payment_id), {"refundId": str(refund.id), "amount": 500})


def test_a_payment_under_dispute_says_so_before_money_goes_back(
    shop: Shop, treasurer: Browser, camille_id: UUID
) -> None:
    payment_id = shop.buy(camille_id)
    dispute = shop.control.dispute(find_intent(payment_id))
    shop.deliver()
    page = treasurer.get(f"{write_address(payment_id)}/remboursement?amount=5,00")
    assert "La banque examine une contestation" in page.text
    treasurer.send("/remboursement", note="geste", typed=find_number(payment_id))
    shop.work()
    page = treasurer.get(write_address(payment_id))
    assert "charge_disputed" in page.text, "why it waits"
    shop.control.close_dispute(str(dispute["id"]), "lost")
    shop.deliver()
    page = treasurer.get(write_address(payment_id))
    assert "dispute_lost" in page.text, "why it failed"
    assert "La page qui suit dit ce que cela fait" not in page.text, "nothing is left to give back"
    assert shop.control.ledger()[0]["refunded"] == 0


def test_all_that_is_left_ends_the_plan_and_the_page_says_so(
    shop: Shop, treasurer: Browser, camille_id: UUID
) -> None:
    payment_id = shop.buy(camille_id)
    page = treasurer.get(f"{write_address(payment_id)}/remboursement")
    assert "la formule URGENCE 7J prend fin" in plain(page.text)
    assert "il n’en reste rien à rendre" in page.text
    asked, number = page, find_number(payment_id)
    treasurer.send("/remboursement", note="essai", typed=number)
    shop.deliver()
    assert get_payment(payment_id).status.value == "REFUNDED"
    assert all(each.ends_at <= clock() for each in list_grants(camille_id))
    page = treasurer.get(write_address(payment_id))
    assert "Rien ne peut être rendu" in page.text
    assert "Tout est rendu" in page.text
    assert find_intent(payment_id) in page.text
    treasurer.page = asked
    treasurer.send("/remboursement", note="essai", typed=number)
    assert "tout l’a déjà été" in treasurer.follow().text
    assert len(list_refunds(payment_id)) == 1
    unpaid = shop.order(camille_id).payment_id
    assert "Rien ne peut être rendu" in treasurer.get(write_address(unpaid)).text
    treasurer.get(f"{write_address(unpaid)}/remboursement")
    assert "il n’a pas été payé" in treasurer.follow().text


def test_without_the_order_s_number_a_reason_or_an_amount_that_is_left_nothing_goes_back(
    shop: Shop, treasurer: Browser, camille_id: UUID
) -> None:
    payment_id = shop.buy(camille_id)
    for typed in ("", "XXXXXXXXXX", "14,99"):
        treasurer.get(f"{write_address(payment_id)}/remboursement?amount=1")
        page = treasurer.send("/remboursement", note="essai", typed=typed)
        assert treasurer.status == 422
        assert page.find_form("/remboursement")["fields"]["note"] == ["essai"], "what was typed is kept"
        assert page.find_form("/remboursement")["fields"]["cents"] == ["100"]
    page = treasurer.send("/remboursement", note="  ", typed=find_number(payment_id))
    assert treasurer.status == 422
    assert "Écrivez la raison" in page.text
    path = f"{write_address(payment_id)}/remboursement"
    for amount in ("15,00", "0", "0,00", "-1", "1,234", "5e2", "x" * 30, "99999999", "1 000"):
        treasurer.get(path, query_string={"amount": amount})
        assert "14,99 € peuvent encore être rendus, pas plus" in plain(treasurer.follow().text), amount
    for cents in ("1500", "0", "-5", "", "x", "9" * 30):  # forged ones
        treasurer.get(f"{path}?amount=1")
        treasurer.send("/remboursement", cents=cents, note="essai", typed=find_number(payment_id))
        assert treasurer.status == 303, cents
    assert list_refunds(payment_id) == []


def test_a_form_that_is_sent_twice_gives_back_once(shop: Shop, treasurer: Browser, camille_id: UUID) -> None:
    payment_id = shop.buy(camille_id)
    treasurer.get(f"{write_address(payment_id)}/remboursement?amount=5")
    asked = treasurer.page
    fields = {"note": "essai", "typed": find_number(payment_id)}
    treasurer.send("/remboursement", **fields)
    shop.clock.shift(timedelta(minutes=2))  # the service's own guard against double clicks is over
    treasurer.page = asked
    page = treasurer.send("/remboursement", **fields)
    assert treasurer.status == 422
    assert "Entre-temps, de l’argent de ce paiement a été rendu" in page.text
    assert page.find_form("/remboursement")["fields"]["left"] == ["999"], "one more press means it"
    assert [each.amount_cents for each in list_refunds(payment_id)] == [500]
    assert len(list_refund_audits()) == 1, "a refusal rolls its audit row back"


def test_two_at_once_give_back_once(shop: Shop, treasurer: Browser, camille_id: UUID) -> None:
    payment_id = shop.buy(camille_id)
    treasurer.get(f"{write_address(payment_id)}/remboursement?amount=5")
    codes = treasurer.send_twice("/remboursement", note="essai", typed=find_number(payment_id))
    assert codes == [303, 422]
    assert [each.amount_cents for each in list_refunds(payment_id)] == [500]


def test_payments_are_found_by_the_payer_s_address_and_by_any_number(
    shop: Shop, treasurer: Browser, camille_id: UUID
) -> None:
    order, paid = shop.order(camille_id), shop.buy(add_account("other@example.org").id)
    numbers = {each: find_number(each) for each in (order.payment_id, paid)}
    (invoice,) = issue()
    pages = {
        f"{PAYMENTS}?status=PENDING": order.payment_id,
        f"{PAYMENTS}?userId={camille_id}": order.payment_id,
    }
    for address, expected in pages.items():
        page = treasurer.get(address)
        assert [each for each, number in numbers.items() if f"<bdi>{number}</bdi>" in page.html] == [expected]
    for wanted, found in {
        " Other@example.org": [paid],
        f"commande {numbers[paid].lower()}": [paid],
        invoice.number.lower(): [paid],
        order.session_id: [order.payment_id],
        "nobody@example.org": [],
    }.items():
        treasurer.get(PAYMENTS)
        page = treasurer.send("/recherche", wanted=wanted)
        assert [each for each, number in numbers.items() if f"<bdi>{number}</bdi>" in page.html] == found, (
            wanted
        )
    assert "other@" not in str([each.changes for each in audit("payments.search")])


def test_of_a_deleted_account_nobody_is_told(treasurer: Browser, camille_id: UUID) -> None:
    payment_id = add_payment(camille_id)
    change(Payment, Payment.id == payment_id, user_id=None)
    page = treasurer.get(write_address(payment_id))
    assert "supprimé" in page.text
    page = treasurer.get(f"{write_address(payment_id)}/remboursement?amount=1")
    assert "personne n’est averti" in page.text


EVENTS, TOTALS = "/admin/evenements-stripe", "/admin/paiements/totaux"


def test_an_event_that_waits_is_applied_again(shop: Shop, app: Flask) -> None:
    buyer, admin = add_account(), seat_operator(app)
    order = shop.order(buyer.id)
    shop.control.pay(order.session_id)
    shop.control.mode("error_500", path="/v1/")
    shop.deliver()
    assert list_grants(buyer.id) == []
    shop.control.mode("normal")
    shop.clock.shift(60)
    page = admin.get(f"{EVENTS}?open=true")
    assert "En attente" in page.text
    links = [at["href"] for tag, at in page.tags if tag == "a" and at["href"].endswith("/rejeu")]
    assert links
    for link in links:
        page = admin.get(link)
        assert "relu chez Stripe" in page.text
        admin.send(link)
        assert "est appliqué de nouveau" in admin.follow().text
    shop.work()
    assert len(list_grants(buyer.id)) == 1
    assert "Aucun événement ne correspond." in admin.get(f"{EVENTS}?open=true").text
    replays = [each for each in rows(AuditEntry) if each.action == "stripe-event.replay"]
    assert len(replays) == len(links)


def test_what_nothing_applies_says_so(admin: Browser) -> None:
    add_stripe_event("evt_other", type="account.updated", flag=StripeEventFlag.UNKNOWN_TYPE)
    add_stripe_event("evt_known", type="charge.refunded", object_id="ch_1")
    page = admin.get(f"{EVENTS}?objectId=ch_1&type=charge.refunded&open=false")
    assert page.html.count("/rejeu") == 1
    page = admin.get(f"{EVENTS}?flag=unknown_type")
    assert "Sorte inconnue" in page.text
    assert "rejeu" not in page.html
    admin.get(f"{EVENTS}/evt_other/rejeu")
    page = admin.send("/rejeu")
    assert admin.status == 422
    assert "seulement gardés" in page.text


def test_what_is_no_event_is_not_found(admin: Browser) -> None:
    add_stripe_event("evt_nothing", object_id=None)
    for name in ("evt_nothing", "evt_never", "%00", "x" * 300, "%ff", "a%20b"):
        admin.get(f"{EVENTS}/{name}/rejeu")
        assert admin.status == 404, name


def test_differences_show_both_sides(support: Browser) -> None:
    add_difference()
    (shown,) = support.get("/admin/paiements/ecarts").rows
    assert shown[2:] == ['{"amount": 500}', '{"amount": 499}', "non"]


def test_declarations_without_an_order_are_listed_and_support_sees_no_whole_address(
    admin: Browser, support: Browser
) -> None:
    columns = {"kind": DeclarationKind.WITHDRAWAL, "made_by": DeclaredBy.FORM, "reference": "7KQ2M9XWPA"}
    for number, because in enumerate(("no_order", "no_order", "period_over", "no_order")):
        at, email = clock() + timedelta(seconds=number), f"camille{number}@example.org"
        save(Declaration(made_at=at, email=email, refused_because=because, **columns))
    page = "/admin/declarations"
    found = [each for shown in walk(admin, f"{page}?open=true&limit=2", lambda row: row[2]) for each in shown]
    assert found == [f"camille{number}@example.org" for number in (3, 1, 0)]
    assert [row[5] for row in support.get(f"{page}?open=false").rows] == ["Sans effet period_over"]
    assert {row[2] for row in support.get(page).rows} == {"c…@example.org"}
    assert "camille" not in support.page.html
    assert len(audit("declarations.list")[-1].changes["seen"]) == 4


def test_each_day_has_its_totals_and_the_file_has_the_same(
    frozen: time_machine.Traveller, app: Flask
) -> None:
    """The second day of Paris begins at 23:00 UTC."""
    frozen.move_to(datetime(2026, 11, 20, 22, 59, tzinfo=UTC))
    returned = pay(cents=1499)
    pay(cents=499)
    issue()
    frozen.move_to(datetime(2026, 11, 20, 23, 0, tzinfo=UTC))
    refund(returned, 500)
    issue()
    support = seat_operator(app, Role.SUPPORT)
    first, second = support.get(f"{TOTALS}?first=2026-11-20&last=2026-11-21").rows
    assert (first[0], first[2:4], plain(first[6])) == ("20 novembre 2026", ["2", "0"], "19,98 €")
    assert (second[0], second[2:4], plain(second[6])) == ("21 novembre 2026", ["0", "1"], "-5,00 €")
    assert "TVA non applicable, art. 293 B du CGI" in first[1]
    assert len(support.get(TOTALS).rows) == 2, "the month so far"
    assert len(support.get(f"{TOTALS}?first=2026-11-21&last=2026-11-30").rows) == 1
    assert len(support.get(f"{TOTALS}?first=2026-11-20&last=2026-11-20").rows) == 1, (
        "the last day, and no later one"
    )
    answer = support.client.get(f"{TOTALS}.csv?first=2026-11-01&last=2026-11-30")
    assert answer.mimetype == "text/csv"
    found = [int(each["gross"]) for each in csv.DictReader(io.StringIO(answer.text))]
    assert found == [1998, -500]
    assert sum(found) == sum_documents(issue())
    assert audit("invoice-totals.export")[-1].changes == {"first": "2026-11-01", "last": "2026-11-30"}


@in_turn(
    "days",
    [
        "first=2026-11-02&last=2026-11-01",
        "first=2024-01-01&last=2026-11-01",
        "first=2026-02-30&last=2026-03-01",
        "first=0001-01-01&last=0001-01-02",
        "first=9999-12-31&last=9999-12-31",
        "last=9999-12-31",
    ],
)
def test_days_that_make_no_sense_are_refused(support: Browser, days: str) -> None:
    assert support.get(f"{TOTALS}?{days}").title.startswith("Erreur")
    support.get(f"{TOTALS}.csv?{days}")
    assert support.status == 404


def test_the_sales_journal_has_the_columns_of_the_fec_and_balances(
    frozen: time_machine.Traveller, app: Flask, settings_env: Callable[..., None]
) -> None:
    """Exported for a month, its numbers go on behind those of the year before it."""
    settings_env(SELLER_VAT="FR12345678901", LEDGER_ACCOUNTS="clients=411100,sales=706000,vat=445711")
    frozen.move_to(datetime(2026, 10, 31, 22, 59, tzinfo=UTC))
    returned = pay(cents=1499)
    issue()
    frozen.move_to(datetime(2026, 11, 20, 23, 0, tzinfo=UTC))
    pay(cents=499)
    refund(returned, 500)
    issue()
    browser = seat_operator(app, Role.SUPPORT)
    answer = browser.client.get("/admin/paiements/journal.txt?first=2026-11-01&last=2026-11-30")
    assert "journal-des-ventes-2026-11-01-2026-11-30.txt" in answer.headers["Content-Disposition"]
    head, *lines = (line.split("\t") for line in answer.text.split("\r\n")[:-1])
    assert head[:5] == ["JournalCode", "JournalLib", "EcritureNum", "EcritureDate", "CompteNum"]
    assert head[-3:] == ["ValidDate", "Montantdevise", "Idevise"]
    assert len(head) == 18
    shown = [(row[0], row[2], row[3], row[4], row[8], row[11], row[12]) for row in lines]
    sale, credit = ("VE", "2", "20261121"), ("AV", "1", "20261121")
    assert shown == [
        (*sale, "411100", "F2026-000002", "4,99", "0,00"),
        (*sale, "706000", "F2026-000002", "0,00", "4,16"),
        (*sale, "445711", "F2026-000002", "0,00", "0,83"),
        (*credit, "411100", "A2026-000001", "0,00", "5,00"),
        (*credit, "706000", "A2026-000001", "4,17", "0,00"),
        (*credit, "445711", "A2026-000001", "0,83", "0,00"),
    ]
    assert audit("sales-journal.export")[-1].changes == {"first": "2026-11-01", "last": "2026-11-30"}
    assert "journal.txt" in browser.get(f"{TOTALS}?first=2026-11-01&last=2026-11-30").html
    browser.get("/admin/paiements/journal.txt?first=2026-11-02&last=2026-11-01")
    assert browser.status == 404
