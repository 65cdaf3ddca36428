"""Jobs of the queue `payments`. Each takes ids, reads the rows again, and may run twice or never."""

import functools
import time
from collections.abc import Callable

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from api.models.base import session
from api.models.job import PAYMENTS
from api.payments import notices
from api.payments.errors import StripeAway, UnknownOwner
from api.payments.events import (
    Claim,
    LeaseLost,
    claim_object,
    end_claim,
    find_due_objects,
    find_object,
    hold_claim,
    retry_claim,
)
from api.payments.executors import carry_out
from api.payments.notices import Effects
from api.payments.objects import types_by_event
from api.payments.outbox import find_due_commands
from configs.ground.background_nudges import count_nudges
from configs.ground.database_errors import passes

_ROUND_SECONDS = 20.0  # of one job that works off what is due; the sweep then asks for another one
_EVENT_SECONDS = 15.0  # of these, at most, before commands have their turn
# Of those that give no plan: one in each round, as a rule. Two in each made alerts a tenth slower (docs/benchmarks.md).
_CALM_SECONDS = 0.02
_CROWD = 20  # events that wait in the queue
_RUNS = 10  # of one object in a row, while events arrive for it

log = structlog.get_logger(__name__)


def _patient(job: Callable[..., None]) -> Callable[..., None]:
    """Let a job whose database is away end in one line: the sweep finds its rows again."""

    @functools.wraps(job)
    def run(*keys: str) -> None:
        try:
            job(*keys)
        except DBAPIError as error:
            if not passes(error):
                raise
            log.warning("database away, the sweep will ask again", because=type(error.orig).__name__)

    return run


@_patient
def apply_event(event_id: str) -> None:
    """Apply an event that has just been stored, and others of its object.

    In a crowd those that give no plan are left to the sweep, so that nobody who paid waits behind them.
    """
    with session() as s:
        due = find_object(s, event_id)
    if due and (due[1] or not _is_crowded()):
        apply_object(due[0])


def _is_crowded() -> bool:
    try:
        return count_nudges(PAYMENTS) > _CROWD
    except RedisError:
        return False


@_patient
def work_off() -> None:
    """Apply events whose nudge was lost or whose wait is over, and carry out commands of the outbox.

    Events come first, those that give a plan before all others, which have a fiftieth of the time between two rounds.
    One command is carried out in each round, however slow Stripe is.
    """
    begins = time.monotonic()
    with session() as s:
        objects, commands = find_due_objects(s), find_due_commands(s)
    for object_id, urgent in objects:
        most = _EVENT_SECONDS if urgent else _CALM_SECONDS
        if not apply_object(object_id) or time.monotonic() > begins + most:
            break  # Stripe is away, or the others have their turn
    for kind, subject_id in commands:
        try:
            carry_out(kind, subject_id)
        except Exception as error:  # what one meets keeps no other from its turn; its next attempt is written
            if passes(error):
                raise
            log.exception("a command to Stripe failed", kind=kind, row=str(subject_id))
        if time.monotonic() > begins + _ROUND_SECONDS:
            return


def sweep() -> None:
    """Work off what is due, if anything is."""
    with session() as s:
        due = find_due_objects(s, most=1) or find_due_commands(s, most=1)
    if due:
        work_off()


def apply_object(object_id: str) -> bool:
    """Read an object at Stripe and apply it, again while events arrive for it; False where Stripe is away."""
    for _ in range(_RUNS):
        with session() as s:
            claim = claim_object(s, object_id)
        if claim is None:
            return True
        try:
            effects = _apply(claim)
        except StripeAway as error:
            _put_back(claim, error, away=True)
            return False
        except LeaseLost:
            log.warning("reading an object took longer than its lease", object=object_id)
            return True
        except Exception as error:  # whatever an object meets, its events say so
            if passes(error):
                raise
            _put_back(claim, error)
            return True
        effects.run()
    return True


def _apply(claim: Claim) -> Effects:
    """Fetch outside a transaction; then lock, apply and mark the events as applied in one."""
    kinds = types_by_event()
    kind = next(kinds[each] for each in claim.types if each in kinds)
    facts = kind.fetch(claim.object_id)
    with session() as s:
        hold_claim(s, claim)
        effects = kind.apply(s, facts)
        end_claim(s, claim)
    return effects


def _put_back(claim: Claim, error: Exception, *, away: bool = False) -> None:
    unknown = isinstance(error, UnknownOwner)
    if away or unknown:
        log.warning("an event waits", object=claim.object_id, because=str(error))
    else:
        log.error("an event is not applied", object=claim.object_id, exc_info=error)
    effects = Effects()
    with session() as s:
        code = getattr(error, "code", None)
        text = f"{type(error).__name__} {code}" if code else type(error).__name__
        for event in retry_claim(s, claim, text, away=away, unknown=unknown):
            detail = f"{event.type} {event.id}: {text}"
            effects.mails += notices.tell_admins(s, "event_not_applied", detail, key=f"event:{event.id}")
    effects.run()
