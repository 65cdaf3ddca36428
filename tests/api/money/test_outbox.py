"""The outbox: whatever becomes of an answer of Stripe's, what was ordered is done once."""

from collections.abc import Callable
from typing import Any

import pytest

from api.background import jobs
from api.models.payment import Payment, Refund, Subscription
from api.payments import jobs as payment_jobs
from configs.clock import clock
from configs.plan import PlanName
from tests.api.billing.test_outage_credits import check
from tests.api.billing.till import ALERT, Till
from tests.api.payments.shop import list_commands
from tests.api.world import desk_state, rows


def order_refund(till: Till) -> None:
    till.buy()
    (payment,) = rows(Payment)
    assert till.post("withdraw", {"paymentId": str(payment.id)}).status_code == 200


def order_credit(till: Till) -> None:
    desk_state()
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
    assert len({read_key(each) for each in calls}) == 2


def read_key(call: dict[str, Any]) -> str:
    return str(call["idempotency_key"])


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
