"""Health of waiting work: messages and their providers, Stripe's events and commands, background jobs."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
import time_machine

from api.admin.health.findings import PartFinding, PartState
from api.admin.health.payments import read_payments
from api.admin.health.program_checks import read_job_states
from api.admin.health.providers import list_providers
from api.admin.health.queue_checks import health_age_seconds
from api.admin.health.status_report import read_messages, read_providers
from api.models.base import new_id
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.job import JobResult
from api.models.notification import State
from api.models.payment import DISPUTED, Refund, RefundReason
from api.models.stripe_event import CommandKind, PaymentDifference, StripeCommand, StripeEventFlag
from api.models.user import Channel
from configs.ground.clock import clock
from configs.programs.circuit_breaker import FAILURES_IN_A_ROW, CircuitBreaker, provider_rest_seconds
from configs.programs.loop_report import BACKGROUND, LoopReport, write_report
from notifier.channels.batch_sender import providers_of
from tests.api.admin.health.conftest import ask
from tests.factories import add_job, add_message, add_payment, add_stripe_event, add_user, save, save_all

World = Callable[..., None]
Tell = Callable[..., None]


@pytest.fixture
def tell(world: World) -> Tell:
    """Write notifications: `tell(State.SENT, Channel.SMS, took=9, ago=60)`: seconds and milliseconds."""
    user = add_user()

    def write(
        state: State, channel: Channel = Channel.EMAIL, *, took: float = 9, ago: float = 60, **given: Any
    ) -> None:
        at = clock() - timedelta(seconds=ago)
        seen = at - timedelta(milliseconds=took)
        is_accepted = state in (State.SENT, State.DELIVERED, State.NO_RECEIPT)
        ends = {"accepted_at": at} if is_accepted else {"failed_at": at, "reason": "no such number"}
        if state is State.PENDING:
            ends = {}
        times = {"created_at": at, "next_attempt_at": at, "seen_at": seen, "committed_at": seen}
        add_message(user.id, channel=channel, state=state, **times, **(ends | given))

    return write


def test_dead_letters_tell_no_address_that_a_provider_repeated(tell: Tell) -> None:
    for number, name in enumerate(("anna", "robin", "camille")):
        tell(State.FAILED, ago=60 + number, reason=f"refused: <{name}@example.org> is unknown")
    (group,) = read_messages()["dead"]
    assert (group["reason"], group["number"]) == ("refused: <***@example.org> is unknown", 3)
    assert group["newest_at"] == clock() - timedelta(seconds=60)


def test_providers_tell_of_a_quarter_of_an_hour(tell: Tell) -> None:
    for took in (10, 20, 90):
        tell(State.SENT, took=took)
    tell(State.SENT, took=5000, ago=901)
    tell(State.SENT, Channel.SMS, attempts=2)
    tell(State.FAILED, Channel.SMS)
    email, sms, *others = [
        tuple(each[name] for name in ("accepted", "failed", "again", "median_ms"))
        for each in read_providers()
    ]
    assert email == (3, 0, 0, 20)
    assert sms == (1, 1, 1, 9)
    assert set(others) == {(0, 0, 0, None)}


def open_breaker(name: str) -> None:
    breaker = CircuitBreaker(name, provider_rest_seconds())
    for _ in range(FAILURES_IN_A_ROW):
        breaker.record_failure(breaker.begin_call())


def test_an_open_circuit_breaker_is_named_with_who_takes_over(
    world: World, settings_env: Callable[..., None]
) -> None:
    settings_env(MAIL_PROVIDERS="sendgrid,smtp")
    assert ask("providers") == PartFinding(PartState.OK, "none of their circuit breakers is open")
    open_breaker("sendgrid")
    open_breaker("twilio")
    assert ask("providers") == PartFinding(
        PartState.DEGRADED,
        "sendgrid fails or is slow: it is asked again in 15 s, messages leave by smtp; "
        "twilio fails or is slow: it is asked again in 15 s, no sms leaves",
    )
    assert read_providers()[0]["left_alone"] == {"sendgrid": pytest.approx(15)}


def test_a_provider_that_accepts_and_never_delivers_is_named_and_counted(tell: Tell) -> None:
    sent = {"provider": "sendgrid", "receipt_due_at": clock() - timedelta(seconds=1)}
    for _ in range(5):
        tell(State.DELIVERED, **sent)
        tell(State.NO_RECEIPT, **sent)
    assert ask("providers").state is PartState.OK
    tell(State.NO_RECEIPT, **sent)
    tell(State.NO_RECEIPT, provider="twilio", receipt_due_at=clock())
    assert ask("providers") == PartFinding(
        PartState.DEGRADED,
        "sendgrid confirms 5 of 11 messages of the last hour: it delivers few, or its receipts do not reach"
        " /api/hooks/sendgrid",
    )
    assert read_messages()["by_state"] == {"delivered": 5, "no_receipt": 7}


def test_the_providers_of_health_are_those_of_the_notifier(settings_env: Callable[..., None]) -> None:
    settings_env(MAIL_PROVIDERS="smtp,sendgrid")
    assert {each: list_providers(each) for each in Channel} == {
        each: tuple(name for name, _ in providers_of(each)) for each in Channel
    }


@pytest.fixture
def finding(world: World) -> Callable[[], PartFinding]:
    return lambda: ask("payments")


def add_waiting_event(name: str, age: float, flag: StripeEventFlag | None = None) -> None:
    at = clock() - timedelta(seconds=age)
    add_stripe_event(name, received_at=at, applied_at=None, next_attempt_at=clock(), flag=flag)


def test_events_on_their_way_are_counted_and_old_ones_degrade(finding: Callable[[], PartFinding]) -> None:
    add_stripe_event()
    assert finding() == PartFinding(PartState.OK, "nothing waits for Stripe")
    add_waiting_event("evt_2", health_age_seconds())
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
    command(health_age_seconds() - 1)
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


def test_differences_of_the_last_comparison_are_a_case(finding: Callable[[], PartFinding]) -> None:
    def differ(name: str, hours: float, *, repaired: bool = False) -> PaymentDifference:
        at = clock() - timedelta(hours=hours)
        return PaymentDifference(found_at=at, object_id=name, ours={}, stripe={}, repaired=repaired)

    save_all([differ("in_1", 2, repaired=True), differ("in_2", 50)])
    assert finding().state is PartState.OK
    save_all([differ("in_3", 25), differ("in_3", 1)])
    assert finding() == _CASE
    assert read_payments()["differences"] == 1


Listen = Callable[..., None]
OK = PartFinding(PartState.OK, "payments and maintenance work")


@pytest.fixture
def listen(database: str, redis_server: redis.Redis, frozen: time_machine.Traveller) -> Listen:
    """Report as the workers do."""

    def register(**failing: str) -> None:
        for key in BACKGROUND.values():
            write_report(redis_server, LoopReport(at=clock(), failing=failing), key)

    return register


def ago(seconds: float) -> datetime:
    return clock() - timedelta(seconds=seconds)


def end(job: str = "sum_days", seconds: float = 60, error: str | None = None, **counts: int) -> None:
    result = JobResult.FAILED if error else JobResult.DONE
    add_job(job, result, ago(seconds), error=error, counts=counts or {"days": 1}, due_at=ago(-60))


def test_all_is_well_when_each_worker_reports(listen: Listen) -> None:
    listen()
    end()
    add_job("drop_exports", at=ago(10))
    add_job("erase", at=ago(400), turn_ends_at=ago(-1))  # a worker has it
    assert ask("background") == OK
    states = [(each["due_at"], each["runs"]) for each in read_job_states()]
    assert states == [(ago(10), False), (None, True), (None, False)]


def test_a_worker_that_is_silent_or_fails_in_part_is_named(listen: Listen, redis_server: redis.Redis) -> None:
    listen(jobs="KeyError")
    assert ask("background") == PartFinding(
        PartState.DEGRADED, "parts of the worker of payments fail, its log says why: jobs (KeyError)"
    )
    listen()
    redis_server.delete(BACKGROUND["maintenance"])
    assert ask("background").reason == (
        "the worker of maintenance has not reported lately: is `python -m api.jobs` running?"
    )


def test_jobs_that_failed_or_are_late_are_named_until_they_work_again(listen: Listen) -> None:
    listen()
    end("drop_exports", 4000, error="ValueError")
    add_job("sum_days", at=ago(301))
    assert ask("background").reason == "drop_exports failed (ValueError); sum_days is 5 min late"
    end("drop_exports")
    assert ask("background").reason == "sum_days is 5 min late"
    end("sum_days")
    assert ask("background") == OK


def test_rows_that_failed_are_named_until_a_run_without_them(listen: Listen) -> None:
    listen()
    end("apply_declarations", 120, failed=2)
    assert ask("background") == PartFinding(
        PartState.DEGRADED, "apply_declarations failed for 2 of its rows, its log says why"
    )
    end("apply_declarations", failed=0)
    assert ask("background").state is PartState.OK
