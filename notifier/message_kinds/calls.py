"""The call about open slots and the SMS after it: what they say, and the reasons not to call."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from api.models.alert import Alert
from api.models.answer import MatchAnswer
from api.models.notification import Match, Notification, State
from api.models.user import Channel, Contact, ContactState
from configs.ground.message_groups import MessageGroup
from configs.settings.constants import Constant
from notifier.content.message_kind_base import (
    CALL,
    SLOT_CALL,
    DueMessage,
    MessageKind,
    Recipients,
    Skip,
    TemplateContext,
    find_no_loss,
    skip_address,
    skip_unreachable,
)
from notifier.content.slot_alert_content import ContentCache, SlotOpening
from notifier.message_kinds.slots import UNCONFIRMED_SECONDS, find_end, read_matched_slots

# Least time between two calls to one person about different slots
CALL_EVERY_SECONDS = Constant("CALL_EVERY_SECONDS", 3600.0)

# After a call: then no SMS says "we have just called you", and the call is not made again
LATE_AFTER = timedelta(minutes=10)

_STOPPED = Skip(State.SKIPPED, "alert stopped")
# Neither a call nor its SMS waits for the next look at a page, which may be hours away.
_UNSEEN, _LATE = Skip(State.EXPIRED, "slots not seen lately"), Skip(State.EXPIRED, "long after the call")
_CALLED = Skip(State.SKIPPED, "called often enough")
_ANSWERED = Skip(State.SKIPPED, "slots answered")


def _prepare(due: DueMessage) -> TemplateContext | Skip:
    """Return what is open, or why no call is made. Params: the desk and the detection."""
    skip = _find_loss(due.contact) or _find_answer(due)
    if skip is None and _is_called_besides(due):
        skip = _CALLED
    return skip or _read_open(due)


def _prepare_sms(due: DueMessage) -> TemplateContext | Skip:
    """Return what is open, or why nothing is sent any more. Params: those of the `call`, and its id.

    Who has switched SMS off gets none: the consent to them is withdrawn with the switch, that to calls is not.
    """
    if due.now - due.row.created_at > LATE_AFTER:
        return _LATE
    call = due.session.get(Notification, UUID(due.params[CALL]))
    if call and call.state is State.DELIVERED:  # as its late report says
        return _ANSWERED
    skip = skip_unreachable(due.contact) or _find_answer(due)
    if skip is None and MessageGroup.SLOTS in (due.contact.stopped_groups or ()):
        skip = Skip(State.SKIPPED, "stopped by its reader")
    return skip or _read_open(due)


def _find_loss(contact: Contact) -> Skip | None:
    if contact.verified_at is None:
        return Skip(State.SKIPPED, "address not verified")
    return None if contact.state is ContactState.OK else skip_address(contact)


def _find_answer(due: DueMessage) -> Skip | None:
    """Return why no alert wants a call, or the SMS after it, any more; an answer counts in whatever way it came."""
    its = (
        sa.select(sa.func.bool_or(wants_calls()), sa.func.bool_or(has_answer()))
        .select_from(Notification)
        .join(Match, Match.announcement_id == Notification.announcement_id)
        .join(Alert, Alert.id == Match.alert_id)
        .where(Notification.id == due.row.id)
    )
    wanted, answered = due.session.execute(its).one()
    return _ANSWERED if wanted and answered else None if wanted else _STOPPED


def _read_open(due: DueMessage) -> TemplateContext | Skip:
    found = read_matched_slots(due.session, [due.row.id]).get(due.row.id)
    if found is None:
        return _STOPPED
    if skip := find_end(found, due.now - timedelta(seconds=UNCONFIRMED_SECONDS())):
        return _UNSEEN if skip.state is State.PENDING else skip
    opening = SlotOpening(found.detection, tuple(found.slots), due.row.seen_at or found.detection.seen_at)
    return ContentCache().context([opening], (), due.language)


def _is_called_besides(due: DueMessage) -> bool:
    """Return whether another call than this one rings or rang within the hour.

    Calls are written an hour apart, but those of two desks at once may meet, and reports that come late or what an
    operator replays bring others.
    """
    row = Notification
    # of two at once the newer one is made
    rings = sa.or_(sa.and_(row.state == State.SENDING, row.id > due.row.id), rang(due.now))
    mine = sa.and_(row.user_id == due.contact.user_id, row.kind == SLOT_CALL)
    other = sa.exists().where(mine, row.id != due.row.id, rings)
    return bool(due.session.scalar(sa.select(other)))


def rang(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a call was made, or may have been, within CALL_EVERY_SECONDS."""
    row, since = Notification, now - timedelta(seconds=CALL_EVERY_SECONDS())
    may_have = sa.case((row.unknown_attempts > 0, sa.func.coalesce(row.failed_at, row.created_at)))
    return sa.func.coalesce(row.accepted_at, may_have) > since


def wants_calls() -> sa.ColumnElement[bool]:
    """Return the condition that an alert waits and wants calls."""
    return sa.and_(Alert.voice_enabled, Alert.enabled, Alert.closed_at.is_(None))


def has_answer() -> sa.ColumnElement[bool]:
    """Return the condition that a match was answered since it was announced last."""
    given_at = sa.func.coalesce(MatchAnswer.changed_at, MatchAnswer.answered_at)
    return sa.exists().where(MatchAnswer.match_id == Match.id, given_at >= Match.decided_at)


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
