"""Overview of payments: what waits for Stripe, what was given up, and whether Stripe is left alone just now."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.health.queue_health import HEALTH_AGE_SECONDS
from api.health.read_session import read_session
from api.models.declaration import OPEN_DECLARATION, Declaration
from api.models.invoice import Invoice
from api.models.payment import DISPUTED, PaymentEventKind, Refund, RefundStatus
from api.models.stripe_command import StripeCommand
from api.models.stripe_event import PaymentDifference, StripeEvent, StripeEventFlag
from api.payments.client import STRIPE_REST_SECONDS
from api.payments.event_store import STRIPE_RETRY_FOR
from configs.circuit_breaker import CircuitBreaker
from configs.clock import clock
from configs.formatting import format_duration, pluralize

_GIVEN_UP_FOR = timedelta(days=1)  # that an event which was given up is shown
_COMPARED = timedelta(hours=26)  # the comparison runs daily, and finds again what lasts
_FAILED_FOR = timedelta(days=30)  # that a failed refund is shown where none was made since


@dataclass(frozen=True, slots=True)
class PaymentOverview:
    """Work that waits for Stripe. Ages and waits are in seconds."""

    events: int  # that are still to be applied, but those whose object is not known here
    oldest_seconds: float | None  # since the oldest of them came
    unknown: int  # events that wait for an owner of their object
    given_up: int  # events that failed for STRIPE_RETRY_FOR, lately
    commands: (
        int  # of the outbox, that Stripe did not take yet, but refunds that wait for the end of a dispute
    )
    oldest_command_seconds: float | None  # since the oldest of those was written
    failed_refunds: int  # lately, and no other one of the same payment was made since
    differences: int  # that the last comparison with Stripe found and did not repair
    late_declarations: int  # that took effect long ago, and are not applied
    late_files: int  # of invoices that were issued long ago
    left_alone_seconds: float  # for which the circuit breaker lets no call through; 0: it does


def read_payments() -> PaymentOverview:
    """Read the tables, and the circuit breaker in Redis."""
    now, event = clock(), StripeEvent
    waits = event.next_attempt_at.is_not(None)
    unknown = event.flag.is_not_distinct_from(StripeEventFlag.UNKNOWN_OWNER)
    ours = sa.select(sa.func.count(), sa.func.min(event.received_at)).where(waits, ~unknown)
    since = now - STRIPE_RETRY_FOR - _GIVEN_UP_FOR
    given_up = (event.flag == StripeEventFlag.GAVE_UP, event.received_at > since)
    disputed = sa.select(Refund.id).where(Refund.error == DISPUTED, Refund.status == RefundStatus.PLANNED)
    asked = sa.select(sa.func.count(), sa.func.min(StripeCommand.created_at)).where(
        StripeCommand.subject_id.not_in(disputed)
    )
    with read_session() as s:
        events, oldest = s.execute(ours).one()
        commands, oldest_command = s.execute(asked).one()
        return PaymentOverview(
            events=events,
            oldest_seconds=_measure_age(oldest, now),
            unknown=s.scalars(sa.select(sa.func.count()).where(waits, unknown)).one(),
            given_up=s.scalars(sa.select(sa.func.count()).where(*given_up)).one(),
            commands=commands,
            oldest_command_seconds=_measure_age(oldest_command, now),
            failed_refunds=_count_failed_refunds(s, now),
            differences=_count_differences(s, now),
            late_declarations=_count_late_declarations(s, now),
            late_files=_count_late_files(s, now),
            left_alone_seconds=round(CircuitBreaker("stripe", STRIPE_REST_SECONDS()).read_wait(), 3),
        )


def _count_failed_refunds(session: Session, now: datetime) -> int:
    later = aliased(Refund)
    again = sa.exists().where(
        later.payment_id == Refund.payment_id,
        later.status != RefundStatus.FAILED,
        later.created_at > Refund.settled_at,
    )
    lost = Refund.error.is_not_distinct_from(PaymentEventKind.DISPUTE_LOST)  # then the bank paid back
    failed = (Refund.status == RefundStatus.FAILED, Refund.settled_at > now - _FAILED_FOR, ~lost)
    return session.scalars(sa.select(sa.func.count()).where(*failed, ~again)).one()


def _count_differences(session: Session, now: datetime) -> int:
    objects = sa.select(sa.func.count(PaymentDifference.object_id.distinct()))
    left = (PaymentDifference.repaired.is_(False), PaymentDifference.found_at > now - _COMPARED)
    return session.scalars(objects.where(*left)).one()


def _count_late_declarations(session: Session, now: datetime) -> int:
    since = now - timedelta(seconds=HEALTH_AGE_SECONDS())
    late = (sa.text(OPEN_DECLARATION), Declaration.takes_effect_at < since)
    return session.scalars(sa.select(sa.func.count(Declaration.id)).where(*late)).one()


def _count_late_files(session: Session, now: datetime) -> int:
    """Count the files that were never made. One that is made again fails in the job's own counts."""
    since = now - timedelta(seconds=HEALTH_AGE_SECONDS())
    late = (Invoice.pdf_made_at.is_(None), Invoice.pdf_key.is_(None), Invoice.issued_at < since)
    return session.scalars(sa.select(sa.func.count(Invoice.id)).where(*late)).one()


def find_payment_troubles(found: PaymentOverview) -> list[str]:
    """Return in words what keeps payments from being applied; nothing where all is well."""
    troubles, longest = [], HEALTH_AGE_SECONDS()
    if found.left_alone_seconds:
        wait = format_duration(timedelta(seconds=found.left_alone_seconds))
        troubles.append(f"Stripe does not answer: it is asked again in {wait}")
    if found.oldest_seconds is not None and found.oldest_seconds > longest:
        age = format_duration(timedelta(seconds=found.oldest_seconds))
        troubles.append(f"{pluralize(found.events, 'event')} of Stripe's not applied, the oldest for {age}")
    if found.oldest_command_seconds is not None and found.oldest_command_seconds > longest:
        age = format_duration(timedelta(seconds=found.oldest_command_seconds))
        troubles.append(f"{pluralize(found.commands, 'command')} not taken by Stripe, the oldest for {age}")
    if found.given_up:
        troubles.append(f"{pluralize(found.given_up, 'event')} of Stripe's given up: replay them")
    if found.late_declarations:
        late = pluralize(found.late_declarations, "declaration")
        troubles.append(f"{late} not applied: the job apply_declarations does it")
    if found.late_files:
        late = pluralize(found.late_files, "invoice")
        troubles.append(f"{late} without a file: the job issue_invoices makes it")
    return troubles


def find_open_cases(found: PaymentOverview) -> list[str]:
    """Return in words what an operator must settle by hand: docs/operations.md#payments."""
    cases = (
        (found.failed_refunds, "failed refund", "without another one since"),
        (found.differences, "difference", "from Stripe that is not repaired"),
    )
    return [f"{pluralize(number, what)} {which}" for number, what, which in cases if number]


def describe_payments(found: PaymentOverview) -> str:
    """Return in words what is on its way."""
    if not (found.events or found.commands):
        return "nothing waits for Stripe"
    return f"{pluralize(found.events, 'event')}, {pluralize(found.commands, 'command')} on the way"


def _measure_age(at: datetime | None, now: datetime) -> float | None:
    return round((now - at).total_seconds(), 3) if at else None
