"""Payments in health: what waits for Stripe, what was given up, what an operator must settle, an open circuit breaker."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from api.admin.health.findings import PartFinding, PartState
from api.admin.health.payments import read_payments
from api.admin.health.queue_checks import HEALTH_AGE_SECONDS
from api.models.base import new_id
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.payment import DISPUTED, Refund, RefundReason, RefundStatus
from api.models.stripe_event import CommandKind, PaymentDifference, StripeCommand, StripeEventFlag
from configs.ground.clock import clock
from tests.api.admin.health.conftest import ask
from tests.factories import add_payment, add_stripe_event, add_user, save, save_all

World = Callable[..., None]


@pytest.fixture
def finding(world: World) -> Callable[[], PartFinding]:
    return lambda: ask("payments")


def add_waiting_event(name: str, age: float, flag: StripeEventFlag | None = None) -> None:
    at = clock() - timedelta(seconds=age)
    add_stripe_event(name, received_at=at, applied_at=None, next_attempt_at=clock(), flag=flag)


def test_events_on_their_way_are_counted_and_old_ones_degrade(finding: Callable[[], PartFinding]) -> None:
    add_stripe_event()
    assert finding() == PartFinding(PartState.OK, "nothing waits for Stripe")
    add_waiting_event("evt_2", HEALTH_AGE_SECONDS())
    add_waiting_event("evt_3", 3)
    assert finding() == PartFinding(PartState.OK, "2 events, 0 commands on the way")
    add_waiting_event("evt_4", 600)
    assert finding() == PartFinding(
        PartState.DEGRADED, "3 events of Stripe's not applied, the oldest for 10 min"
    )


def test_a_command_that_stripe_does_not_take_is_named_but_no_refund_that_waits_for_the_bank(
    finding: Callable[[], PartFinding],
) -> None:
    refund = save(refund_of(pay(), error=DISPUTED))
    command(9000, refund.id)
    assert finding() == PartFinding(PartState.OK, "nothing waits for Stripe")
    command(HEALTH_AGE_SECONDS() - 1)
    assert finding() == PartFinding(PartState.OK, "0 events, 1 command on the way")
    command(300)
    reason = "2 commands not taken by Stripe, the oldest for 5 min"
    assert finding() == PartFinding(PartState.DEGRADED, reason)


def refund_of(payment_id: UUID, at: datetime | None = None, **columns: Any) -> Refund:
    return Refund(
        payment_id=payment_id, amount_cents=500, reason=RefundReason.OPERATOR, created_at=at or clock(), **columns
    )  # fmt: skip


def command(age: float, subject: UUID | None = None) -> None:
    """Write a command of so many seconds ago."""
    at = clock() - timedelta(seconds=age)
    save(
        StripeCommand(
            kind=CommandKind.REFUND, subject_id=subject or new_id(), created_at=at, next_attempt_at=at
        )
    )


def test_a_declaration_that_is_not_applied_is_named(finding: Callable[[], PartFinding]) -> None:
    def declare(seconds: float, **columns: Any) -> Declaration:
        at = clock() - timedelta(seconds=seconds)
        return Declaration(
            kind=DeclarationKind.WITHDRAWAL,
            made_by=DeclaredBy.FORM,
            made_at=at,
            takes_effect_at=at,
            **columns,
        )

    save_all([declare(100), declare(-86400), declare(600, refused_because="no_order")])
    assert finding().state is PartState.OK
    save(declare(130))
    reason = "1 declaration not applied: the job apply_declarations does it"
    assert finding() == PartFinding(PartState.DEGRADED, reason)


_CASE = PartFinding(PartState.DEGRADED, "an operator must settle something: see the status")


def pay() -> UUID:
    return add_payment(add_user().id)


def test_a_refund_that_failed_is_a_case_until_there_is_another(finding: Callable[[], PartFinding]) -> None:
    payment, now = pay(), clock()

    def refund(status: RefundStatus, days: float) -> Refund:
        at = now - timedelta(days=days)
        return refund_of(payment, at, status=status, settled_at=at)

    save(refund(RefundStatus.SUCCEEDED, 3))
    save(refund(RefundStatus.FAILED, 2))
    assert finding() == _CASE
    assert read_payments().failed_refunds == 1
    save(refund(RefundStatus.PENDING, 0))
    assert finding().state is PartState.OK


def test_differences_of_the_last_comparison_are_a_case(finding: Callable[[], PartFinding]) -> None:
    def differ(name: str, hours: float, *, repaired: bool = False) -> PaymentDifference:
        at = clock() - timedelta(hours=hours)
        return PaymentDifference(found_at=at, object_id=name, ours={}, stripe={}, repaired=repaired)

    save_all([differ("in_1", 2, repaired=True), differ("in_2", 50)])
    assert finding().state is PartState.OK
    save_all([differ("in_3", 25), differ("in_3", 1)])
    assert finding() == _CASE
    assert read_payments().differences == 1
