"""Stripe's objects as its documents describe them: long lists, null, other products, euros; disputes of every kind."""

import typing
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import stripe

from api.accounts.queries import find_entitlement
from api.jobs import schedule as jobs
from api.models.base import session
from api.models.payment import FormerCustomer, Payment, PaymentStatus
from api.models.stripe_event import StripeEvent
from api.payments.exchange import jobs as payment_jobs
from api.payments.exchange.book_checks import find_book_faults
from api.payments.gateway import facts
from api.payments.gateway.client import call
from api.payments.invoices.issuing import issue_due
from api.payments.ledger.book import read_balances
from api.payments.ledger.notices import WINDOW, count_failures
from configs.ground.clock import clock
from configs.world.plan import PlanName
from deploy.sandbox.stripe.account import Account
from deploy.sandbox.stripe.resources.payments import add_payment_intent
from tests.api.payments import shop
from tests.api.payments.till import Till
from tests.factories import rows
from tests.in_turn import in_turn
from tests.running_sandbox import Running
from tests.samples import try_first

TOTAL = PlanName.URGENCE_TOTAL
# What we read of Stripe's objects, beside the SDK's class of each.
READ: list[tuple[type[facts.Facts], Any]] = [
    (facts.IntentFacts, stripe.PaymentIntent), (facts.SessionFacts, stripe.checkout.Session),
    (facts.RefundFacts, stripe.Refund),
    (facts.DisputeFacts, stripe.Dispute), (facts.FraudWarningFacts, stripe.radar.EarlyFraudWarning),
    (facts.InvoiceFacts, stripe.Invoice), (facts.Line, stripe.InvoiceLineItem),
    (facts.InvoicePayment, stripe.InvoicePayment), (facts.SubscriptionFacts, stripe.Subscription),
]  # fmt: skip


@pytest.fixture
def account(sandbox: Running) -> Account:
    """Give what Stripe keeps."""
    return sandbox._sandbox.stripe.account


def test_03_an_invoice_of_many_lines_gives_its_month(till: Till) -> None:
    """Stripe shows the first ten lines, at most a hundred on a page, and what waited for the invoice before the plan's own."""
    till.buy(TOTAL)
    (customer,) = till.shop.control.objects("customer")
    for _ in range(120):
        add_item(till, customer["id"], -20)
    till.shop.pass_time(days=32)
    (at_stripe,) = (
        each
        for each in till.shop.control.objects("invoice")
        if each["billing_reason"] == "subscription_cycle"
    )
    (renewal,) = (each for each in rows(Payment) if each.consented_at is None)
    assert at_stripe["status"] == "paid"
    assert (renewal.status, renewal.amount_cents) == (PaymentStatus.COMPLETED, 2999 - 20 * 120)
    assert not [each for each in rows(StripeEvent) if each.error and each.type.startswith("invoice.")]
    with session() as s:
        held = find_entitlement(s, till.person.id, clock())
    assert (held.plan.name, f"{held.ends_at:%m-%d}") == (TOTAL, "01-20")


def test_16_refused_cards_of_another_product_raise_no_alarm(till: Till, account: Account) -> None:
    for _ in range(6):
        refused = add_payment_intent(account, 1000, "usd", metadata={"order_id": "9"})
        account.emit("payment_intent.payment_failed", refused)
    till.shop.deliver()
    with session() as s:
        assert count_failures(s, clock() - WINDOW, clock()) == 0


def test_16_another_products_session_without_metadata_is_nobodys(till: Till, account: Account) -> None:
    account.emit("checkout.session.completed", shop.add_foreign_session(account))
    till.shop.deliver()
    for _ in range(10):  # then it is left, and no mail is written
        till.shop.clock.shift(3600)
        payment_jobs.work_off()
    found = [(each.error, each.flag) for each in rows(StripeEvent) if "session" in each.type]
    assert found == [("UnknownOwner", "unknown_owner")]
    assert (shop.list_open_events(), shop.list_messages()) == ([], [])


