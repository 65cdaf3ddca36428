"""One notification, from its row to the provider and back: claim, look again, send, record."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
import structlog
from rq.timeouts import JobTimeoutException
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from api.models.base import session
from api.models.notification import Notification, State
from api.models.user import Contact
from configs.clock import clock
from configs.settings import settings
from notifier.channels import Message, channel
from notifier.errors import DeliveryError, TryLater, Unsure
from notifier.insisting import insist
from notifier.kinds import Facts, Held, kind_of
from notifier.messages import render
from notifier.verdicts import ATTEMPTS, Attempt, Verdict, accepted, refused

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A claimed notification with all that sending needs; no session belongs to it."""

    row: Notification
    token: UUID
    address: str
    facts: Facts

    @property
    def attempt(self) -> Attempt:
        """Return which try this is."""
        row = self.row
        return Attempt(row.attempts, row.priority, row.channel, row.reason)


def claim(notification_id: UUID) -> Parcel | None:
    """Take a notification for one lease; None when it is not due, taken by another, or not to be sent any more.

    A lease that ran out is taken over: its owner died, or its answer will be heard by nobody.
    """
    with session() as opened:
        now, token = clock(), uuid4()
        row = opened.scalars(_claiming(notification_id, token, now)).one_or_none()
        if row is None:
            return None
        parcel = _look(opened, row, token, now)
        if isinstance(parcel, Held):
            _close(opened, row, token, Verdict(parcel.state, now, parcel.reason))
            log.info("not sent", notification=str(row.id), state=parcel.state.value, reason=parcel.reason)
            return None
        return parcel


def _claiming(notification_id: UUID, token: UUID, now: datetime) -> ReturningUpdate[Notification]:
    until = now + timedelta(seconds=settings().lease_seconds)
    free = sa.or_(
        sa.and_(Notification.state == State.PENDING, Notification.next_attempt_at <= now),
        sa.and_(Notification.state == State.SENDING, Notification.lease_until <= now),
    )
    values = {
        "state": State.SENDING, "lease_token": token, "lease_until": until,
        "attempts": Notification.attempts + 1, "next_nudge_at": until, "nudges": 0,
    }  # fmt: skip
    mine = sa.update(Notification).where(Notification.id == notification_id, free)
    return mine.values(values).returning(Notification)


def _look(opened: Session, row: Notification, token: UUID, now: datetime) -> Parcel | Held:
    contact = opened.get(Contact, row.contact_id) if row.contact_id else None
    if contact is None:
        return Held(State.SKIPPED, "no address")
    if row.attempts > ATTEMPTS[row.priority]:
        return Held(State.FAILED, "attempts used up: no worker lived to record an answer")
    seen = kind_of(row.kind).look(opened, row, contact, now)
    return seen if isinstance(seen, Held) else Parcel(row, token, contact.address, seen)


def send(parcel: Parcel) -> Verdict:
    """Hand it to the provider and sort the answer; no connection to the database is held meanwhile.

    Raises no Exception: whatever went wrong is in the verdict.
    """
    row = parcel.row
    try:
        receipt = channel(row.channel).send(_message(parcel), parcel.address, row.id)
    except DeliveryError as error:
        return refused(error, parcel.attempt, clock())
    except JobTimeoutException:
        return refused(Unsure("no answer before the job had to end"), parcel.attempt, clock())
    except Exception as error:
        # The boundary: an SDK may raise anything, and the row must learn of it.
        log.exception("channel failed", notification=str(row.id), channel=row.channel.value)
        return refused(Unsure(type(error).__name__), parcel.attempt, clock())
    return accepted(receipt, clock())


def _message(parcel: Parcel) -> Message:
    row = parcel.row
    try:
        made = render(row.kind, row.channel, row.language, parcel.facts)
    except Exception as error:
        # The boundary: a text that cannot be made has not left, so that a mended one may follow.
        log.exception("no text", notification=str(row.id), kind=row.kind)
        raise TryLater(f"text could not be made: {type(error).__name__}") from error
    return replace(made, seen_at=row.seen_at)


def record(parcel: Parcel, verdict: Verdict) -> bool:
    """Keep what came of it, if the lease is still ours; return whether it was.

    An answer that was heard is not lost to a database that is away, however long.
    """
    ours = insist(lambda: _keep(parcel, verdict))
    _say(parcel, verdict, ours=ours)
    return ours


def _keep(parcel: Parcel, verdict: Verdict) -> bool:
    with session() as opened:
        ours = _close(opened, parcel.row, parcel.token, verdict)
        if ours and verdict.contact_state is not None:
            _mark(opened, parcel, verdict)
    return ours


def _close(opened: Session, row: Notification, token: UUID, verdict: Verdict) -> bool:
    mine = sa.update(Notification).where(Notification.id == row.id, Notification.lease_token == token)
    changed = mine.values(_columns(verdict)).returning(Notification.id)
    return opened.execute(changed, execution_options={"synchronize_session": False}).first() is not None


def _columns(verdict: Verdict) -> dict[str, Any]:
    values = {"state": verdict.state, "reason": verdict.reason, "lease_token": None, "lease_until": None}
    if verdict.receipt:
        receipt = verdict.receipt
        answer = {
            "provider": receipt.provider,
            "provider_id": receipt.provider_id or None,
            "cost": receipt.cost,
        }
        return values | {"accepted_at": verdict.at} | answer
    if verdict.state is State.PENDING:
        return values | {"next_attempt_at": verdict.at, "next_nudge_at": verdict.at}
    return values | {"failed_at": verdict.at}


def _mark(opened: Session, parcel: Parcel, verdict: Verdict) -> None:
    # Not where the person changed the address meanwhile: the refusal speaks of the old one.
    same = sa.and_(Contact.id == parcel.row.contact_id, Contact.address == parcel.address)
    opened.execute(sa.update(Contact).where(same).values(state=verdict.contact_state))


def _say(parcel: Parcel, verdict: Verdict, *, ours: bool) -> None:
    row = parcel.row
    said = log.bind(notification=str(row.id), kind=row.kind, channel=row.channel.value, attempt=row.attempts)
    if not ours:
        said.warning("lease lost: the result is another's to record", state=verdict.state.value)
    elif verdict.state is State.SENT:
        since = round((verdict.at - row.seen_at) / timedelta(milliseconds=1)) if row.seen_at else None
        said.info("sent", milliseconds=since)
    else:
        said.warning("not accepted", state=verdict.state.value, reason=verdict.reason)
