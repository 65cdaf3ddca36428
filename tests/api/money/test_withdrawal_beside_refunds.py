"""A withdrawal beside refunds by an operator and in Stripe's dashboard: in any order they give what is owed, once."""

import re
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from api.models.payment import Payment, StripeId
from api.payments import jobs
from configs.ground.clock import clock
from tests.api.billing.till import Till
from tests.api.declarations.orders import buy
from tests.api.payments.shop import Shop, list_commands
from tests.clients import Browser, People, seat_operator
from tests.factories import rows

PRICE = 1499
OPENS, SENDS, WITHDRAWS, DASHBOARD = "opens the page", "sends it", "withdraws", "the dashboard gives back"
HISTORIES = [each for each in permutations((OPENS, SENDS, WITHDRAWS, DASHBOARD)) if each.index(OPENS) < each.index(SENDS)]  # fmt: skip


# How Stripe meets the operator's refund at first.
TROUBLES = (None, "error_500", "reset_after")


@pytest.mark.parametrize("trouble", TROUBLES)
def test_whoever_is_quicker_all_of_it_goes_back_once(till: Till, person: People, trouble: str | None) -> None:
    """The plan was not used, so that all of its price is owed. In turn we hear at once, and late, what happened.

    So each history is met with each trouble, and heard of in both ways; and so is each trouble.
    """
    operator = seat_operator(till.shop.client.application)
    for number, acts in enumerate(HISTORIES, TROUBLES.index(trouble)):
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
        jobs.work_off()
        shop.control.mode("normal")


def finish(shop: Shop) -> None:
    """Let all that waits for Stripe have its turn."""
    jobs.work_off()
    shop.deliver()
    while waiting := list_commands():
        shop.clock.move_to(max(clock(), waiting[-1].next_attempt_at) + timedelta(seconds=1))
        jobs.work_off()
        shop.deliver()


def find_line(shop: Shop, order: Payment) -> dict[str, Any]:
    """Return the line of an order in Stripe's ledger."""
    mine = {each.id for each in rows(StripeId, StripeId.payment_id == order.id)}
    return next(each for each in shop.control.ledger() if each["payment_intent"] in mine)
