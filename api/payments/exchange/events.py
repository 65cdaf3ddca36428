"""Stripe's events: what the webhook takes, and their rows: storing one, the lease on its object, how it was applied.

An instant further ahead than any is ever written came from a clock that was wrong: it is over.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, Field, StringConstraints, ValidationError
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.ground.background_nudges import ask_job
from api.ground.errors import ApiError
from api.models.base import new_id, write_once
from api.models.job import PAYMENTS
from api.models.stripe_event import STRIPE_RETRY_FOR, StripeEvent, StripeEventFlag
from api.payments.exchange.objects import find_type
from api.payments.gateway.client import is_signed
from api.payments.gateway.facts import Facts
from api.payments.gateway.outbox import measure_wait, stripe_retry_seconds
from configs.ground.clock import clock
from configs.settings import Constant, SettingMissing, settings
from configs.settings.production_checks import STRIPE_LIVE_KEYS

# How long a worker holds the object of an event that it reads at Stripe; longer than its calls take
stripe_lease_seconds = Constant("STRIPE_LEASE_SECONDS", 60.0)

AT_ONCE = 100  # objects in one round of the sweep
_CROWD = 20  # nudges that wait for the worker
# What gives a plan: people wait for it. All other events correct what is known.
_URGENT = ("checkout.session.completed", "checkout.session.async_payment_succeeded", "invoice.paid")
_LONGEST_WAIT = timedelta(hours=1)
_AWAY_WAIT = timedelta(seconds=60)  # longest, while Stripe does not answer
_OWNER_ATTEMPTS = 10  # until an object counts as another application's: about an hour
_NUDGE_LOST = timedelta(seconds=5)
# How far the time in a webhook's signature may be from ours, in both directions
_WEBHOOK_TOLERANCE_SECONDS = 300

# What can be stored as one of Stripe's ids and names, which are plain ASCII.
Word = Annotated[str, StringConstraints(pattern="^[ -~]{1,255}$")]


class _Subject(BaseModel):
    object: Word | None = None
    id: Word | None = None


class _Data(BaseModel):
    object: _Subject


class Event(Facts, strict=True):
    """The facts that are read from an event and kept: none is about a person."""

    object: Literal["event"]
    id: Word
    type: Word
    api_version: Word | None = None
    created: Annotated[int, Field(ge=0, lt=1 << 33)]
    livemode: bool
    data: _Data


def is_genuine(header: str, body: bytes) -> bool:
    """Return whether Stripe signed the body with one of our secrets, not long ago and not in the future.

    `header` is Stripe-Signature. Reads no table. Stripe's library accepts any time in the future, so the time is
    checked here.
    https://docs.stripe.com/webhooks/signature
    """
    if not (header.isascii() and _is_recent(header)):
        return False
    try:
        secrets = settings().require_all("stripe_webhook_secret")
    except SettingMissing:
        return False
    return any(is_signed(body, header, secret) for secret in secrets)


def receive_event(body: bytes) -> None:
    """Store the event of a genuine call, then nudge its job. A repeated event is stored once.

    Raises:
        ApiError: 400, it is no event, or one of Stripe's other mode.
    """
    try:
        event = Event.model_validate_json(body)
    except ValidationError:
        raise ApiError(400, "malformed", "this is no event of Stripe's") from None
    key = settings().stripe_secret_key
    if event.livemode is not (key is not None and key.get_secret_value().startswith(STRIPE_LIVE_KEYS)):
        raise ApiError(400, "wrong-mode", "this event is of Stripe's other mode, live or test: check the key")
    waits = write_once(store_event, event)
    if waits and event.data.object.id:
        ask_apply_object(event.data.object.id, event.type)


def ask_apply_object(object_id: str, event_type: str) -> None:
    """Have the stored events of an object applied now; otherwise the sweep finds them.

    In a crowd those that give no plan are left to the sweep, so that nobody who paid waits behind them.
    """
    ask_job(PAYMENTS, "apply_object", object_id, most=None if event_type in _URGENT else _CROWD)


def _is_recent(header: str) -> bool:
    """Return whether the time of a signature is near ours; the library reads the first one too."""
    stamps = [part[2:] for part in header.split(",") if part.startswith("t=")]
    if not stamps or not (stamps[0].isascii() and stamps[0].isdigit()):
        return False
    return abs(clock().timestamp() - int(stamps[0][:15])) <= _WEBHOOK_TOLERANCE_SECONDS


@dataclass(frozen=True, slots=True)
class Claim:
    """An object that this worker holds until its lease ends; `types` are those of its events."""

    object_id: str
    types: tuple[str, ...]
    token: UUID


class LeaseLost(Exception):
    """Another worker has the object by now: what this one read may be old."""


def store_event(session: Session, event: Event) -> bool:
    """Store an event of Stripe's, without what it says; return whether it is new and waits to be applied.

    One of a type about which nothing is done is flagged.
    """
    about, now = event.data.object, clock()
    applies = about.id is not None and find_type(event.type) is not None
    made = insert(StripeEvent).values(
        id=event.id,
        type=event.type,
        api_version=event.api_version,
        created_at=datetime.fromtimestamp(event.created, UTC),
        object_type=about.object,
        object_id=about.id,
        received_at=now,
        next_attempt_at=now + _NUDGE_LOST if applies else None,
        flag=None if applies else StripeEventFlag.UNKNOWN_TYPE,
    )
    new = session.scalar(made.on_conflict_do_nothing().returning(StripeEvent.id)) is not None
    return new and applies


def find_due_objects(session: Session, most: int = AT_ONCE) -> list[tuple[str, bool]]:
    """Return the objects of events whose nudge was lost or whose wait is over: the urgent first, then the oldest.

    Each with whether it is urgent: one of its events may give a plan.
    """
    now = clock()
    late = now + max(_LONGEST_WAIT, _get_lease()) + _NUDGE_LOST
    due = (StripeEvent.next_attempt_at <= now) | (StripeEvent.next_attempt_at > late)
    urgent = sa.func.bool_or(StripeEvent.type.in_(_URGENT))
    first = sa.func.min(StripeEvent.next_attempt_at)
    found = sa.select(StripeEvent.object_id, urgent).where(due).group_by(StripeEvent.object_id)
    rows = session.execute(found.order_by(urgent.desc(), first).limit(most))
    return [(str(object_id), gives) for object_id, gives in rows]


def claim_object(session: Session, object_id: str) -> Claim | None:
    """Take an object with all its events that are not applied; None without such, or where a worker holds it."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(object_id, 0))))
    waiting = (StripeEvent.object_id == object_id, StripeEvent.next_attempt_at.is_not(None))
    events = session.scalars(sa.select(StripeEvent).where(*waiting).with_for_update()).all()
    now, token = clock(), new_id()
    latest = now + _get_lease() + _NUDGE_LOST
    if not events or any(each.lease_until and now < each.lease_until <= latest for each in events):
        return None
    for event in events:
        event.lease_token, event.lease_until = token, now + _get_lease()
        event.next_attempt_at = event.lease_until
        event.attempts += 1
    session.flush()
    return Claim(object_id, tuple(dict.fromkeys(each.type for each in events)), token)


