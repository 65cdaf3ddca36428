"""Payments in `make status` and in health: what waits for Stripe, what was given up, and an open circuit breaker."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import redis

from api.health.health_checks import HealthChecks, PartFinding, PartState, list_health_checks
from api.health.payment_overview import read_payments
from api.models.base import session
from api.models.payment import Refund, RefundReason
from api.models.stripe_event import StripeEventFlag
from api.models.user import User
from configs.circuit_breaker import CircuitBreaker
from configs.clock import clock
from configs.settings import settings
from deploy.status import payments
from tests.api.world import add_payment, add_stripe_event

World = Callable[..., None]


@pytest.fixture
def finding(world: World, redis_server: redis.Redis) -> Callable[[], PartFinding]:
    probe = list_health_checks(redis_server)["payments"]
    return lambda: HealthChecks({"payments": probe}).report()["payments"]


def said() -> list[str]:
    return [text.plain for text in payments.lines(read_payments())]


def add_waiting_event(name: str, age: float, flag: StripeEventFlag | None = None) -> None:
    at = clock() - timedelta(seconds=age)
    add_stripe_event(name, received_at=at, applied_at=None, next_attempt_at=clock(), flag=flag)


def test_nothing_waits(finding: Callable[[], PartFinding]) -> None:
    add_stripe_event()
    assert finding() == PartFinding(PartState.OK, "nothing waits for Stripe")
    assert said() == ["nothing waits for Stripe"]


def test_events_on_their_way_are_counted_and_old_ones_degrade(finding: Callable[[], PartFinding]) -> None:
    add_waiting_event("evt_1", settings().health_age_seconds)
    add_waiting_event("evt_2", 3)
    assert finding() == PartFinding(PartState.OK, "2 events, 0 refunds, 0 cancellations on the way")
    add_waiting_event("evt_3", 600)
    assert finding() == PartFinding(
        PartState.DEGRADED, "3 events of Stripe's not applied, the oldest for 10 min"
    )
    assert said()[1:] == ["3 events of Stripe's not applied, the oldest for 10 min"]


def test_events_about_nothing_of_ours_are_no_trouble(finding: Callable[[], PartFinding]) -> None:
    add_waiting_event("evt_1", 3000, StripeEventFlag.UNKNOWN_OWNER)
    assert finding().state is PartState.OK
    assert said() == ["nothing waits for Stripe · 1 event about nothing of ours"]


def test_events_that_were_given_up_are_named_for_a_day(finding: Callable[[], PartFinding]) -> None:
    old = settings().stripe_retry_for + timedelta(days=1)
    for name, age in (("evt_1", old - timedelta(seconds=1)), ("evt_2", old)):
        add_stripe_event(name, received_at=clock() - age, applied_at=None, flag=StripeEventFlag.GAVE_UP)
    assert finding() == PartFinding(PartState.DEGRADED, "1 event of Stripe's given up: replay them")


def test_an_open_circuit_breaker_is_named(finding: Callable[[], PartFinding]) -> None:
    breaker = CircuitBreaker("stripe", settings().stripe_rest_seconds)
    for _ in range(3):
        breaker.record_failure(breaker.begin_call())
    assert finding() == PartFinding(PartState.DEGRADED, "Stripe does not answer: it is asked again in 15 s")


def test_a_refund_that_stripe_does_not_confirm_is_named(finding: Callable[[], PartFinding]) -> None:
    with session() as s:
        user = User(email="a@example.org")
        s.add(user)
    payment, at = add_payment(user.id), clock() - timedelta(seconds=300)
    with session() as s:
        s.add(
            Refund(
                payment_id=payment,
                amount_cents=500,
                reason=RefundReason.OPERATOR,
                created_at=at,
                next_attempt_at=clock(),
            )
        )
    assert finding() == PartFinding(PartState.DEGRADED, "1 refund not confirmed, the oldest for 5 min")
