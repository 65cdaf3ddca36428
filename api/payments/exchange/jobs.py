"""Jobs of the queue `payments`: they apply events, by the present state of the objects that these name.

Each takes ids, reads the rows again, and may run twice or never. No transaction is open while Stripe answers.
"""

import time

import structlog

from api.models.base import session, write_once
from api.payments.exchange import events
from api.payments.exchange.commands import carry_out
from api.payments.exchange.objects import find_type
from api.payments.gateway.errors import StripeAway, UnknownOwner
from api.payments.gateway.outbox import find_due_commands
from api.payments.ledger import notices
from configs.ground.database_errors import passes

_ROUND_SECONDS = 20.0  # of one job that works off what is due; the sweep then asks for another one
_EVENT_SECONDS = 15.0  # of these, at most, before commands have their turn
# Of those that give no plan: one in each round, as a rule. Two in each made alerts a tenth slower (docs/benchmarks.md).
_CALM_SECONDS = 0.02
_RUNS = 10  # of one object in a row, while events arrive for it

log = structlog.get_logger(__name__)


def work_off() -> None:
    """Apply events whose nudge was lost or whose wait is over, and carry out commands of the outbox; each second.

    Events come first, those that give a plan before all others, which have a fiftieth of the time between two rounds.
    One command is carried out in each round, however slow Stripe is.
    """
    begins = time.monotonic()
    with session() as s:
        objects, commands = events.find_due_objects(s), find_due_commands(s)
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


def apply_object(object_id: str) -> bool:
    """Read an object at Stripe and apply it, again while events arrive for it; False where Stripe is away."""
    for _ in range(_RUNS):
        claim = write_once(events.claim_object, object_id)
        if claim is None:
            return True
        try:
            _apply(claim)
        except events.LeaseLost:
            log.warning("reading an object took longer than its lease", object=object_id)
            return True
        except Exception as error:  # whatever an object meets, its events say so
            if passes(error):
                raise
            _put_back(claim, error)
            return not isinstance(error, StripeAway)
    return True


def _apply(claim: events.Claim) -> None:
    """Fetch outside a transaction; then lock, apply and mark the events as applied in one."""
    kind = next(found for each in claim.types if (found := find_type(each)))
    facts = kind.fetch(claim.object_id)
    with session() as s:
        events.hold_claim(s, claim)
        kind.apply(s, facts)
        events.end_claim(s, claim)


def _put_back(claim: events.Claim, error: Exception) -> None:
    away, unknown = isinstance(error, StripeAway), isinstance(error, UnknownOwner)
    if away or unknown:
        log.warning("an event waits", object=claim.object_id, because=str(error))
    else:
        log.error("an event is not applied", object=claim.object_id, exc_info=error)
    with session() as s:
        text = f"{type(error).__name__} {getattr(error, 'code', None) or ''}".strip()
        for event in events.retry_claim(s, claim, text, away=away, unknown=unknown):
            detail = f"{event.type} {event.id}: {text}"
            notices.tell_admins(s, "event_not_applied", detail, key=f"event:{event.id}")
