"""The outbox of commands to Stripe: written with the decision, carried out after its commit, repeated until answered.

A job of the queue `payments` carries out what is due (exchange/commands.py); the sweep asks for it each second.
"""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.stripe_event import CommandKind, StripeCommand
from api.payments.gateway.errors import StripeAway, StripeRefused
from configs.ground.clock import clock
from configs.settings import Constant

# First wait before an event that could not be applied, or a command, is tried again; each further one is twice as long
stripe_retry_seconds = Constant("STRIPE_RETRY_SECONDS", 5.0)
_AT_ONCE = timedelta(0)
_CALL_TAKES = timedelta(seconds=60)  # no other worker repeats a command within it
_LONGEST_WAIT = timedelta(minutes=5)
DISPUTE_WAIT = timedelta(hours=1)
REFUND_WAIT = timedelta(hours=12)  # longest, for a refund that Stripe refused
_LATEST = REFUND_WAIT + timedelta(hours=1)  # what is later came from a clock that was wrong: it is over


def add_command(session: Session, kind: CommandKind, subject_id: UUID, wait: timedelta = _AT_ONCE) -> None:
    """Have Stripe asked after the commit, or after a wait.

    A command that waits already is asked again, after a call under way.
    """
    now = clock()
    row = {"kind": kind, "subject_id": subject_id, "created_at": now, "next_attempt_at": now + wait}
    made = insert(StripeCommand).values(row)
    soon = sa.func.greatest(now, sa.func.least(StripeCommand.next_attempt_at, now + _CALL_TAKES))
    again = {"next_attempt_at": soon, "attempts": sa.func.least(StripeCommand.attempts, 1)}
    session.execute(made.on_conflict_do_update(index_elements=["kind", "subject_id"], set_=again))


def find_due_commands(session: Session, most: int = 100) -> list[tuple[CommandKind, UUID]]:
    """Return the commands whose turn has come, the one that waited longest first."""
    now, at = clock(), StripeCommand.next_attempt_at
    due = sa.select(StripeCommand.kind, StripeCommand.subject_id).where((at <= now) | (at > now + _LATEST))
    return [(kind, subject_id) for kind, subject_id in session.execute(due.order_by(at).limit(most))]


def take_attempt(session: Session, kind: CommandKind, subject_id: UUID) -> StripeCommand | None:
    """Take the next attempt at a command; None where it is done, or another worker took it."""
    row = session.get(StripeCommand, (kind, subject_id), with_for_update=True)
    if row is None or clock() < row.next_attempt_at <= clock() + _LATEST:
        return None
    row.next_attempt_at, row.attempts = clock() + _CALL_TAKES, row.attempts + 1
    row.error = None  # a worker that dies now leaves a command whose last answer is not known
    return row


def put_off(
    session: Session, command: StripeCommand, error: Exception, longest: timedelta = _LONGEST_WAIT
) -> None:
    """Repeat a command later, each time after twice the wait.

    The next key follows a refusal, which Stripe may have saved under this one; at once, where it saved an error.
    """
    is_saved = isinstance(error, StripeAway) and error.saved
    wait = _AT_ONCE if is_saved else measure_wait(command.attempts, longest)
    values = {"error": str(error)[:500], "next_attempt_at": clock() + wait}
    if is_saved or isinstance(error, StripeRefused):
        values["key_number"] = command.key_number + 1
    session.execute(sa.update(StripeCommand).where(_is(command.kind, command.subject_id)).values(values))


def measure_wait(attempts: int, longest: timedelta) -> timedelta:
    """Return how long the next attempt waits."""
    return min(timedelta(seconds=stripe_retry_seconds() * 2 ** min(attempts - 1, 20)), longest)


def end_command(session: Session, kind: CommandKind, subject_id: UUID) -> None:
    """Take a command out of the outbox: it is done, or given up."""
    session.execute(sa.delete(StripeCommand).where(_is(kind, subject_id)))


def is_asked(session: Session, kind: CommandKind, subject_id: UUID) -> bool:
    """Return whether Stripe has not answered yet."""
    return session.scalar(sa.select(sa.exists().where(_is(kind, subject_id)))) or False


def _is(kind: CommandKind, subject_id: UUID) -> sa.ColumnElement[bool]:
    return sa.and_(StripeCommand.kind == kind, StripeCommand.subject_id == subject_id)
