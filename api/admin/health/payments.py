"""Overview of payments: what waits for Stripe, what was given up, and whether Stripe is left alone just now."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from redis import Redis
from sqlalchemy.orm import Session, aliased

from api.admin.health.findings import read_session, refuse
from api.admin.health.queue_checks import HEALTH_AGE_SECONDS
from api.models.declaration import OPEN_DECLARATION, Declaration
from api.models.invoice import Invoice
from api.models.job import JobState
from api.models.payment import DISPUTED, PaymentEventKind, Refund, RefundStatus
from api.models.stripe_event import (
    STRIPE_RETRY_FOR,
    PaymentDifference,
    StripeCommand,
    StripeEvent,
    StripeEventFlag,
)
from api.payments.exchange.reconciliation import JOB, LEDGER_UNTIL, OBJECTS_UNTIL
from api.payments.gateway.client import STRIPE_REST_SECONDS
from configs.ground.clock import clock
from configs.ground.failures import CircuitBreaker
from configs.ground.text import format_duration, pluralize

_GIVEN_UP_FOR = timedelta(days=1)  # that an event which was given up is shown
_COMPARED = timedelta(hours=26)  # the comparison runs daily, and finds again what lasts
_FAILED_FOR = timedelta(days=30)  # that a failed refund is shown where none was made since


def read_payments() -> dict[str, Any]:
    """Return the work that waits for Stripe, by the tables and the circuit breaker; ages and waits in seconds."""
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
        return {
            "events": events,  # that are still to be applied, but those whose object is not known here
            "oldest_seconds": measure_seconds(oldest, now),  # since the oldest of them came
            # Events that wait for an owner of their object
            "unknown": s.scalars(sa.select(sa.func.count()).where(waits, unknown)).one(),
            # Events that failed for STRIPE_RETRY_FOR, lately
            "given_up": s.scalars(sa.select(sa.func.count()).where(*given_up)).one(),
            # Of the outbox, that Stripe did not take yet, but refunds that wait for the end of a dispute
            "commands": commands,
            "oldest_command_seconds": measure_seconds(oldest_command, now),
            # Lately, and no other one of the same payment was made since
            "failed_refunds": _count_failed_refunds(s, now),
            # That the last comparison with Stripe found and did not repair
            "differences": _count_differences(s, now),
            # That took effect long ago, and are not applied
            "late_declarations": _count_late_declarations(s, now),
            # 1 where the last comparison could not read Stripe's own ledger: our key lacks the right
            "ledger_unread": _is_ledger_unread(s),
            "late_files": _count_late_files(s, now),  # of invoices that were issued long ago
            # For which the circuit breaker lets no call through; 0: it does
            "left_alone_seconds": round(CircuitBreaker("stripe", STRIPE_REST_SECONDS()).read_wait(), 3),
        }


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


def _is_ledger_unread(session: Session) -> int:
    counts = session.scalar(sa.select(JobState.counts).where(JobState.name == JOB)) or {}
    return int(counts.get(LEDGER_UNTIL, 0) < counts.get(OBJECTS_UNTIL, 0))


def _count_late_declarations(session: Session, now: datetime) -> int:
    since = now - timedelta(seconds=HEALTH_AGE_SECONDS())
    late = (sa.text(OPEN_DECLARATION), Declaration.takes_effect_at < since)
    return session.scalars(sa.select(sa.func.count(Declaration.id)).where(*late)).one()


def _count_late_files(session: Session, now: datetime) -> int:
    """Count the files that were never made. One that is made again fails in the job's own counts."""
    since = now - timedelta(seconds=HEALTH_AGE_SECONDS())
    late = (Invoice.pdf_made_at.is_(None), Invoice.pdf_key.is_(None), Invoice.issued_at < since)
    return session.scalars(sa.select(sa.func.count(Invoice.id)).where(*late)).one()


def check_payments(_: Redis) -> str:
    """Judge what waits for Stripe, and what an operator must settle."""
    found = read_payments()
    troubles = _find_troubles(found)
    if found["failed_refunds"] or found["differences"]:  # everybody reads health; operators read which cases
        troubles.append("an operator must settle something: see the status")
    refuse(troubles)
    if not (found["events"] or found["commands"]):
        return "nothing waits for Stripe"
    return f"{pluralize(found['events'], 'event')}, {pluralize(found['commands'], 'command')} on the way"


def _find_troubles(found: Mapping[str, Any]) -> list[str]:
    """Return in words what keeps payments from being applied; nothing where all is well."""
    longest = HEALTH_AGE_SECONDS()
    oldest, oldest_command, alone = (
        found[name] or 0 for name in ("oldest_seconds", "oldest_command_seconds", "left_alone_seconds")
    )
    events, commands = pluralize(found["events"], "event"), pluralize(found["commands"], "command")
    declarations = pluralize(found["late_declarations"], "declaration")
    cases = (
        (alone, f"Stripe does not answer: it is asked again in {_write(alone)}"),
        (oldest > longest, f"{events} of Stripe's not applied, the oldest for {_write(oldest)}"),
        (
            oldest_command > longest,
            f"{commands} not taken by Stripe, the oldest for {_write(oldest_command)}",
        ),
        (found["given_up"], f"{pluralize(found['given_up'], 'event')} of Stripe's given up: replay them"),
        (found["ledger_unread"], "Stripe's key may not read balance transactions: give it that right"),
        (found["late_declarations"], f"{declarations} not applied: the job apply_declarations does it"),
        (
            found["late_files"],
            f"{pluralize(found['late_files'], 'invoice')} without a file: the job issue_invoices makes it",
        ),
    )
    return [text for is_so, text in cases if is_so]


def _write(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))


def measure_seconds(at: datetime | None, now: datetime) -> float | None:
    """Return how long ago an instant was; None without one."""
    return round((now - at).total_seconds(), 3) if at else None
