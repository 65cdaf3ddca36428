"""Stripe's objects as its documents describe them: long lists, null, other products of the same account, euros."""

import typing
from typing import Any

import pytest
import stripe

from api.accounts.queries import find_entitlement
from api.models.base import session
from api.models.payment import Payment, PaymentStatus
from api.models.stripe_event import StripeEvent
from api.payments import facts, jobs
from api.payments.client import call
from api.payments.notices import WINDOW, count_failures
from configs.ground.clock import clock
from configs.world.plan import PlanName
from deploy.sandbox.running import Running
from deploy.sandbox.stripe.account import Account
from deploy.sandbox.stripe.resources.payments import add_payment_intent
from tests.api.billing.till import Till
from tests.api.payments.shop import add_foreign_session, list_messages, list_open_events
from tests.factories import rows

TOTAL = PlanName.URGENCE_TOTAL
# What we read of Stripe's objects, beside the SDK's class of each.
READ: list[tuple[type[facts.Facts], Any]] = [
    (facts.IntentFacts, stripe.PaymentIntent), (facts.SessionFacts, stripe.checkout.Session),
    (facts.ChargeFacts, stripe.Charge), (facts.RefundFacts, stripe.Refund),
    (facts.DisputeFacts, stripe.Dispute), (facts.FraudWarningFacts, stripe.radar.EarlyFraudWarning),
    (facts.InvoiceFacts, stripe.Invoice), (facts.Line, stripe.InvoiceLineItem),
    (facts.InvoicePayment, stripe.InvoicePayment), (facts.SubscriptionFacts, stripe.Subscription),
]  # fmt: skip


@pytest.fixture
def account(sandbox: Running) -> Account:
    """Give what Stripe keeps."""
    return sandbox._sandbox.stripe.account


@pytest.mark.parametrize("items", [14, 120])
def test_03_an_invoice_of_many_lines_gives_its_month(till: Till, items: int) -> None:
    """Stripe shows the first ten lines, and what waited for the invoice before the plan's own."""
    till.buy(TOTAL)
    (customer,) = till.shop.control.objects("customer")
    for _ in range(items):
        add_item(till, customer["id"], -20)
    for _ in range(32):
        till.shop.pass_time(days=1)
    (at_stripe,) = (
        each
        for each in till.shop.control.objects("invoice")
        if each["billing_reason"] == "subscription_cycle"
    )
    (renewal,) = (each for each in rows(Payment) if each.consented_at is None)
    assert at_stripe["status"] == "paid"
    assert (renewal.status, renewal.amount_cents) == (PaymentStatus.COMPLETED, 2999 - 20 * items)
    assert not [each for each in rows(StripeEvent) if each.error and each.type.startswith("invoice.")]
    with session() as s:
        held = find_entitlement(s, till.person.id, clock())
    assert (held.plan.name, f"{held.ends_at:%m-%d}") == (TOTAL, "01-20")


def test_03_the_stand_in_shows_an_invoices_lines_as_stripe_does(till: Till) -> None:
    till.buy(TOTAL)
    (customer,) = till.shop.control.objects("customer")
    for each in range(12):
        add_item(till, customer["id"], -20 - each)
    till.shop.pass_time(days=31)
    (name,) = (
        each["id"]
        for each in till.shop.control.objects("invoice")
        if each["billing_reason"] == "subscription_cycle"
    )
    shown = call(lambda c: c.v1.invoices.retrieve(name))
    assert [each.amount for each in shown.lines.data] == [-31 + each for each in range(10)]
    assert shown.lines.has_more
    pages = call(lambda c: list(c.v1.invoices.line_items.list(name, {"limit": 5}).auto_paging_iter()))
    assert [each.amount for each in pages] == [*(-31 + each for each in range(12)), 2999]


def test_16_refused_cards_of_another_product_raise_no_alarm(till: Till, account: Account) -> None:
    for _ in range(6):
        refused = add_payment_intent(account, 1000, "usd", metadata={"order_id": "9"})
        account.emit("payment_intent.payment_failed", refused)
    till.shop.deliver()
    with session() as s:
        assert count_failures(s, clock() - WINDOW, clock()) == 0


def test_16_another_products_session_without_metadata_is_nobodys(till: Till, account: Account) -> None:
    account.emit("checkout.session.completed", add_foreign_session(account))
    till.shop.deliver()
    for _ in range(10):  # then it is left, and no mail is written
        till.shop.clock.shift(3600)
        jobs.work_off()
    found = [(each.error, each.flag) for each in rows(StripeEvent) if "session" in each.type]
    assert found == [("UnknownOwner", "unknown_owner")]
    assert (list_open_events(), list_messages()) == ([], [])


@pytest.mark.parametrize(("ours", "theirs"), READ)
def test_16_what_stripe_may_leave_null_is_read_as_null(ours: type[facts.Facts], theirs: Any) -> None:
    known = theirs.__annotations__
    nullable = {name for name in ours.model_fields if str(known.get(name, "")).startswith("Optional")}
    takes_null = {
        name for name, field in ours.model_fields.items() if type(None) in typing.get_args(field.annotation)
    }
    assert nullable <= takes_null


@pytest.mark.parametrize("name", [PlanName.URGENCE_24H, TOTAL])
def test_20_an_order_is_in_euros_whatever_the_dashboard_says(till: Till, name: PlanName) -> None:
    till.order(name)
    (made,) = till.sessions()
    assert (made["adaptive_pricing"], made["currency"]) == ({"enabled": False}, "eur")


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
