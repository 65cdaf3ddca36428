"""Refunds that Stripe does not make at once: what is owed is paid, once, and its person knows how far it is."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from api.admin.health.payments import read_payments
from api.commands import transfer_command
from api.jobs import schedule as jobs
from api.models.audit import AuditEntry
from api.models.base import session
from api.models.incident import Incident
from api.models.notification import Notification
from api.models.payment import Payment, PaymentEvent, PaymentEventKind, PaymentStatus, Refund
from api.models.stripe_event import StripeCommand
from api.payments.exchange import jobs as payment_jobs
from api.payments.exchange.book_checks import find_book_faults
from api.payments.invoices.issuing import issue_due
from api.payments.ledger.book import read_balances
from configs.ground.clock import clock
from configs.world.plan import PlanName
from deploy.sandbox.stripe.account import Account
from tests.api.messages import read_text
from tests.api.payments.declarations.orders import buy, hand_over, withdraw
from tests.api.payments.shop import find_intent
from tests.api.payments.till import Till
from tests.clients import Browser
from tests.factories import get, rows
from tests.running_sandbox import Running
from tests.samples import try_first

PRICE, USED, BACK = 1499, 89, 1410  # of a week: of ten hours, and of all else
NOTHING_PAYS = "owed, and nothing will pay it"


@pytest.fixture(autouse=True)
def support(settings_env: Callable[..., None]) -> None:
    """Have mails to operators go to the support's address."""
    settings_env(SUPPORT_EMAIL="aide@example.org")


@pytest.fixture
def account(sandbox: Running) -> Account:
    """Give what Stripe keeps."""
    return sandbox._sandbox.stripe.account


@pytest.fixture
def order(till: Till) -> Payment:
    """Give a week that was bought ten hours ago."""
    bought = buy(till)
    till.shop.pass_time(hours=10)
    till.sign_in()
    return bought


def ask_stripe(till: Till) -> None:
    """Send what the outbox has now, and hear what follows."""
    payment_jobs.work_off()
    till.shop.deliver()


def pass_hours(till: Till, hours: int) -> None:
    """Let hours pass, with the sweep after each."""
    for _ in range(hours):
        till.shop.pass_time(hours=1)
        ask_stripe(till)


def list_rows() -> list[tuple[int, str, str, str | None]]:
    """Return the refunds, the oldest first: cents, status, reason and error."""
    return [(each.amount_cents, each.status.value, each.reason.value, each.error) for each in rows(Refund)]


def list_states() -> list[str]:
    """Return what the mails about refunds said, the oldest first."""
    return [each.params["state"] for each in rows(Notification, Notification.kind == "refunded")]


def list_troubles() -> list[str]:
    return [each.params["trouble"] for each in rows(Notification, Notification.kind == "payment_trouble")]


def read_owed(order: Payment) -> int:
    with session() as s:
        return -read_balances(s, order.id).owed


def list_faults() -> list[str]:
    """Return the names of the book's faults, an hour after the last movement."""
    issue_due(60)
    with session() as s:
        return [
            each.object_id.partition(":")[0] for each in find_book_faults(s, clock() + timedelta(seconds=1))
        ]


def count_back(till: Till) -> int:
    """Return the cents that Stripe gave back of the first payment."""
    return int(till.shop.control.ledger()[0]["refunded"])


def transfer(*arguments: object) -> Any:
    return CliRunner().invoke(transfer_command, [str(each) for each in arguments])


def read_page(till: Till, order: Payment) -> str:
    """Return the text of the order's page, as its owner sees it."""
    browser = Browser(till.shop.client.application)
    browser.give_login(till.person.id)
    return browser.get(f"/formule/paiements/{order.id}").text


