"""The comparison with Stripe: it makes up for lost events and reports the rest; and much that comes at once."""

import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from api.jobs import schedule as background_jobs
from api.models.base import session
from api.models.job import PAYMENTS
from api.models.payment import (
    FormerCustomer,
    Payment,
    PaymentStatus,
    RefundReason,
    RefundStatus,
    Subscription,
)
from api.models.stripe_event import CommandKind, PaymentDifference, StripeEvent
from api.models.user import Grant, Role, User
from api.payments.exchange import events, jobs, reconciliation
from api.payments.exchange.commands import carry_out
from api.payments.exchange.objects import OBJECT_TYPES, find_type
from api.payments.exchange.reconciliation import reconcile, sync_stuck_payments
from api.payments.gateway.client import call
from api.payments.gateway.facts import SessionFacts
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.refunds import plan_refund
from configs.ground.clock import clock
from configs.ground.redis import redis
from configs.world.plan import PlanName
from tests.api.payments.shop import (
    Shop,
    find_intent,
    get_payment,
    list_grants,
    list_messages,
    list_open_events,
    list_refunds,
    take_nudges,
)
from tests.clients import People, Person
from tests.factories import change, give_role, rows, save
from tests.sandbox_controls import Delivery


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
    found = reconcile()
    assert [found[each] for each in ("compared", "different", "left", "missed")] == [4, 0, 0, 0]


def test_what_cannot_be_explained_is_reported_with_both_sides(shop: Shop, camille: Person) -> None:
    give_role(camille.id, Role.ADMIN)
    payment_id = shop.buy(camille.id)
    change(Payment, Payment.id == payment_id, amount_cents=1500)
    save(Payment(user_id=camille.id, plan=PlanName.URGENCE_24H, amount_cents=499, created_at=clock()))
    shop.clock.shift(timedelta(hours=1))
    assert reconcile()["left"] == 2
    ours, stripe, repaired = next(each for each in list_differences() if each[1])
    assert (ours["amount"], stripe["amount"], repaired) == (1500, 1499, False)
    assert list_messages() == ["order", "payment_trouble", "payment_trouble"]  # of the book, and of Stripe


def test_stuck_payments_are_found_after_half_an_hour(shop: Shop, camille: Person) -> None:
    orders = [shop.order(camille.id, each) for each in (PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL)]
    for order in orders:
        shop.control.pay(order.session_id)
    shop.control.take_deliveries()
    lost = save(Payment(user_id=camille.id, plan=PlanName.URGENCE_24H, amount_cents=499, created_at=clock()))
    assert sync_stuck_payments() == {"synced": 0, "expired": 0}
    shop.clock.shift(timedelta(minutes=30))
    assert sync_stuck_payments() == {"synced": 3, "expired": 1}
    assert {get_payment(each.payment_id).status for each in orders} == {PaymentStatus.COMPLETED}
    assert {each.plan for each in list_grants(camille.id)} == {PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL}
    assert get_payment(lost.id).status is PaymentStatus.FAILED
    assert sync_stuck_payments() == {"synced": 0, "expired": 0}


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
    kind = OBJECT_TYPES["checkout_session"]

    def fail(s: Session, facts: SessionFacts) -> None:
        if facts.id == orders[0].session_id:
            raise ValueError("rubbish")
        kind.apply(s, facts)

    monkeypatch.setitem(OBJECT_TYPES, "checkout_session", replace(kind, apply=fail))
    monkeypatch.setattr(reconciliation, "find_type", lambda _: None)
    assert reconcile()["left"] == 1
    assert [get_payment(each.payment_id).status for each in orders] == [
        PaymentStatus.PENDING,
        PaymentStatus.COMPLETED,
    ]


def pay_many(shop: Shop, person: People, number: int) -> list[Delivery]:
    """Let so many users pay an order each; return the events of all."""
    for each in range(number):
        user = person(f"user{each}@example.org").id
        shop.control.pay(shop.order(user, PlanName.URGENCE_24H).session_id)
    return shop.control.take_deliveries()


def work_off_in_rounds(shop: Shop) -> list[int]:
    """Let the sweep's job run until nothing is left; return how many objects each round applied."""
    done: list[int] = []
    while events := list_open_events():
        shop.clock.shift(10)
        jobs.work_off()
        before, after = ({each.object_id for each in found} for found in (events, list_open_events()))
        done.append(len(before - after))
        assert done[-1], "no round goes by without work"
    return done


def check_all_applied(shop: Shop, deliveries: list[Delivery], number: int) -> None:
    assert len(rows(StripeEvent)) == len(deliveries)
    applied = [each for each in rows(StripeEvent) if each.applied_at]
    assert Counter(each.type for each in applied) == Counter(
        each.type for each in deliveries if find_type(each.type)
    )
    assert Counter(each.status for each in rows(Payment)) == {PaymentStatus.COMPLETED: number}
    assert len(rows(Grant)) == number
    assert Counter(list_messages()) == {"order": number}
    read = Counter(each["path"] for each in shop.control.requests("/v1/") if each["method"] == "GET")
    assert set(read.values()) == {1}, "each object is read once, however many events it has"


