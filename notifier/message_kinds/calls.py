"""The call about open slots and the SMS after it: what they say, and the reasons not to call."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState
from configs.message_groups import MessageGroup
from notifier.call_wishes import CallHours, is_answered, may_call, may_write, read_hours
from notifier.content.slot_alert_content import ContentCache, SlotOpening
from notifier.message_kind_base import ClaimedRow, MessageKind, Recipients, Skip, TemplateContext
from notifier.message_kinds import AFTER
from notifier.message_kinds.recipients import find_no_loss
from notifier.message_kinds.slots import (
    UNCONFIRMED,
    UNCONFIRMED_SECONDS,
    MatchedSlots,
    read_matched_slots,
)

GONE, STOPPED = Skip(State.EXPIRED, "slots gone"), Skip(State.SKIPPED, "alert stopped")
_ANSWERED = Skip(State.SKIPPED, "slots answered")
_OUTSIDE = Skip(State.SKIPPED, "outside the hours of calls")


def _prepare(session: Session, row: ClaimedRow, contact: Contact, now: datetime) -> TemplateContext | Skip:
    """Return what is open, or why no call is made. Params: the desk and the detection; of a second call, the first."""
    skip = _find_end(session, row) or find_loss(contact) or find_wish(session, row.id, now)
    return skip or read_open(session, row.id, row.seen_at, row.language, now)


def _find_end(session: Session, row: ClaimedRow) -> Skip | None:
    """Return why a second call is not made: the first was answered by its late report, or this one may have rung."""
    if AFTER not in row.params:
        return None
    first = session.get(Notification, UUID(row.params[AFTER]))
    if first and first.state is State.DELIVERED:
        return _ANSWERED
    return Skip(State.EXPIRED, "called often enough") if row.unknown_attempts else None


def find_loss(contact: Contact) -> Skip | None:
    """Return why a number is not called, or None."""
    if contact.verified_at is None:
        return Skip(State.SKIPPED, "address not verified")
    return None if contact.state is ContactState.OK else Skip(State.SKIPPED, f"address {contact.state.value}")


def find_wish(session: Session, notification_id: UUID, now: datetime) -> Skip | None:
    """Return why its user does not want the call any more, or None."""
    hours = read_hours(session, notification_id)
    return _find_answer(session, notification_id, hours) or (None if may_call(hours, now) else _OUTSIDE)


def find_wish_of_sms(session: Session, notification_id: UUID, now: datetime) -> Skip | None:
    """Return why its user does not want the SMS after the call any more, or None."""
    hours = read_hours(session, notification_id)
    return _find_answer(session, notification_id, hours) or (None if may_write(hours, now) else _OUTSIDE)


def _find_answer(session: Session, notification_id: UUID, hours: Sequence[CallHours]) -> Skip | None:
    if not hours:
        return STOPPED
    return _ANSWERED if is_answered(session, notification_id) else None


def read_open(
    session: Session, notification_id: UUID, seen_at: datetime | None, language: str, now: datetime
) -> TemplateContext | Skip:
    """Return what is open of the slots of a call, or why it has nothing to announce."""
    found = read_matched_slots(session, [notification_id]).get(notification_id)
    if found is None or not found.stops:
        return STOPPED
    if not found.slots:
        return GONE
    confirmed = now - timedelta(seconds=UNCONFIRMED_SECONDS())
    if all(slot.seen_at < confirmed for slot in found.slots):
        return UNCONFIRMED
    return _describe(found, seen_at, language)


def _describe(found: MatchedSlots, seen_at: datetime | None, language: str) -> TemplateContext:
    opening = SlotOpening(found.detection, tuple(found.slots), seen_at or found.detection.seen_at)
    return ContentCache().context([opening], (), language)


def _prepare_sms(
    session: Session, row: ClaimedRow, contact: Contact, now: datetime
) -> TemplateContext | Skip:
    """Return what is open, or why nothing is sent any more.

    Who has switched SMS off gets none: the consent to them is withdrawn with the switch, that to calls is not.
    """
    skip = find_loss(contact) or _find_switch(contact) or find_wish_of_sms(session, row.id, now)
    return skip or read_open(session, row.id, row.seen_at, row.language, now)


def _find_switch(contact: Contact) -> Skip | None:
    if not contact.enabled:
        return Skip(State.SKIPPED, "switched off")
    stopped = MessageGroup.SLOTS in (contact.stopped_groups or ())
    return Skip(State.SKIPPED, "stopped by its reader") if stopped else None


KINDS = {
    # A confirmed number, though SMS be switched off: calls are chosen by alert. Hours say when, and no group.
    "slot_call": MessageKind(
        to=Recipients(
            lambda contact: contact.channel is Channel.SMS and find_loss(contact) is None, find_no_loss
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
