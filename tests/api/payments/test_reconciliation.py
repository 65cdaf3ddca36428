"""The comparison with Stripe: it makes up for lost events, and reports with both sides what it cannot repair."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from api.models.payment import Payment, PaymentStatus, RefundStatus, Subscription
from api.models.stripe_event import PaymentDifference
from api.models.user import Role
from api.payments import reconciliation
from api.payments.facts import SessionFacts
from api.payments.notices import Effects
from api.payments.objects.purchases import CheckoutSession
from api.payments.reconciliation import reconcile, sync_stuck_payments
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.shop import Shop, find_intent, get_payment, list_grants, list_messages, list_refunds
from tests.clients import Person
from tests.factories import change, give_role, rows, save


def list_differences() -> list[tuple[dict[str, Any], dict[str, Any], bool]]:
    return [(each.ours, each.stripe, each.repaired) for each in rows(PaymentDifference)]


def test_lost_events_are_made_up_for(shop: Shop, camille: Person) -> None:
    paid, monthly = shop.order(camille.id), shop.order(camille.id, PlanName.URGENCE_TOTAL)
    for order in (paid, monthly):
        shop.control.pay(order.session_id)
    shop.control.take_deliveries()  # all lost
    assert reconcile()["left"] == 0
    assert {get_payment(each.payment_id).status for each in (paid, monthly)} == {PaymentStatus.COMPLETED}
    assert len(list_grants(camille.id)) == 2
    assert {repaired for _, _, repaired in list_differences()} == {True}
    shop.control.refund(find_intent(paid.payment_id))
    shop.control.take_deliveries()
    assert reconcile()["left"] == 0
    assert [each.status for each in list_refunds(paid.payment_id)] == [RefundStatus.SUCCEEDED]
    assert reconcile() == {"compared": 4, "different": 0, "left": 0, "missed": 0}


def test_what_cannot_be_explained_is_reported_with_both_sides(shop: Shop, camille: Person) -> None:
    give_role(camille.id, Role.ADMIN)
    payment_id = shop.buy(camille.id)
    change(Payment, Payment.id == payment_id, amount_cents=1500)
    save(Payment(user_id=camille.id, plan=PlanName.URGENCE_24H, amount_cents=499, created_at=clock()))
    shop.clock.shift(timedelta(hours=1))
    assert reconcile()["left"] == 2
    ours, stripe, repaired = next(each for each in list_differences() if each[1])
    assert (ours["amount"], stripe["amount"], repaired) == (1500, 1499, False)
    assert list_messages() == ["order", "payment_trouble"]


def test_stuck_payments_are_found_after_half_an_hour(shop: Shop, camille: Person) -> None:
    order = shop.order(camille.id)
    shop.control.pay(order.session_id)
    shop.control.take_deliveries()
    lost = save(Payment(user_id=camille.id, plan=PlanName.URGENCE_24H, amount_cents=499, created_at=clock()))
    assert sync_stuck_payments() == {"synced": 0, "expired": 0}
    shop.clock.shift(timedelta(minutes=30))
    assert sync_stuck_payments() == {"synced": 1, "expired": 1}
    assert get_payment(order.payment_id).status is PaymentStatus.COMPLETED
    assert get_payment(lost.id).status is PaymentStatus.FAILED
    assert sync_stuck_payments() == {"synced": 0, "expired": 0}


def test_a_subscription_whose_events_are_lost_begins_after_half_an_hour(shop: Shop, camille: Person) -> None:
    order = shop.order(camille.id, PlanName.URGENCE_TOTAL)
    shop.control.pay(order.session_id)
    shop.control.take_deliveries()
    shop.clock.shift(timedelta(minutes=30))
    assert sync_stuck_payments() == {"synced": 2, "expired": 0}
    assert get_payment(order.payment_id).status is PaymentStatus.COMPLETED
    assert [each.plan for each in list_grants(camille.id)] == [PlanName.URGENCE_TOTAL]


def test_lost_events_of_disputes_and_subscriptions_are_found_too(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id, PlanName.URGENCE_TOTAL)
    dispute = shop.control.dispute(find_intent(payment_id))
    shop.control.close_dispute(dispute["id"], "lost")
    (subscription,) = shop.control.objects("subscription")
    shop.control.cancel_subscription(subscription["id"])
    shop.control.take_deliveries()
    assert reconcile()["missed"] == 4
    assert get_payment(payment_id).status is PaymentStatus.REFUNDED
    (row,) = rows(Subscription)
    assert row.status == "canceled"
    assert reconcile()["missed"] == 0


def test_an_object_that_cannot_be_applied_stops_no_other(
    shop: Shop, camille: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [shop.order(camille.id) for _ in range(2)]
    for order in orders:
        shop.control.pay(order.session_id)
    shop.control.take_deliveries()
    apply = CheckoutSession.apply

    def fail(self: CheckoutSession, s: Session, facts: SessionFacts) -> Effects:
        if facts.id == orders[0].session_id:
            raise ValueError("rubbish")
        return apply(self, s, facts)

    monkeypatch.setattr(CheckoutSession, "apply", fail)
    monkeypatch.setattr(reconciliation, "types_by_event", dict)
    assert reconcile()["left"] == 1
    assert [get_payment(each.payment_id).status for each in orders] == [
        PaymentStatus.PENDING,
        PaymentStatus.COMPLETED,
    ]