def test_a_refund_that_a_low_balance_refuses_for_days_is_made_once_there_is_money(
    till: Till, order: Payment
) -> None:
    till.shop.control.choose(refunds_begin="refused")
    withdraw(till, order)
    ask_stripe(till)
    assert (list_states(), list_troubles()) == ([], [])  # the next try may help
    pass_hours(till, 3 * 24)
    calls = [each for each in till.shop.control.requests("/v1/refunds") if each["method"] == "POST"]
    assert len({each["idempotency_key"] for each in calls}) == len(calls) < 24
    assert list_rows() == [(BACK, "planned", "withdrawal", "InvalidRequestError")]
    assert (list_states(), list_troubles()) == (["again"], ["refund_failed"])
    till.shop.control.choose(refunds_begin="succeeded")
    pass_hours(till, 12)
    assert (list_rows(), count_back(till), read_owed(order)) == (
        [(BACK, "succeeded", "withdrawal", None)], BACK, 0,
    )  # fmt: skip
    assert (list_states(), list_troubles()) == (["again", "succeeded"], ["refund_failed"])
    assert list_faults() == []


@pytest.mark.parametrize("end", try_first([("failed", "insufficient_funds"), ("canceled", None)], 1))
def test_a_pending_refund_that_fails_is_followed_by_others_until_one_arrives(
    till: Till, order: Payment, end: tuple[str, str | None]
) -> None:
    till.shop.control.choose(refunds_begin="pending")
    withdraw(till, order)
    ask_stripe(till)
    assert list_states() == ["pending"]
    for tries in (1, 2, 3):
        till.shop.control.settle_refund(till.shop.control.objects("refund")[-1]["id"], *end)
        till.shop.deliver()
        assert (len(rows(Refund)), read_owed(order)) == (tries + 1, BACK)
        pass_hours(till, 2 ** (tries - 1))
    till.shop.control.settle_refund(till.shop.control.objects("refund")[-1]["id"], "succeeded")
    till.shop.deliver()
    assert list_states() == ["pending", "again", "succeeded"]
    assert (count_back(till), read_owed(order), list_faults()) == (BACK, 0, [])
    assert list_troubles() == ["refund_failed"]


@pytest.mark.parametrize("reason", ["expired_or_canceled_card", "lost_or_stolen_card"])
def test_a_debt_to_a_card_that_is_gone_is_asked_of_the_person_and_paid_by_a_transfer(
    till: Till, order: Payment, reason: str
) -> None:
    withdraw(till, order)
    ask_stripe(till)
    (made,) = till.shop.control.objects("refund")
    till.shop.control.settle_refund(made["id"], "failed", reason)
    till.shop.deliver()
    assert list_states() == ["succeeded", "by_hand"]
    assert "refund_failed" in list_troubles()
    assert "ne peut plus" in read_text(rows(Notification, Notification.kind == "refunded")[-1])
    pass_hours(till, 30)
    assert (len(rows(Refund)), rows(StripeCommand), list_faults()) == (1, [], [NOTHING_PAYS])
    assert read_payments()["failed_refunds"] == 1
    assert transfer(order.order_number, BACK + 1, "VIR 1").exit_code == 1
    done = transfer(order.order_number, BACK, "VIR 1")
    assert (done.exit_code, done.output) == (
        0, f"{BACK} cents of payment {order.order_number} left by a transfer; 0 cents are still owed\n",
    )  # fmt: skip
    assert list_states()[-1] == "transferred"
    assert [each.action for each in rows(AuditEntry)][-1] == "payment.transfer"
    assert (read_owed(order), list_faults(), read_payments()["failed_refunds"]) == (0, [], 0)
    page = read_page(till, order)
    assert "Encore dû" not in page
    assert "Remboursé par virement" in page


def test_another_refund_that_is_made_later_hides_no_debt(till: Till, order: Payment) -> None:
    withdraw(till, order)
    ask_stripe(till)
    till.shop.control.settle_refund(
        till.shop.control.objects("refund")[0]["id"], "failed", "expired_or_canceled_card"
    )
    till.shop.deliver()
    till.shop.control.refund(find_intent(order.id), amount=200)
    till.shop.deliver()
    assert (read_owed(order), list_faults(), read_payments()["failed_refunds"]) == (
        BACK - 200, [NOTHING_PAYS], 1,
    )  # fmt: skip