@in_turn("ours, theirs", READ)
def test_16_what_stripe_may_leave_null_is_read_as_null(ours: type[facts.Facts], theirs: Any) -> None:
    known = theirs.__annotations__
    nullable = {name for name in ours.model_fields if str(known.get(name, "")).startswith("Optional")}
    takes_null = {
        name for name, field in ours.model_fields.items() if type(None) in typing.get_args(field.annotation)
    }
    assert nullable <= takes_null


def test_20_an_order_is_in_euros_whatever_the_dashboard_says(till: Till) -> None:
    for name in (PlanName.URGENCE_24H, TOTAL):
        till.order(name)
    said = [(each["mode"], each["adaptive_pricing"], each["currency"]) for each in till.sessions()]
    assert said == [(mode, {"enabled": False}, "eur") for mode in ("payment", "subscription")]


def add_item(till: Till, customer: str, cents: int) -> None:
    """Have an amount wait for the subscription's next invoice."""
    (subscription,) = till.shop.control.objects("subscription")
    params: Any = {
        "customer": customer,
        "subscription": subscription["id"],
        "amount": cents,
        "currency": "eur",
    }
    call(lambda c: c.v1.invoice_items.create(params))


OPEN = ["warning_under_review", "needs_response", "appeal_under_review"]
ENDS = {
    "warning_closed": "dispute_closed", "lost": "dispute_lost", "won": "dispute_won",
    "prevented": "dispute_closed",
}  # fmt: skip


def forget(till: Till) -> None:
    """Delete the account."""
    till.sign_in()
    assert till.person.send("DELETE", "/api/users/me", {"understood": True}).status_code == 204


def list_left(till: Till) -> list[str]:
    """Let 400 days pass; return the customers that Stripe still has."""
    till.shop.clock.shift(timedelta(days=400))
    for _ in range(2):
        jobs.drop_former_customers()
        till.shop.clock.shift(timedelta(hours=2))
    known = [each["id"] for each in till.shop.control.objects("customer") if not each.get("deleted")]
    assert sorted({each.customer for each in rows(FormerCustomer)}) == sorted(known)
    return known


@pytest.mark.parametrize("last", try_first(ENDS, 2))
def test_06_every_end_is_one(
    till: Till, account: Account, settings_env: Callable[..., None], last: str
) -> None:
    settings_env(SUPPORT_EMAIL="ops@example.org")
    till.buy()
    dispute = shop.add_dispute(account, "warning_needs_response" if "warn" in last else "needs_response")
    till.shop.deliver()
    account.change(dispute, "charge.dispute.closed", status=last)
    till.shop.deliver()
    (payment,) = rows(Payment)
    assert shop.list_kinds(payment.id)[:3] == ["paid", "dispute_opened", ENDS[last]]
    assert shop.list_messages().count("payment_trouble") == 2
    assert payment.status is (PaymentStatus.REFUNDED if last == "lost" else PaymentStatus.COMPLETED)
    forget(till)
    assert list_left(till) == []


@pytest.mark.parametrize(
    "path",
    try_first(
        [
            ["warning_closed", "needs_response", "lost"],
            ["lost", "won", "lost"],
            ["won", "appeal_under_review", "won"],
        ],
        1,
    ),
)
def test_06_a_dispute_that_goes_on_after_its_end_takes_its_money_again(
    till: Till, account: Account, path: list[str]
) -> None:
    till.buy()
    dispute = shop.add_dispute(
        account, "warning_needs_response" if path[0] == "warning_closed" else "needs_response"
    )
    till.shop.deliver()
    for each in path:
        for _ in range(2):
            account.change(dispute, "charge.dispute.updated", status=each)
            till.shop.deliver()
    (payment,) = rows(Payment)
    with session() as s:
        held = read_balances(s, payment.id)
    lost = 1499 if path[-1] == "lost" else 0
    assert (held.cash, held.disputed, held.lost, payment.lost_cents) == (1499 - lost, 0, lost, lost)
    issue_due(60)
    with session() as s:
        assert find_book_faults(s, clock()) == []
    forget(till)
    assert list_left(till) == []


