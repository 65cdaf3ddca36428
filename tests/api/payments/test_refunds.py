"""Money that goes back: by us, by the dashboard, by a lost dispute; and what becomes of the plan."""

from datetime import timedelta
from threading import Barrier, Thread
from uuid import UUID

import pytest

from api.models.base import session
from api.models.payment import Payment, PaymentStatus, PlanCredit, RefundReason, RefundStatus
from api.models.stripe_command import CommandKind
from api.payments.errors import RefundRefused
from api.payments.executors import carry_out
from api.payments.jobs import apply_event, work_off
from api.payments.ledger import find_stripe_id
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.shop import (
    Shop,
    find_intent,
    get_payment,
    list_grants,
    list_kinds,
    list_messages,
    list_refunds,
    order_refund,
    take_back,
)
from tests.clients import Person
from tests.factories import save


def test_a_full_refund_ends_the_plan_and_later_ones_move_up(shop: Shop, camille: Person) -> None:
    first, second = shop.buy(camille.id), shop.buy(camille.id)
    shop.pass_time(days=1)
    carry_out(CommandKind.REFUND, order_refund(first, 1499))
    shop.deliver()
    ended, moved = list_grants(camille.id)
    assert (ended.payment_id, ended.ends_at) == (first, clock())
    assert (moved.payment_id, moved.starts_at) == (second, clock())
    assert moved.ends_at == clock() + timedelta(days=7)
    assert get_payment(first).status is PaymentStatus.REFUNDED
    assert list_kinds(first) == ["paid", "refunded"]
    assert list_messages() == ["order", "order", "refunded"]


def test_a_plan_that_has_not_begun_is_deleted(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id)
    second, third = shop.buy(camille.id), shop.buy(camille.id)
    before = list_grants(camille.id)
    carry_out(CommandKind.REFUND, order_refund(second, 1499))
    kept, moved = list_grants(camille.id)
    assert kept.ends_at == before[0].ends_at
    assert (moved.payment_id, moved.starts_at, moved.ends_at) == (
        third,
        before[1].starts_at,
        before[1].ends_at,
    )


def test_a_partial_refund_leaves_the_plan(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id)
    carry_out(CommandKind.REFUND, order_refund(payment_id, 500))
    payment = get_payment(payment_id)
    assert (payment.status, payment.refunded_cents) == (PaymentStatus.COMPLETED, 500)
    assert list_grants(camille.id)[0].ends_at == clock() + timedelta(days=7)
    with pytest.raises(RefundRefused, match="999 cents"):
        order_refund(payment_id, 1000)


def test_a_refund_of_the_dashboard_is_recorded_as_external(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id)
    shop.pass_time(hours=1)
    shop.control.refund(find_intent(payment_id), amount=499)
    shop.deliver()
    shop.control.refund(find_intent(payment_id))
    shop.deliver()
    assert [(each.reason, each.amount_cents) for each in list_refunds(payment_id)] == [
        (RefundReason.EXTERNAL, 499),
        (RefundReason.EXTERNAL, 1000),
    ]
    assert get_payment(payment_id).status is PaymentStatus.REFUNDED
    assert list_grants(camille.id)[0].ends_at == clock()


def test_a_refund_that_comes_back_can_be_made_again(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id)
    carry_out(CommandKind.REFUND, order_refund(payment_id, 1499))
    shop.deliver()
    (made,) = shop.control.objects("refund")
    shop.control.fail_refund(made["id"])
    shop.deliver()
    payment = get_payment(payment_id)
    assert (payment.status, payment.refunded_cents) == (PaymentStatus.COMPLETED, 0)
    carry_out(CommandKind.REFUND, order_refund(payment_id, 1499))
    assert get_payment(payment_id).status is PaymentStatus.REFUNDED


def test_a_refund_and_a_dispute_at_once_end_the_plan_once(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id)
    shop.pass_time(hours=1)
    shop.control.refund(find_intent(payment_id), amount=1000)
    opened = shop.control.dispute(find_intent(payment_id), amount=499)
    shop.control.close_dispute(opened["id"], "lost")
    deliveries = shop.control.take_deliveries()
    ready = Barrier(len(deliveries))
    for each in deliveries:
        shop.post(each.body, each.headers)

    def apply(event_id: str) -> None:
        ready.wait()
        apply_event(event_id)

    threads = [Thread(target=apply, args=(each.id,)) for each in deliveries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert get_payment(payment_id).status is PaymentStatus.REFUNDED
    assert get_payment(payment_id).refunded_cents == 1000
    (grant,) = list_grants(camille.id)
    assert grant.ends_at == clock()


def test_an_upgrade_ends_the_cheaper_plan_and_its_withdrawal_revives_it(shop: Shop, camille: Person) -> None:
    cheap = shop.buy(camille.id, PlanName.URGENCE_24H)
    shop.pass_time(hours=6)
    order = shop.order(camille.id, PlanName.URGENCE_7J, amount_cents=1124)
    save(
        PlanCredit(
            payment_id=order.payment_id, credited_payment_id=cheap, amount_cents=375, seconds=18 * 3600
        )
    )
    shop.control.pay(order.session_id)
    shop.deliver()
    assert [(each.payment_id, each.ends_at) for each in list_grants(camille.id)] == [
        (cheap, clock()),
        (order.payment_id, clock() + timedelta(days=7)),
    ]
    assert list_kinds(cheap) == ["paid", "plan_ended"]
    take_back(order.payment_id)
    revived = list_grants(camille.id)[-1]
    assert (revived.payment_id, revived.source) == (cheap, "revived")
    assert (revived.starts_at, revived.ends_at) == (clock(), clock() + timedelta(hours=18))
    assert get_payment(order.payment_id).status is PaymentStatus.REFUNDED


def refund_in_dashboard(shop: Shop, payment_id: UUID, cents: int) -> None:
    with session() as s:
        intent = find_stripe_id(s, s.get_one(Payment, payment_id), "payment_intent")
    shop.control.refund(str(intent), amount=cents)


def list_sums(payment_id: UUID) -> list[tuple[RefundReason, RefundStatus, int]]:
    return [(each.reason, each.status, each.amount_cents) for each in list_refunds(payment_id)]


def test_it_is_overtaken_again_and_again(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id)
    due = order_refund(payment_id, 1000, RefundReason.WITHDRAWAL)
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
    refund_id = order_refund(payment_id, 1499)
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
    carry_out(CommandKind.REFUND, order_refund(payment_id, 1000, RefundReason.WITHDRAWAL))
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
    carry_out(CommandKind.REFUND, order_refund(payment_id, 1))
    shop.deliver()
    (first,) = shop.control.objects("refund")
    shop.control.fail_refund(first["id"])  # so that Stripe has a cent more than is known here
    due = order_refund(payment_id, 1498, RefundReason.WITHDRAWAL)
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
