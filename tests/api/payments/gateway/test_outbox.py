"""The outbox: each command is carried out once, though an answer of Stripe is lost or others give money back."""

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from api.jobs import schedule as jobs
from api.models.base import engine, session
from api.models.payment import Payment, Refund, StripeId, Subscription
from api.payments.exchange import jobs as payment_jobs
from api.payments.exchange.commands import carry_out
from api.payments.gateway.outbox import find_due_commands
from configs.ground.clock import clock
from configs.world.plan import PlanName
from deploy.sandbox.stripe.parameters import Parameters
from deploy.sandbox.stripe.resources.subscriptions import delete_customer
from tests import databases
from tests.api.payments.declarations.orders import buy, withdraw
from tests.api.payments.ledger.test_outage_credits import check
from tests.api.payments.shop import Shop, list_commands
from tests.api.payments.till import ALERT, Till
from tests.clients import Browser, People, seat_operator
from tests.factories import add_desk, rows
from tests.fuzz import FUZZ
from tests.running_sandbox import Running
from tests.samples import try_first


def order_refund(till: Till) -> None:
    till.buy()
    (payment,) = rows(Payment)
    assert till.post("withdraw", {"paymentId": str(payment.id)}).status_code == 200


def order_credit(till: Till) -> None:
    add_desk()
    till.buy(PlanName.URGENCE_TOTAL, alert=ALERT)
    check(60, 780, 800)  # twelve hours of thirty days
    till.shop.pass_time(hours=14)
    jobs.credit_outages()


ORDERS = [
    pytest.param(order_refund, "/v1/refunds", "refund", 1499, id="refund"),
    pytest.param(order_credit, "/v1/invoiceitems", "invoiceitem", -50, id="invoice item"),
]


def pass_hours(till: Till, hours: float) -> None:
    """Let time pass, in which none of Stripe's events reaches us."""
    till.shop.clock.shift(hours * 3600)
    till.shop.control.advance()
    till.shop.control.take_deliveries()


@pytest.mark.parametrize(("order", "path", "kind", "cents"), ORDERS)
def test_stripe_is_away_for_25_hours_and_its_answer_was_lost(
    till: Till, order: Callable[[Till], None], path: str, kind: str, cents: int
) -> None:
    order(till)
    till.shop.control.mode("reset_after", count=1, path=f"POST {path}")
    payment_jobs.work_off()
    assert len(till.shop.control.objects(kind)) == 1
    till.shop.control.mode("reset")
    for _ in range(5):
        pass_hours(till, 5)
        payment_jobs.work_off()
    till.shop.control.mode("normal")
    pass_hours(till, 0.1)
    payment_jobs.work_off()
    assert [each["amount"] for each in till.shop.control.objects(kind)] == [cents]
    assert list_commands() == []
    assert [each.status.value for each in rows(Refund)] == ["succeeded"] * len(rows(Refund))


def test_a_command_that_was_put_off_by_a_clock_a_day_ahead_is_carried_out_once_the_clock_is_right(
    till: Till,
) -> None:
    order_refund(till)
    till.shop.clock.shift(86_400)
    till.shop.control.mode("reset")
    payment_jobs.work_off()
    till.shop.control.mode("normal")
    till.shop.clock.shift(60 - 86_400)
    payment_jobs.work_off()
    assert [each.status.value for each in rows(Refund)] == ["succeeded"]


def test_a_part_that_went_back_does_so_once_where_a_state_of_the_day_before_is_restored(till: Till) -> None:
    """Stripe has forgotten the key by then, and our row has no attempt."""
    order = buy(till)
    pass_hours(till, 100)
    till.sign_in()
    withdraw(till, order)
    database = str(engine().url.database)
    backup = databases.copy_rows(database)
    payment_jobs.work_off()
    pass_hours(till, 25)
    engine().dispose()
    databases.bring_back(database, backup)
    payment_jobs.work_off()
    (refund,) = rows(Refund)
    assert 0 < refund.amount_cents < PRICE / 2
    assert [each["amount"] for each in till.shop.control.objects("refund")] == [refund.amount_cents]
    assert (refund.status.value, list_commands()) == ("succeeded", [])


@pytest.mark.parametrize(("order", "path", "kind", "cents"), ORDERS)
def test_an_error_that_stripe_saved_under_a_key_is_followed_by_the_next(
    till: Till, order: Callable[[Till], None], path: str, kind: str, cents: int
) -> None:
    order(till)
    till.shop.control.mode("error_500", count=1, path=f"POST {path}", saved=1)
    for _ in range(3):  # the error, its repetition, and the next key
        payment_jobs.work_off()
        pass_hours(till, 0.01)
    assert [each["amount"] for each in till.shop.control.objects(kind)] == [cents]
    assert list_commands() == []
    calls = [each for each in till.shop.control.requests(path) if each["method"] == "POST"]
    assert len({each["idempotency_key"] for each in calls}) == 2


def test_a_worker_that_listed_a_command_leaves_it_to_the_one_that_took_it(till: Till) -> None:
    order_refund(till)
    with session() as s:
        listed = find_due_commands(s)
    till.shop.control.mode("reset_after", path="POST /v1/refunds")
    for each in listed * 2:
        carry_out(*each)
    assert [each["method"] for each in till.shop.control.requests("/v1/refunds")] == ["GET", "POST"]


