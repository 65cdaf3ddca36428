"""Overview of payments: what waits for Stripe, what was given up, and whether Stripe is left alone just now."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from redis import Redis
from sqlalchemy.orm import Session

from api.admin.health.findings import raise_troubles, read_session
from api.admin.health.queue_checks import health_age_seconds
from api.models.declaration import OPEN_DECLARATION, Declaration
from api.models.invoice import Invoice
from api.models.job import JobState
from api.models.payment import DISPUTED, Refund, RefundStatus
from api.models.stripe_event import (
    STRIPE_RETRY_FOR,
    PaymentDifference,
    StripeCommand,
    StripeEvent,
    StripeEventFlag,
)
from api.payments.exchange.reconciliation import JOB, LEDGER_UNTIL, OBJECTS_UNTIL
from api.payments.gateway.client import stripe_rest_seconds
from api.payments.ledger.refunds import list_debts
from configs.ground.clock import clock
from configs.ground.text import format_duration, pluralize
from configs.programs.circuit_breaker import CircuitBreaker

_GIVEN_UP_FOR = timedelta(days=1)  # that an event which was given up is shown
_COMPARED = timedelta(hours=26)  # the comparison runs daily, and finds again what lasts
# From what age on a refund that is owed is named: the law gives fourteen days (L.221-24 Code de la consommation).
_LAW_GIVES = timedelta(days=14)
_LATE_AFTER = _LAW_GIVES - timedelta(days=3)


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
            "failed_refunds": len(debts := list_debts(s)),  # payments that owe what nothing will pay
            # That end their fourteen days within three days, or did, each by payment and last day
            "late_refunds": _name_late_refunds(s, now, debts),
            # That the last comparison with Stripe found and did not repair
            "differences": _count_differences(s, now),
            # That took effect long ago, and are not applied
            "late_declarations": _count_late_declarations(s, now),
            # 1 where the last comparison could not read Stripe's own ledger: our key lacks the right
            "ledger_unread": _is_ledger_unread(s),
            "late_files": _count_late_files(s, now),  # of invoices that were issued long ago
            # For which the circuit breaker lets no call through; 0: it does
            "left_alone_seconds": round(CircuitBreaker("stripe", stripe_rest_seconds()).read_wait(), 3),
        }


def _name_late_refunds(session: Session, now: datetime, debts: Sequence[Refund]) -> list[str]:
    since = sa.func.coalesce(Refund.owed_since, Refund.created_at)
    late = (Refund.status.in_((RefundStatus.PLANNED, RefundStatus.PENDING)), since < now - _LATE_AFTER)
    waiting = session.scalars(sa.select(Refund).where(*late, Refund.error.is_distinct_from(DISPUTED)))
    named = [*waiting, *(each for each in debts if each.debt_began_at < now - _LATE_AFTER)]
    return [
        f"payment {each.payment_id}: refund until {each.debt_began_at + _LAW_GIVES:%Y-%m-%d}"
        for each in sorted(named, key=lambda each: each.debt_began_at)
    ]


def _count_differences(session: Session, now: datetime) -> int:
    objects = sa.select(sa.func.count(PaymentDifference.object_id.distinct()))
    left = (PaymentDifference.repaired.is_(False), PaymentDifference.found_at > now - _COMPARED)
    return session.scalars(objects.where(*left)).one()


def _is_ledger_unread(session: Session) -> int:
    counts = session.scalar(sa.select(JobState.counts).where(JobState.name == JOB)) or {}
    return int(counts.get(LEDGER_UNTIL, 0) < counts.get(OBJECTS_UNTIL, 0))


def _count_late_declarations(session: Session, now: datetime) -> int:
    since = now - timedelta(seconds=health_age_seconds())
    late = (sa.text(OPEN_DECLARATION), Declaration.takes_effect_at < since)
    return session.scalars(sa.select(sa.func.count(Declaration.id)).where(*late)).one()


def _count_late_files(session: Session, now: datetime) -> int:
    """Count the files that were never made. One that is made again fails in the job's own counts."""
    since = now - timedelta(seconds=health_age_seconds())
    late = (Invoice.pdf_made_at.is_(None), Invoice.pdf_key.is_(None), Invoice.issued_at < since)
    return session.scalars(sa.select(sa.func.count(Invoice.id)).where(*late)).one()


def check_payments(_: Redis) -> str:
    """Judge what waits for Stripe, and what an operator must settle."""
    found = read_payments()
    troubles = _find_troubles(found)
    # Everybody reads health; operators read which cases.
    if any(found[name] for name in ("failed_refunds", "late_refunds", "differences")):
        troubles.append("an operator must settle something: see the status")
    raise_troubles(troubles)
    if not (found["events"] or found["commands"]):
        return "nothing waits for Stripe"
    return f"{pluralize(found['events'], 'event')}, {pluralize(found['commands'], 'command')} on the way"


def _find_troubles(found: Mapping[str, Any]) -> list[str]:
    """Return in words what keeps payments from being applied; nothing where all is well."""
    longest = health_age_seconds()
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