@pytest.mark.parametrize("by_dashboard", [PRICE, 1000])
def test_what_the_dashboard_gave_back_is_owed_no_more(till: Till, order: Payment, by_dashboard: int) -> None:
    till.shop.control.refund(find_intent(order.id), amount=by_dashboard)
    withdraw(till, order)
    ask_stripe(till)
    pass_hours(till, 24)
    assert count_back(till) == max(by_dashboard, BACK)
    assert (read_owed(order), list_faults()) == (0, [])
    assert "Encore dû" not in read_page(till, order)


@pytest.mark.parametrize(("end", "refunded", "states"), [
    ("won", BACK, ["pending", "disputed", "succeeded"]),
    pytest.param("lost", 0, ["pending", "disputed"], marks=pytest.mark.journey),
])  # fmt: skip
def test_a_pending_refund_that_a_dispute_ends_is_paid_once(
    till: Till, order: Payment, end: str, refunded: int, states: list[str]
) -> None:
    """Stripe lets a pending refund fail where its charge is disputed: the bank decides first."""
    till.shop.control.choose(refunds_begin="pending")
    withdraw(till, order)
    ask_stripe(till)
    till.shop.control.choose(refunds_begin="succeeded")
    (refund,) = till.shop.control.objects("refund")
    till.shop.control.settle_refund(refund["id"], "failed", "charge_for_pending_refund_disputed")
    dispute = till.shop.control.dispute(find_intent(order.id))
    till.shop.deliver()
    pass_hours(till, 72)
    till.shop.control.close_dispute(dispute["id"], end)
    till.shop.deliver()
    pass_hours(till, 3)
    assert (count_back(till), read_owed(order), list_faults()) == (refunded, 0, [])
    assert list_states() == states
    assert "Encore dû" not in read_page(till, order)


def test_money_on_its_way_back_stays_so_where_a_dispute_was_won_unheard_of(till: Till) -> None:
    order = buy(till)
    dispute = till.shop.control.dispute(find_intent(order.id))
    till.shop.deliver()
    till.shop.control.close_dispute(dispute["id"], "won")
    till.shop.control.choose(refunds_begin="pending")
    withdraw(till, order)
    payment_jobs.work_off()
    assert count_back(till) == PRICE
    till.shop.deliver()
    assert get(Payment, order.id).status is PaymentStatus.REFUNDED
    assert rows(PaymentEvent, PaymentEvent.kind == PaymentEventKind.REFUND_UNDONE) == []


@pytest.mark.parametrize("heard", try_first(["before the loss", "after it"], 1))
def test_what_a_cancellation_owes_is_paid_once_a_lost_dispute_is_won_after_all(
    till: Till, heard: str
) -> None:
    """The bank's loss had paid it; the month's use was written down meanwhile."""
    month = buy(till, PlanName.URGENCE_TOTAL)
    dispute = till.shop.control.dispute(find_intent(month.id))
    till.shop.deliver()
    assert till.post("cancel", {"on": f"{clock():%Y-%m-%d}"}).status_code == 200
    till.shop.pass_time(days=1)
    jobs.apply_declarations()
    if heard == "before the loss":
        ask_stripe(till)
    till.shop.control.close_dispute(dispute["id"], "lost")
    till.shop.deliver()
    pass_hours(till, 3)
    assert (read_owed(month), count_back(till)) == (0, 0)
    jobs.reconcile_payments()
    till.shop.control.close_dispute(dispute["id"], "won")
    till.shop.deliver()
    pass_hours(till, 13)
    assert (count_back(till), read_owed(month), list_faults()) == (2941, 0, [])


