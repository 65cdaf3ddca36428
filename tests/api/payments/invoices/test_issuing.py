"""Invoices and credit notes: which there are, their numbers without a gap, and that they are never changed."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from api.models.base import new_id, session
from api.models.invoice import Invoice, InvoiceKind
from api.models.payment import CreditForm, Payment, RefundStatus, WatchCredit
from api.models.stripe_event import CommandKind
from api.payments.gateway.outbox import add_command
from api.payments.invoices import issuing
from api.payments.invoices.contents import InvoiceContents, LineKind, measure_vat
from api.payments.invoices.issuing import forget_client, issue_due, take_number
from api.payments.ledger.book import post_unwatched, read_balances
from api.payments.ledger.early_ends import withdraw
from api.payments.ledger.subscriptions import find_order
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests import databases
from tests.api.payments.invoices.documents import (
    end_dispute,
    issue,
    list_numbers,
    pay,
    refund,
    return_refund,
    sum_documents,
    sum_ledger,
)
from tests.api.payments.shop import Shop, get_payment, order_refund, send_commands, upgrade
from tests.clients import Person
from tests.factories import rows
from tests.fuzz import times
from tests.in_turn import in_turn
from tests.waiting import at_once

if TYPE_CHECKING:
    from uuid import UUID


def read(document: Invoice) -> InvoiceContents:
    return InvoiceContents.model_validate(document.contents)


def test_an_order_has_an_invoice_with_its_period_and_seller(
    shop: Shop, camille: Person, settings_env: Callable[..., None]
) -> None:
    settings_env(
        SELLER_NAME="Œuvre utile", SELLER_ADDRESS="1 rue de l’Été, 75001 Paris", SELLER_SIREN="123456789"
    )
    payment = shop.buy(camille.id, PlanName.URGENCE_7J, client_name="Chloé Nœl")
    (document,) = issue()
    found = read(document)
    assert found.order == get_payment(payment).order_number
    assert (document.number, document.kind, document.amount_cents) == (
        "F2026-000001",
        InvoiceKind.INVOICE,
        1499,
    )
    assert (document.payment_id, document.client_name) == (payment, "Chloé Nœl")
    assert found.ends_at is not None
    assert found.starts_at is not None
    assert found.ends_at - found.starts_at == timedelta(days=7)
    assert [(each.kind, each.amount_cents) for each in found.lines] == [(LineKind.PLAN, 1499)]
    assert (found.vat_line, found.vat_cents) == ("TVA non applicable, art. 293 B du CGI", 0)
    assert (found.seller.name, found.seller.siren) == ("Œuvre utile", "123456789")


@pytest.mark.parametrize(("name", "days"), [(PlanName.URGENCE_7J, 7), (PlanName.URGENCE_TOTAL, 30)])
def test_an_order_withdrawn_before_its_invoice_names_the_period_that_was_bought(
    name: PlanName, days: int, shop: Shop, camille: Person
) -> None:
    payment = shop.buy(camille.id, name)
    shop.pass_time(hours=5)
    with session() as s:
        withdraw(s, payment, clock())
    found = read(issue()[0])
    assert found.ends_at is not None
    assert found.starts_at is not None
    assert (found.ends_at - found.starts_at).days == days


def test_a_renewal_has_one_too_and_bears_the_name_of_its_order(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id, PlanName.URGENCE_TOTAL, client_name="Camille")
    shop.pass_time(days=31, hours=2)
    first, second = issue()
    assert [each.number for each in (first, second)] == ["F2026-000001", "F2026-000002"]
    assert read(second).lines[0].kind is LineKind.RENEWAL
    assert (second.client_name, read(second).order) == ("Camille", read(first).order)


def test_an_upgrade_says_what_was_credited(shop: Shop, camille: Person) -> None:
    cheap = shop.buy(camille.id, PlanName.URGENCE_24H)
    shop.control.pay(upgrade(shop, camille.id, cheap).session_id)
    shop.deliver()
    lines = read(issue()[-1]).lines
    assert [each.kind for each in lines] == [LineKind.PLAN, LineKind.UPGRADE_CREDIT]
    assert lines[0].amount_cents == 1499
    assert lines[1].plan is PlanName.URGENCE_24H
    assert sum(each.amount_cents for each in lines) == rows(Invoice)[-1].amount_cents


def test_refunds_of_ours_and_of_the_dashboard_have_credit_notes(shop: Shop, camille: Person) -> None:
    payment = shop.buy(camille.id)
    order_refund(payment, 500)
    send_commands()
    issue()
    intent = shop.control.objects("payment_intent")[0]["id"]
    shop.control.refund(intent, 300)
    shop.deliver()
    invoice, note, theirs = issue()
    assert [each.number for each in (note, theirs)] == ["A2026-000001", "A2026-000002"]
    assert {each.corrects_id for each in (note, theirs)} == {invoice.id}
    correction = read(theirs).corrects
    assert correction is not None
    assert correction.number == invoice.number
    assert (theirs.amount_cents, read(theirs).reason) == (300, "external")


def test_a_refund_that_did_not_succeed_has_none(database: str) -> None:
    for status in (RefundStatus.PLANNED, RefundStatus.PENDING, RefundStatus.FAILED):
        refund(pay(), 500, status)
    assert [each.kind for each in issue()] == [InvoiceKind.INVOICE] * 3


def test_a_refund_that_the_bank_sent_back_takes_its_credit_note_back(
    frozen: time_machine.Traveller, database: str
) -> None:
    gone = refund(pay(), 500)
    issue()
    return_refund(gone)
    documents = issue()
    year = clock().year
    assert list_numbers() == [f"F{year}-000001", f"A{year}-000001", f"F{year}-000002"]
    assert documents[-1].corrects_id == documents[-2].id
    assert read(documents[-1]).lines[0].kind is LineKind.REFUND_RETURNED
    assert sum_documents(documents) == 1499
    assert issue_due(60) == (0, 0)


def test_a_dispute_that_was_won_after_all_takes_its_credit_note_back(
    frozen: time_machine.Traveller, database: str
) -> None:
    payment = pay()
    end_dispute(payment, 1499)
    issue()
    end_dispute(payment, 1499, "won")
    invoice, note, returned = issue()
    assert (note.number, note.amount_cents, note.corrects_id) == ("A2026-000001", 1499, invoice.id)
    assert [each.kind for each in read(note).lines] == [LineKind.DISPUTE]
    assert (returned.number, returned.corrects_id) == ("F2026-000002", note.id)
    assert [each.kind for each in read(returned).lines] == [LineKind.DISPUTE_RETURNED]
    assert issue_due(60) == (0, 0)


def test_a_credit_note_of_a_dispute_is_of_no_more_than_is_left(
    frozen: time_machine.Traveller, database: str
) -> None:
    payment, whole = pay(), pay()
    refund(payment, 500)
    refund(whole, 1499)
    issue()
    end_dispute(payment, 1499)
    end_dispute(whole, 1499)
    assert issue_due(60) == (1, 0)
    assert rows(Invoice)[-1].amount_cents == 999
    assert sum_documents(rows(Invoice)) == 0
    assert issue_due(60) == (0, 0)


def test_what_cost_nothing_and_what_was_not_paid_has_none(shop: Shop, camille: Person) -> None:
    pay(cents=0)
    shop.order(camille.id)
    assert issue() == []


def test_what_was_paid_before_is_issued_in_its_order_then_what_corrects_it(
    frozen: time_machine.Traveller, database: str
) -> None:
    payments = [pay() for _ in range(3)]
    refund(payments[0], 100)
    payments.append(pay())
    assert [each.payment_id for each in issue()] == [*payments, payments[0]]


def test_the_year_is_that_of_paris(frozen: time_machine.Traveller, database: str) -> None:
    frozen.move_to(datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC))
    pay()
    issue()
    frozen.move_to(datetime(2026, 12, 31, 23, 0, 0, tzinfo=UTC))
    pay()
    issue()
    assert list_numbers() == ["F2026-000001", "F2027-000001"]


def test_a_clock_that_steps_back_leaves_the_dates_in_the_order_of_the_numbers(
    frozen: time_machine.Traveller, database: str
) -> None:
    pay()
    issue()
    frozen.shift(-timedelta(minutes=5))
    pay()
    first, second = sorted(issue(), key=lambda each: each.number)
    assert first.issued_at <= second.issued_at


def test_a_run_that_dies_half_way_leaves_no_gap(
    frozen: time_machine.Traveller, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        pay()
    real, calls = take_number, itertools.count()

    def die_at_third(*arguments: Any) -> None:
        real(*arguments)
        if next(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(issuing, "take_number", die_at_third)
    with pytest.raises(KeyboardInterrupt):
        issue_due(60)
    assert list_numbers() == ["F2026-000001", "F2026-000002"]
    issue_due(60)
    assert list_numbers() == [f"F2026-00000{each}" for each in range(1, 5)]


def test_one_that_fails_keeps_no_other_from_its_number(
    frozen: time_machine.Traveller, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong, *_ = [pay() for _ in range(3)]
    real = find_order

    def fail_once(session_: Session, payment: Payment) -> Payment:
        if payment.id == wrong:
            raise ZeroDivisionError
        return real(session_, payment)

    monkeypatch.setattr(issuing, "find_order", fail_once)
    assert issue_due(60) == (2, 1)
    monkeypatch.undo()
    assert issue_due(60) == (1, 0)
    assert list_numbers() == [f"F2026-00000{each}" for each in range(1, 4)]


def test_a_clients_name_goes_and_the_document_stays(camille: Person) -> None:
    pay(camille.id, client_name="Camille Secrète")
    issue()
    with session() as s:
        s.execute(sa.update(Invoice).values(pdf_key="2026/x.pdf", pdf_made_at=clock()))
    with session() as s:
        forget_client(s, camille.id)
    (document,) = rows(Invoice)
    (payment,) = rows(Payment)
    assert (document.client_name, document.pdf_made_at, payment.client_name) == (None, None, None)
    assert "Secrète" not in str(document.contents)


@in_turn("percent, vat", [("20", 250), ("8.5", 117), ("0", 0)])
def test_vat_is_within_the_price(
    database: str, settings_env: Callable[..., None], percent: str, vat: int
) -> None:
    settings_env(SELLER_VAT="FR32123456789", SELLER_VAT_PERCENT=percent)
    pay()
    found = read(issue()[-1])
    assert (found.vat_cents, found.vat_percent) == (vat, Decimal(percent))
    assert found.vat_line == f"TVA {percent.replace('.', ',')} %"


def check_series() -> None:
    """Look for gaps and doubles, and at the order of the dates."""
    for kind in InvoiceKind:
        found = sorted((each for each in rows(Invoice) if each.kind is kind), key=lambda each: each.number)
        assert [int(each.number[-6:]) for each in found] == list(range(1, len(found) + 1))
        assert [each.issued_at for each in found] == sorted(each.issued_at for each in found)


def test_four_that_issue_at_once_leave_no_gap(database: str) -> None:
    payments = [pay() for _ in range(12)]
    for each in payments[:6]:
        refund(each, 100)
    issued = at_once(issue_due, [60.0] * 4)
    assert sum(done for done, _ in issued) == len(issue()) == 18
    check_series()
    assert sum_documents(rows(Invoice)) == sum_ledger()


STEPS = st.one_of(
    st.tuples(st.just("pay"), st.integers(50, 2999)),
    st.tuples(st.just("refund"), st.integers(1, 400)),
    st.tuples(st.just("return"), st.just(0)),
    st.tuples(st.just("lose"), st.just(0)),
    st.tuples(st.just("win"), st.just(0)),
    st.tuples(st.just("issue"), st.just(0)),
)


def test_invoices_less_credit_notes_are_the_ledger(database: str, settings_env: Callable[..., None]) -> None:
    settings_env(SELLER_VAT="FR32123456789")
    name = database.rpartition("/")[2]

    @settings(max_examples=times(15))
    @given(history=st.lists(STEPS, min_size=3, max_size=20))
    def check(history: list[tuple[str, int]]) -> None:
        databases.empty(name)
        play(history)
        documents = issue()
        assert sum_documents(documents) == sum_ledger()
        for payment in {each.payment_id for each in documents}:
            mine = [each for each in documents if each.payment_id == payment]
            assert sum_documents(mine, "vat_cents") == measure_vat(sum_documents(mine), Decimal(20))

    check()


def play(history: list[tuple[str, int]]) -> None:
    left: dict[UUID, int] = {}
    made: list[UUID] = []
    lost: list[tuple[UUID, int]] = []
    for step, cents in history:
        if step == "pay":
            left[pay(cents=cents)] = cents
        elif step == "refund" and left:
            payment = max(left, key=lambda each: left[each])
            if left[payment] >= cents:
                made.append(refund(payment, cents, RefundStatus.SUCCEEDED))
                left[payment] -= cents
        elif step == "return" and made:
            return_refund(made.pop())
        elif step == "lose" and left:
            payment = max(left, key=lambda each: left[each])
            lost.append((payment, left.pop(payment)))
            end_dispute(*lost[-1])
        elif step == "win" and lost:
            end_dispute(*lost.pop(), "won")
        elif step == "issue":
            issue()


@in_turn("order", list(itertools.permutations(("refund", "lost", "won"))))
def test_credit_notes_never_exceed_their_invoice_in_any_order(
    frozen: time_machine.Traveller, database: str, order: tuple[str, ...]
) -> None:
    """A bank may take the whole charge though a part was refunded: its refund is heard of before or after."""
    payment = pay()
    issue()
    acts: dict[str, Callable[[], object]] = {
        "refund": lambda: refund(payment, 1000),
        "lost": lambda: end_dispute(payment, 1499),
        "won": lambda: end_dispute(payment, 1499, "won"),
    }
    for each in order:
        acts[each]()
        documents = [each for each in issue() if each.payment_id == payment]
        assert 0 <= sum_documents(documents) <= 1499, each
    with session() as s:
        held = read_balances(s, payment)
    assert sum_documents(documents) == max(held.cash + held.disputed, 0)


def test_an_invoice_of_a_renewal_shows_what_lowered_it(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id, PlanName.URGENCE_TOTAL)
    (first,) = rows(Payment)
    credit = WatchCredit(
        id=new_id(),
        payment_id=first.id,
        seconds=600_000,
        form=CreditForm.INVOICE,
        amount_cents=500,
        created_at=clock(),
    )
    with session() as s:
        post_unwatched(s, first.id, credit.id, 500)
        s.add(credit)
        add_command(s, CommandKind.CREDIT, credit.id)
    send_commands()
    shop.pass_time(days=30, hours=2)
    *_, renewal = issue()
    assert [(each.kind, each.amount_cents) for each in read(renewal).lines] == [
        (LineKind.RENEWAL, 2999),
        (LineKind.OUTAGE, -500),
    ]
    assert renewal.amount_cents == 2499
