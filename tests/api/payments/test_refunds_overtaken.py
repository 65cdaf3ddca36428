"""Refunds that are owed, where Stripe's dashboard gave back a part of the money just before: the rest goes back."""

from uuid import UUID

import pytest

from api.models.base import session
from api.models.payment import Payment, PaymentStatus, RefundReason, RefundStatus
from api.models.stripe_command import CommandKind
from api.payments.executors import carry_out
from api.payments.jobs import work_off
from api.payments.ledger import lock_payment
from api.payments.owners import find_stripe_id
from api.payments.refunds import plan_refund
from tests.api.payments.shop import Shop, get_payment, list_refunds
from tests.clients import Person


def plan(payment_id: UUID, cents: int, reason: RefundReason = RefundReason.WITHDRAWAL) -> UUID:
    with session() as s:
        return plan_refund(s, lock_payment(s, payment_id), cents, reason).id


def refund_in_dashboard(shop: Shop, payment_id: UUID, cents: int) -> None:
    with session() as s:
        intent = find_stripe_id(s, s.get_one(Payment, payment_id), "payment_intent")
    shop.control.refund(str(intent), amount=cents)


def list_sums(payment_id: UUID) -> list[tuple[RefundReason, RefundStatus, int]]:
    return [(each.reason, each.status, each.amount_cents) for each in list_refunds(payment_id)]


@pytest.mark.parametrize("told_first", [True, False])
def test_the_rest_of_a_withdrawal_goes_back(shop: Shop, camille: Person, *, told_first: bool) -> None:
    payment_id = shop.buy(camille.id)
    refund_id = plan(payment_id, 1499)
    refund_in_dashboard(shop, payment_id, 200)
    if told_first:
        shop.deliver()
    carry_out(CommandKind.REFUND, refund_id)
    shop.deliver()
    shop.work_off()
    shop.deliver()
    assert sorted(list_sums(payment_id)) == [
        (RefundReason.EXTERNAL, RefundStatus.SUCCEEDED, 200),
        (RefundReason.WITHDRAWAL, RefundStatus.FAILED, 1499),
        (RefundReason.WITHDRAWAL, RefundStatus.SUCCEEDED, 1299),
    ]
    assert (get_payment(payment_id).status, get_payment(payment_id).refunded_cents) == (
        PaymentStatus.REFUNDED,
        1499,
    )
    assert [each["refunded"] for each in shop.control.ledger()] == [1499]


def test_it_is_overtaken_again_and_again(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id)
    due = plan(payment_id, 1000)
    for cents in (600, 100):
        refund_in_dashboard(shop, payment_id, cents)
        carry_out(CommandKind.REFUND, due)
        shop.control.mode("error_500", path="POST /v1/refunds")
        shop.deliver()
        shop.control.mode("normal")
        shop.clock.shift(10)  # the command's next turn
        (due,) = [each.id for each in list_refunds(payment_id) if each.status is RefundStatus.PLANNED]
    carry_out(CommandKind.REFUND, due)
    shop.deliver()
    assert [each["refunded"] for each in shop.control.ledger()] == [1499]
    assert (
        sum(cents for _, status, cents in list_sums(payment_id) if status is RefundStatus.SUCCEEDED) == 1499
    )


def test_what_an_operator_wished_is_not_repeated(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id)
    refund_id = plan(payment_id, 1499, RefundReason.OPERATOR)
    refund_in_dashboard(shop, payment_id, 200)
    carry_out(CommandKind.REFUND, refund_id)
    shop.deliver()
    work_off()
    assert [status for _, status, _ in sorted(list_sums(payment_id))] == [
        RefundStatus.SUCCEEDED,
        RefundStatus.FAILED,
    ]


def test_what_a_bank_sent_back_is_not_repeated(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id)
    carry_out(CommandKind.REFUND, plan(payment_id, 1000))
    shop.deliver()
    (made,) = shop.control.objects("refund")
    shop.control.fail_refund(made["id"])
    shop.deliver()
    refund_in_dashboard(shop, payment_id, 100)
    shop.deliver()
    assert [status for _, status, _ in sorted(list_sums(payment_id))] == [
        RefundStatus.SUCCEEDED,
        RefundStatus.FAILED,
    ]


def test_a_refund_made_without_an_answer_is_known_beside_one_of_the_dashboard(
    shop: Shop, camille: Person
) -> None:
    payment_id = shop.buy(camille.id)
    carry_out(CommandKind.REFUND, plan(payment_id, 1, RefundReason.OPERATOR))
    shop.deliver()
    (first,) = shop.control.objects("refund")
    shop.control.fail_refund(first["id"])  # so that Stripe has a cent more than is known here
    due = plan(payment_id, 1498)
    shop.control.mode("reset_after", path="POST /v1/refunds")
    carry_out(CommandKind.REFUND, due)
    shop.control.mode("normal")
    refund_in_dashboard(shop, payment_id, 1)
    shop.deliver(reversed(list(shop.control.take_deliveries())))
    shop.work_off()
    shop.deliver()
    assert [each["refunded"] for each in shop.control.ledger()] == [1499]
    assert sorted(each for each in list_sums(payment_id) if each[1] is RefundStatus.SUCCEEDED) == [
        (RefundReason.EXTERNAL, RefundStatus.SUCCEEDED, 1),
        (RefundReason.WITHDRAWAL, RefundStatus.SUCCEEDED, 1498),
    ]
