"""The call about open slots and the SMS after it: what they say, and the reasons not to call."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState
from configs.ground.message_groups import MessageGroup
from notifier.content.message_kind_base import (
    AFTER,
    CALL_AGAIN,
    ClaimedRow,
    MessageKind,
    Recipients,
    Skip,
    TemplateContext,
    find_no_loss,
)
from notifier.content.slot_alert_content import ContentCache, SlotOpening
from notifier.message_kinds.call_planning import LATE_AFTER, is_answered, is_called_besides, read_hours
from notifier.message_kinds.slots import UNCONFIRMED_SECONDS, find_end, read_matched_slots

_STOPPED = Skip(State.SKIPPED, "alert stopped")
# Neither a call nor its SMS waits for the next look at a page, which may be hours away.
_UNSEEN, _LATE = Skip(State.EXPIRED, "slots not seen lately"), Skip(State.EXPIRED, "long after the call")
_CALLED = Skip(State.SKIPPED, "called often enough")
_ANSWERED = Skip(State.SKIPPED, "slots answered")
_OUTSIDE = Skip(State.SKIPPED, "outside the hours of calls")


def _prepare(session: Session, row: ClaimedRow, contact: Contact, now: datetime) -> TemplateContext | Skip:
    """Return what is open, or why no call is made. Params: the desk and the detection; of a second call, the first."""
    skip = _find_end(session, row) or _find_loss(contact) or _find_wish(session, row.id, now, rings=True)
    if skip is None and is_called_besides(session, row.id, row.params.get(AFTER), contact.user_id, now):
        skip = _CALLED
    return skip or _read_open(session, row, now)


def _find_end(session: Session, row: ClaimedRow) -> Skip | None:
    """Return why a second call is not made: the first was answered by its late report, or this one may have rung."""
    if AFTER not in row.params:
        return None
    if _is_taken(session, row):
        return _ANSWERED
    return Skip(State.EXPIRED, "called often enough") if row.unknown_attempts else None


def _is_taken(session: Session, row: ClaimedRow) -> bool:
    """Return whether a person took one of the calls that a row follows, as a late report may say."""
    first = row.params[AFTER]
    either = sa.or_(Notification.id == UUID(first), Notification.dedupe_key == f"{CALL_AGAIN}{first}")
    taken = sa.select(sa.exists().where(either, Notification.state == State.DELIVERED))
    return bool(session.scalar(taken))


def _find_loss(contact: Contact) -> Skip | None:
    if contact.verified_at is None:
        return Skip(State.SKIPPED, "address not verified")
    return None if contact.state is ContactState.OK else Skip(State.SKIPPED, f"address {contact.state.value}")


def _find_wish(session: Session, notification_id: UUID, now: datetime, *, rings: bool) -> Skip | None:
    """Return why its user does not want the call, or the SMS after it, any more. An SMS leaves after the hours, too."""
    hours = read_hours(session, notification_id)
    if hours is None:
        return _STOPPED
    if is_answered(session, notification_id):
        return _ANSWERED
    is_in_time = hours.allow(now) if rings else not hours.are_quiet(now)
    return None if is_in_time else _OUTSIDE


def _read_open(session: Session, row: ClaimedRow, now: datetime) -> TemplateContext | Skip:
    found = read_matched_slots(session, [row.id]).get(row.id)
    if found is None:
        return _STOPPED
    if skip := find_end(found, now - timedelta(seconds=UNCONFIRMED_SECONDS())):
        return _UNSEEN if skip.state is State.PENDING else skip
    opening = SlotOpening(found.detection, tuple(found.slots), row.seen_at or found.detection.seen_at)
    return ContentCache().context([opening], (), row.language)


def _prepare_sms(
    session: Session, row: ClaimedRow, contact: Contact, now: datetime
) -> TemplateContext | Skip:
    """Return what is open, or why nothing is sent any more.

    Who has switched SMS off gets none: the consent to them is withdrawn with the switch, that to calls is not.
    """
    if now - row.created_at > LATE_AFTER:
        return _LATE
    if _is_taken(session, row):
        return _ANSWERED
    skip = _find_loss(contact) or _find_switch(contact) or _find_wish(session, row.id, now, rings=False)
    return skip or _read_open(session, row, now)


def _find_switch(contact: Contact) -> Skip | None:
    if not contact.enabled:
        return Skip(State.SKIPPED, "switched off")
    stopped = MessageGroup.SLOTS in (contact.stopped_groups or ())
    return Skip(State.SKIPPED, "stopped by its reader") if stopped else None


KINDS = {
    # A confirmed number, though SMS be switched off: calls are chosen by alert. Hours say when, and no group.
    "slot_call": MessageKind(
        to=Recipients(
            lambda contact: contact.channel is Channel.SMS and _find_loss(contact) is None, find_no_loss
        ),
        values=_prepare,
        secret=False,
    ),
    # After a call that no person took: a confirmed number that takes SMS.
    "call_missed": MessageKind(
        to=Recipients(lambda contact: contact.channel is Channel.SMS and contact.reachable, find_no_loss),
        values=_prepare_sms,
        secret=False,
    ),
}