def hold_claim(session: Session, claim: Claim) -> None:
    """Lock the events of a claim until the caller's transaction ends.

    Raises:
        LeaseLost: the lease is another's by now.
    """
    if not session.scalars(_select_held(claim).with_for_update()).all():
        raise LeaseLost(claim.object_id)


def end_claim(session: Session, claim: Claim) -> None:
    """Mark the events of a claim as applied."""
    applied = sa.update(StripeEvent).where(StripeEvent.lease_token == claim.token)
    emptied = ("next_attempt_at", "error", "flag", "lease_token", "lease_until")
    session.execute(applied.values(applied_at=clock(), **dict.fromkeys(emptied)))


def retry_claim(
    session: Session, claim: Claim, error: str, *, away: bool, unknown: bool
) -> list[StripeEvent]:
    """Give an object back, to be tried again later; return the events that were tried for too long.

    `away`: Stripe gave no answer, so the wait stays short. `unknown`: its owner is not known, or not yet.
    """
    gave_up = []
    for event in session.scalars(_select_held(claim).with_for_update()).all():
        now = clock()
        age = max(now - event.received_at, timedelta(seconds=stripe_retry_seconds()))
        # A wait as long as the age doubles it each time.
        wait = min(age, _AWAY_WAIT) if away else measure_wait(event.attempts, _LONGEST_WAIT)
        event.attempts = max(event.attempts - away, 0)  # what was never read is not yet without an owner
        event.lease_token = event.lease_until = None
        event.error, event.next_attempt_at = error[:500], now + wait
        event.flag = StripeEventFlag.UNKNOWN_OWNER if unknown else event.flag
        if unknown and event.attempts >= _OWNER_ATTEMPTS:
            event.next_attempt_at = None
        elif not unknown and now + wait > event.received_at + STRIPE_RETRY_FOR:
            event.next_attempt_at, event.flag = None, StripeEventFlag.GAVE_UP
            gave_up.append(event)
    session.flush()
    return gave_up


def replay_event(session: Session, event_id: str) -> bool:
    """Have an event applied again, however it ended; False where there is none with an object.

    Nudge its object after the commit. What it names is read anew, so that a repetition changes nothing.
    """
    again = (
        sa.update(StripeEvent)
        .where(StripeEvent.id == event_id, StripeEvent.object_id.is_not(None))
        .values(applied_at=None, next_attempt_at=clock(), flag=None, error=None, attempts=0)
    )
    return session.scalar(again.returning(StripeEvent.id)) is not None


def _select_held(claim: Claim) -> sa.Select[StripeEvent]:
    return sa.select(StripeEvent).where(StripeEvent.lease_token == claim.token)


def _get_lease() -> timedelta:
    return timedelta(seconds=stripe_lease_seconds())
