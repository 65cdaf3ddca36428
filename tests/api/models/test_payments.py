"""Rules of the database itself for payments: derived columns, rows that never change, and the sum of refunds."""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

import api.models.all  # noqa: F401 -- a flush resolves foreign keys
from api.models.base import session
from api.models.payment import (
    Payment,
    PaymentEvent,
    PaymentEventKind,
    PaymentStatus,
    Refund,
    RefundReason,
    RefundStatus,
    StripeId,
)
from api.models.user import User
from configs.world.plan import PlanName
from tests.factories import add_user, change, get, remove, save
from tests.in_turn import in_turn

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
Kind = PaymentEventKind

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def payment_id() -> UUID:
    return order()


def order() -> UUID:
    return save(Payment(user_id=add_user().id, plan=PlanName.URGENCE_7J, amount_cents=1499)).id


def happen(payment_id: UUID, *kinds: PaymentEventKind, subject: str = "") -> Payment:
    with session() as s:
        for number, kind in enumerate(kinds):
            s.add(
                PaymentEvent(
                    payment_id=payment_id,
                    kind=kind,
                    subject=subject,
                    at=AT + timedelta(hours=number),
                    recorded_at=AT,
                    details={"amount": 1499} if kind is Kind.DISPUTE_LOST else {},
                )
            )
            s.flush()
        return s.get_one(Payment, payment_id)


def refund(payment_id: UUID, cents: int) -> UUID:
    return save(Refund(payment_id=payment_id, amount_cents=cents, reason=RefundReason.OPERATOR)).id


@in_turn(
    "kinds, status",
    [
        ((), PaymentStatus.PENDING),
        ((Kind.FAILED,), PaymentStatus.FAILED),
        ((Kind.EXPIRED, Kind.PAID), PaymentStatus.COMPLETED),
        ((Kind.PAID, Kind.FAILED), PaymentStatus.COMPLETED),
        ((Kind.PAID, Kind.DISPUTE_OPENED, Kind.DISPUTE_WON), PaymentStatus.COMPLETED),
        ((Kind.DISPUTE_LOST, Kind.PAID), PaymentStatus.REFUNDED),
        ((Kind.REFUNDED, Kind.PAID), PaymentStatus.REFUNDED),
        ((Kind.PAID, Kind.REFUNDED, Kind.REFUND_UNDONE), PaymentStatus.COMPLETED),
    ],
)
def test_the_status_follows_from_the_events(
    kinds: tuple[PaymentEventKind, ...], status: PaymentStatus
) -> None:
    assert happen(order(), *kinds).status is status


def test_the_instants_follow_too_and_a_payment_outlives_its_user(payment_id: UUID) -> None:
    payment = happen(payment_id, Kind.PAID, Kind.REFUNDED)
    assert (payment.paid_at, payment.refunded_at) == (AT, AT + timedelta(hours=1))
    assert happen(payment_id, Kind.REFUND_UNDONE).refunded_at is None
    remove(User)
    payment = get(Payment, payment_id)
    assert (payment.user_id, payment.status) == (None, PaymentStatus.COMPLETED)


def test_an_event_happens_once_for_each_subject_and_an_owner_has_one_id_of_a_kind(payment_id: UUID) -> None:
    happen(payment_id, Kind.DISPUTE_OPENED, subject="dp_1")
    happen(payment_id, Kind.DISPUTE_OPENED, subject="dp_2")
    with pytest.raises(IntegrityError, match="uq_payment_events"):
        happen(payment_id, Kind.DISPUTE_OPENED, subject="dp_1")
    save(StripeId(id="pi_1", kind="payment_intent", payment_id=payment_id))
    with pytest.raises(IntegrityError, match="uq_stripe_ids_payment_id_kind"):
        save(StripeId(id="pi_2", kind="payment_intent", payment_id=payment_id))


IN_VAIN = [
    "UPDATE payment_events SET at = now()",
    "DELETE FROM payment_events",
    "TRUNCATE payment_events",
    "UPDATE stripe_ids SET kind = 'charge'",
    "DELETE FROM stripe_ids",
    "DELETE FROM refunds",
    "UPDATE payments SET status = 'REFUNDED'",
    "UPDATE payments SET refunded_cents = 0",
    "DELETE FROM payments",
]


def test_what_happened_is_not_changed(payment_id: UUID) -> None:
    happen(payment_id, Kind.PAID)
    refund(payment_id, 100)
    save(StripeId(id="pi_1", kind="payment_intent", payment_id=payment_id))
    for each in IN_VAIN:
        with session() as s, pytest.raises(DBAPIError, match=r"never changed|follow from|foreign key"):
            s.execute(sa.text(each))


def test_refunds_are_limited_by_what_was_paid(payment_id: UUID) -> None:
    first = refund(payment_id, 1000)
    with pytest.raises(IntegrityError, match="ck_payments_refunded"):
        refund(payment_id, 500)
    change(Refund, Refund.id == first, status=RefundStatus.FAILED)
    refund(payment_id, 1499)
    assert get(Payment, payment_id).refunded_cents == 1499


def test_two_refunds_at_once_do_not_exceed_it_either(payment_id: UUID) -> None:
    ready, refused = Barrier(2), []

    def try_it() -> None:
        ready.wait()
        try:
            refund(payment_id, 1499)
        except IntegrityError as error:
            refused.append(error)

    threads = [Thread(target=try_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1


def test_events_at_once_all_count(payment_id: UUID) -> None:
    ready = Barrier(4)
    kinds: list[Any] = [Kind.PAID, Kind.FAILED, Kind.DISPUTE_LOST, Kind.FRAUD_WARNING]

    def add(kind: PaymentEventKind) -> None:
        ready.wait()
        happen(payment_id, kind)

    threads = [Thread(target=add, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    payment = get(Payment, payment_id)
    assert payment.status is PaymentStatus.REFUNDED
    assert payment.paid_at is not None