def test_what_a_dispute_lost_in_part_leaves_owed_is_paid_by_a_transfer(till: Till) -> None:
    order = buy(till)
    till.shop.pass_time(hours=1)
    dispute = till.shop.control.dispute(find_intent(order.id), amount=700)
    till.shop.deliver()
    till.shop.control.close_dispute(dispute["id"], status="lost")
    till.shop.deliver()
    till.shop.pass_time(hours=1)
    back = withdraw(till, order).refund_cents
    assert back == 782
    ask_stripe(till)
    assert list_rows() == [(back, "failed", "withdrawal", "charge_disputed")]
    assert (list_states(), list_faults()) == (["by_hand"], [NOTHING_PAYS])
    assert transfer(order.id, back, "VIR 2").exit_code == 0
    assert (read_owed(order), list_faults()) == (0, [])


@pytest.mark.journey
def test_a_month_that_was_paid_outside_stripe_is_paid_back_by_a_transfer(
    till: Till, account: Account
) -> None:
    till.buy(PlanName.URGENCE_TOTAL)
    hand_over()
    till.shop.pass_time(days=20)
    till.use_bad_card()
    till.shop.pass_time(days=10, hours=2)
    (invoice,) = account.where("invoice", status="open")
    for each in invoice["_payments"]:
        known = account.find("invoice_payment", each)
        known["payment"] = {"type": "payment_record", "payment_record": "prec_1", "payment_intent": None}
        known["status"] = "paid"
    invoice["status_transitions"]["paid_at"] = account.clock.now()
    account.change(
        invoice, "invoice.paid", status="paid", amount_paid=2999, amount_remaining=0, auto_advance=False
    )
    till.shop.deliver()
    renewal = max(rows(Payment), key=lambda each: each.created_at)
    with session() as s:
        held = read_balances(s, renewal.id)
    assert (renewal.status, held.cash, held.bank) == (PaymentStatus.COMPLETED, 0, 2999)
    till.sign_in()
    assert till.post("cancel", {"on": f"{clock():%Y-%m-%d}"}).status_code == 200
    till.shop.pass_time(days=1)
    jobs.apply_declarations()
    ask_stripe(till)
    (refund,) = rows(Refund)
    assert (refund.status.value, refund.error, list_states()) == ("failed", "paid_by_transfer", ["by_hand"])
    assert transfer(renewal.id, refund.amount_cents, "VIR 3").exit_code == 0
    assert (read_owed(renewal), list_faults()) == (0, [])
    assert not till.shop.control.ledger()[1:]


def test_a_payment_that_stripe_does_not_know_is_our_alarm_and_its_refund_waits(
    till: Till, order: Payment, account: Account
) -> None:
    """The key of another account was set, for three hours."""
    intent = account.find("payment_intent", find_intent(order.id))
    account.drop(intent)
    withdraw(till, order)
    pass_hours(till, 3)
    assert list_rows() == [(BACK, "planned", "withdrawal", "resource_missing")]
    assert (list_troubles(), [each.reason for each in rows(Incident)]) == (
        ["refund_blocked"], ["refund_blocked"],
    )  # fmt: skip
    account.add(intent)
    pass_hours(till, 12)
    assert (count_back(till), read_owed(order)) == (BACK, 0)


def test_health_names_each_refund_that_ends_its_fourteen_days(till: Till, order: Payment) -> None:
    till.shop.control.choose(refunds_begin="pending")
    withdraw(till, order)
    ask_stripe(till)
    last = f"{clock() + timedelta(days=14):%Y-%m-%d}"
    till.shop.pass_time(days=10, hours=23)
    assert read_payments()["late_refunds"] == []
    (refund,) = till.shop.control.objects("refund")
    till.shop.control.settle_refund(refund["id"], "failed", "unknown")
    till.shop.pass_time(hours=2)
    assert read_payments()["late_refunds"] == [f"payment {order.id}: refund until {last}"]
    assert transfer(order.order_number, BACK, "VIR 4").exit_code == 0
    assert read_payments()["late_refunds"] == []