def test_a_refund_that_waited_for_a_dispute_is_made_within_an_hour_after(till: Till) -> None:
    """Stripe names an open dispute by another code than a lost one, and keeps the refusal under the key for a day."""
    till.buy()
    (intent,) = (each["id"] for each in till.shop.control.objects("payment_intent"))
    dispute = till.shop.control.dispute(intent)
    till.shop.deliver()
    (payment,) = rows(Payment)
    assert till.post("withdraw", {"paymentId": str(payment.id)}).json["refund"] == 1499
    till.shop.deliver()
    till.shop.pass_time(hours=2)
    payment_jobs.work_off()
    till.shop.control.close_dispute(dispute["id"], "won")
    till.shop.pass_time(hours=1)
    payment_jobs.work_off()
    assert ([each.status.value for each in rows(Refund)], list_commands()) == (["succeeded"], [])


@pytest.mark.parametrize("is_asked", [True, False])
def test_a_credit_of_a_customer_that_the_dashboard_deleted_goes_back_as_money(
    till: Till, sandbox: Running, *, is_asked: bool
) -> None:
    order_credit(till)
    if is_asked:
        payment_jobs.work_off()
    account = sandbox._sandbox.stripe.account
    delete_customer(account, Parameters(), account.all("customer")[0]["id"])
    till.shop.deliver()
    jobs.credit_outages()
    payment_jobs.work_off()
    till.shop.deliver()
    assert ([each.amount_cents for each in rows(Refund)], list_commands()) == ([50], [])


def test_an_end_of_a_subscription_that_ended_unheard_is_over(till: Till) -> None:
    till.buy(PlanName.URGENCE_TOTAL)
    (subscription,) = till.shop.control.objects("subscription")
    till.shop.control.cancel_subscription(subscription["id"])
    till.shop.control.take_deliveries()
    assert till.post("cancel", {"periodEnd": True}).status_code == 200
    payment_jobs.work_off()
    (row,) = rows(Subscription)
    assert (row.ended_at, list_commands()) == (clock(), [])


def test_an_end_that_is_taken_back_while_stripe_is_away_is_none(till: Till) -> None:
    till.buy(PlanName.URGENCE_TOTAL)
    till.shop.control.mode("reset")
    assert till.post("cancel", {"periodEnd": True}).status_code == 200
    payment_jobs.work_off()
    assert till.post("cancel/undo", {}).status_code == 200
    till.shop.control.mode("normal")
    till.shop.pass_time(minutes=2)
    payment_jobs.work_off()
    (subscription,) = till.shop.control.objects("subscription")
    (row,) = rows(Subscription)
    assert (subscription["cancel_at"], row.cancel_wanted_at, list_commands()) == (None, None, [])
    assert row.period_ends_at > clock()


PRICE = 1499
OPENS, SENDS, WITHDRAWS, DASHBOARD = "opens the page", "sends it", "withdraws", "the dashboard gives back"
HISTORIES = [each for each in permutations((OPENS, SENDS, WITHDRAWS, DASHBOARD)) if each.index(OPENS) < each.index(SENDS)]  # fmt: skip


# How Stripe meets the operator's refund at first.
TROUBLES = (None, "reset_after", "error_500")


@pytest.mark.fuzz
@pytest.mark.parametrize("trouble", try_first(TROUBLES, 1))
def test_whoever_is_quicker_all_of_it_goes_back_once(till: Till, person: People, trouble: str | None) -> None:
    """The plan was not used, so that all of its price is owed. In turn we hear at once, and late, what happened.

    Eight histories are met with a trouble, `make fuzz` meets each with all of them, and hears of it in both ways.
    """
    operator = seat_operator(till.shop.client.application)
    first = TROUBLES.index(trouble)
    told = list(enumerate(HISTORIES, first))
    for number, acts in told if FUZZ > 1 else told[first::5]:
        buyer = Till(till.shop, person(f"buyer{number}@example.org"))
        order = buy(buyer)
        play(buyer, operator, order, acts, trouble, told_at_once=number % 2 == 0)
        finish(till.shop)
        line = find_line(till.shop, order)
        assert line["refunded"] == PRICE, acts


def play(
    buyer: Till,
    operator: Browser,
    order: Payment,
    acts: tuple[str, ...],
    trouble: str | None,
    *,
    told_at_once: bool,
) -> None:
    shop, form = buyer.shop, None
    for act in acts:
        if act == OPENS:
            operator.get(f"/admin/paiements/{order.id}/remboursement?amount=1")
            form = operator.page if operator.status == 200 else None  # else nothing is left
        elif act == SENDS and form:
            operator.page = form
            send_refund(shop, operator, trouble)
        elif act == WITHDRAWS:
            answer = buyer.post("withdraw", {"paymentId": str(order.id)})
            assert answer.status_code == 200, answer.json
        elif act == DASHBOARD:
            line = find_line(shop, order)
            if line["net"]:
                shop.control.refund(line["payment_intent"], amount=50)
        if told_at_once:
            shop.deliver()


def send_refund(shop: Shop, operator: Browser, trouble: str | None) -> None:
    number = re.search(r"recopiez le numéro : (\w+)", operator.page.text)
    assert number
    operator.send("/remboursement", note="geste", typed=number[1])
    if trouble:
        shop.control.mode(trouble, path="POST /v1/refunds")
        payment_jobs.work_off()
        shop.control.mode("normal")


def finish(shop: Shop) -> None:
    """Let all that waits for Stripe have its turn."""
    payment_jobs.work_off()
    shop.deliver()
    while waiting := list_commands():
        shop.clock.move_to(max(clock(), waiting[-1].next_attempt_at) + timedelta(seconds=1))
        payment_jobs.work_off()
        shop.deliver()


def find_line(shop: Shop, order: Payment) -> dict[str, Any]:
    """Return the line of an order in Stripe's ledger."""
    mine = {each.id for each in rows(StripeId, StripeId.payment_id == order.id)}
    return next(each for each in shop.control.ledger() if each["payment_intent"] in mine)