def test_06_an_open_one_keeps_the_customer(till: Till, account: Account) -> None:
    till.buy()
    dispute = shop.add_dispute(account, OPEN[0])
    till.shop.deliver()
    forget(till)
    for status in OPEN:
        account.change(dispute, "charge.dispute.updated", status=status)
        till.shop.deliver()
        assert len(list_left(till)) == 1, status


def test_07_every_customer_of_a_deleted_account_is_deleted(till: Till) -> None:
    """Two pages that are open at once make two customers."""
    first = till.order(PlanName.URGENCE_24H)
    till.shop.clock.shift(timedelta(minutes=11))
    second = till.order(PlanName.URGENCE_24H)
    till.pay(first)
    till.pay(second)
    assert len(till.shop.control.objects("customer")) == 2
    forget(till)
    assert list_left(till) == []


def test_08_a_lost_part_leaves_the_plan(till: Till) -> None:
    till.buy(TOTAL)
    lose(till, 2998)
    (payment,) = rows(Payment)
    assert (payment.status, payment.lost_cents) == (PaymentStatus.COMPLETED, 2998)
    assert [each.ends_at > clock() for each in shop.list_grants(till.person.id)] == [True]
    (row,) = till.shop.control.objects("subscription")
    assert (row["status"], row["cancel_at"]) == ("active", None)


def test_08_two_lost_parts_that_are_the_whole_end_the_plan_and_one_that_is_won_after_all_is_ours(
    till: Till, account: Account
) -> None:
    till.buy()
    (intent,) = (each["id"] for each in till.shop.control.objects("payment_intent"))
    till.shop.control.refund(intent, amount=500)
    till.shop.deliver()
    dispute = lose(till, 999)
    (payment,) = rows(Payment)
    assert payment.status is PaymentStatus.REFUNDED
    assert (payment.refunded_cents, payment.lost_cents) == (500, 999)
    assert not [each for each in shop.list_grants(till.person.id) if each.ends_at > clock()]
    account.change(account.find("dispute", dispute), "charge.dispute.closed", status="won")
    till.shop.deliver()
    (payment,) = rows(Payment)
    assert payment.status is PaymentStatus.COMPLETED
    assert (payment.refunded_cents, payment.lost_cents) == (500, 0)


@pytest.mark.parametrize(("lost", "rest"), [(499, [1000]), (1499, [])])
def test_08_a_refund_that_waited_for_the_bank_is_asked_for_less_what_that_paid(
    till: Till, lost: int, rest: list[int]
) -> None:
    till.buy()
    (intent,) = (each["id"] for each in till.shop.control.objects("payment_intent"))
    dispute = till.shop.control.dispute(intent, amount=lost)
    till.shop.deliver()
    (payment,) = rows(Payment)
    assert till.post("withdraw", {"paymentId": str(payment.id)}).json["refund"] == 1499
    till.shop.control.close_dispute(dispute["id"], "lost")
    till.shop.deliver()
    assert [each.amount_cents for each in shop.list_refunds(payment.id)] == [1499, *rest]


@pytest.mark.parametrize("lost", [500, 1499])
def test_08_what_the_bank_paid_while_stripe_was_asked_in_vain_is_owed_no_more(till: Till, lost: int) -> None:
    till.buy()
    (payment,) = rows(Payment)
    till.shop.control.mode("reset", path="POST /v1/refunds")
    assert till.post("withdraw", {"paymentId": str(payment.id)}).json["refund"] == 1499
    till.shop.deliver()
    lose(till, lost)
    till.shop.control.mode("normal")
    till.shop.pass_time(minutes=6)
    with session() as s:
        assert read_balances(s, payment.id).owed == lost - 1499


def lose(till: Till, cents: int) -> str:
    """Lose a dispute of so many cents; return its id."""
    (intent,) = (each["id"] for each in till.shop.control.objects("payment_intent"))
    dispute: str = till.shop.control.dispute(intent, amount=cents)["id"]
    till.shop.deliver()
    till.shop.control.close_dispute(dispute, "lost")
    till.shop.deliver()
    return dispute