def test_many_events_at_once_are_applied_in_bounded_rounds(
    shop: Shop, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events.find_due_objects, "__defaults__", (5,))
    deliveries = pay_many(shop, person, 4)
    for each in deliveries:
        assert shop.post(each.body, each.headers) == 200
    assert redis().llen(f"nudges:{PAYMENTS}") == sum(find_type(each.type) is not None for each in deliveries)
    redis().flushdb()  # every nudge is lost
    rounds = work_off_in_rounds(shop)
    assert max(rounds) <= 5
    check_all_applied(shop, deliveries, 4)


def test_in_a_crowd_of_events_those_that_give_a_plan_come_first(
    shop: Shop, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_CROWD", 5)
    deliveries = pay_many(shop, person, 4)
    for each in deliveries:
        assert shop.post(each.body, each.headers) == 200
    waiting = take_nudges()
    assert events._CROWD < len(waiting) < sum(find_type(each.type) is not None for each in deliveries)
    for _, argument in waiting:
        jobs.apply_object(argument)
    assert Counter(each.status for each in rows(Payment)) == {PaymentStatus.COMPLETED: 4}
    assert {each.type.partition(".")[0] for each in list_open_events()} == {"payment_intent"}
    redis().flushdb()
    work_off_in_rounds(shop)
    check_all_applied(shop, deliveries, 4)


def test_lists_of_several_pages_are_compared_whole(
    shop: Shop, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "_PAGE", 2)
    pay_many(shop, person, 5)  # all events are lost
    found = reconciliation.reconcile()
    assert (found["compared"], found["different"], found["left"]) == (5, 5, 0)
    lists = [
        each for each in shop.control.requests("/v1/checkout/sessions") if each["path"].endswith("sessions")
    ]
    assert len([each for each in lists if each["method"] == "GET"]) == 3
    assert Counter(each.status for each in rows(Payment)) == {PaymentStatus.COMPLETED: 5}


def test_what_happens_while_lists_are_read_is_no_difference(
    shop: Shop, camille: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shop.order(camille.id)
    make = reconciliation._list_objects

    def make_then_pay(since: int) -> object:
        listed = make(since)
        shop.control.pay(order.session_id)
        shop.deliver()
        shop.buy(camille.id)  # begun after the lists were made
        return listed

    monkeypatch.setattr(reconciliation, "_list_objects", make_then_pay)
    assert reconciliation.reconcile()["left"] == 0
    assert list_messages() == ["order", "order"]


def test_waiting_refunds_do_not_keep_events_waiting(
    shop: Shop, camille: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment_id = shop.buy(camille.id)
    with session() as s:
        for _ in range(20):
            plan_refund(s, lock_payment(s, payment_id), 1, RefundReason.OPERATOR)
    shop.control.pay(shop.order(camille.id).session_id)
    for each in shop.control.take_deliveries():
        assert shop.post(each.body, each.headers) == 200
    take_nudges()  # they are lost
    shop.clock.shift(10)
    seconds, asked = [0.0], []

    def ask_slowly(kind: CommandKind, refund_id: UUID) -> None:
        assert list_open_events() == []  # events had their turn before
        seconds[0] += 8
        asked.append(refund_id)
        carry_out(kind, refund_id)

    monkeypatch.setattr(jobs, "carry_out", ask_slowly)
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    jobs.work_off()
    assert len(asked) == 3  # of the round's 20 s; the sweep asks for the next round
    assert {each.status for each in rows(Payment)} == {PaymentStatus.COMPLETED}


@pytest.fixture
def payment(shop: Shop, camille: Person) -> UUID:
    """A payment whose account was deleted."""
    made = shop.buy(camille.id, PlanName.URGENCE_TOTAL)
    answer = camille.delete("/api/users/me", {"understood": True})
    assert answer.status_code == 204
    return made


def is_deleted(shop: Shop, customer: str) -> bool:
    (known,) = (each for each in shop.control.objects("customer") if each["id"] == customer)
    return bool(known.get("deleted"))


def test_a_customer_is_deleted_at_stripe_after_120_days_or_once_it_answers(shop: Shop, payment: UUID) -> None:
    (row,) = rows(FormerCustomer)
    assert (row.payment_id, rows(User)) == (payment, [])
    shop.clock.shift(timedelta(days=120, seconds=-1))
    assert background_jobs.drop_former_customers() == {"deleted": 0, "left": 0}
    assert not is_deleted(shop, row.customer)
    shop.clock.shift(1)
    shop.control.mode("error_500", count=1)
    assert background_jobs.drop_former_customers() == {"deleted": 0, "left": 1}
    assert background_jobs.drop_former_customers() == {"deleted": 1, "left": 0}
    assert is_deleted(shop, row.customer)
    assert rows(FormerCustomer) == []


def test_one_that_is_deleted_already_is_no_error(shop: Shop, payment: UUID) -> None:
    (row,) = rows(FormerCustomer)
    call(lambda c: c.v1.customers.delete(row.customer))
    shop.clock.shift(timedelta(days=120))
    assert background_jobs.drop_former_customers() == {"deleted": 1, "left": 0}
