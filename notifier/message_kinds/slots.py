"""The slot alert, the call and the SMS after it: which slots are still open, and why nothing is sent."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.answer import MatchAnswer
from api.models.desk import Source
from api.models.notification import WISHES, HeldFor, Match, Notification, Priority, State, waits_untold
from api.models.slot import GoneReason, SlotRow, return_seconds
from api.models.user import Channel, Contact, ContactState
from api.models.watchability import is_desk_reported
from configs.ground.message_groups import MessageGroup
from configs.settings import Constant
from notifier.content.message_kind_base import (
    CALL,
    REACHABLE,
    SLOT_CALL,
    ClaimedRow,
    DueMessage,
    MessageKind,
    Recipients,
    Seen,
    Skip,
    TemplateContext,
    skip_address,
    skip_unreachable,
)
from notifier.content.slot_alert_content import (
    Announcement,
    ContentCache,
    SlotOpening,
    read_announcements,
    read_slots,
)

# A slot alert expires when its slots were not confirmed for this long
unconfirmed_seconds = Constant("UNCONFIRMED_SECONDS", 900.0)
# Least time between two calls to one person about different slots
call_every_seconds = Constant("CALL_EVERY_SECONDS", 3600.0)

# This long after a call its SMS ("we have just called you") is not sent any more, nor the call repeated
LATE_AFTER = timedelta(minutes=10)
_LOOK_AGAIN = timedelta(seconds=30)  # whether a slot that a check did not show is open again

_STOPPED, _CHANGED = Skip(State.SKIPPED, "alert stopped"), Skip(State.SKIPPED, "alert changed")
# A call and its SMS do not wait for the next check, which may be hours away.
_UNSEEN, _LATE = Skip(State.EXPIRED, "slots not seen lately"), Skip(State.EXPIRED, "long after the call")
_CALLED = Skip(State.SKIPPED, "called often enough")
_ANSWERED = Skip(State.SKIPPED, "slots answered")
_GONE = Skip(State.EXPIRED, "slots gone")


def _prepare_all(session: Session, rows: Seen, now: datetime) -> list[TemplateContext | Skip]:
    """Return for each row its open slots, or why nothing is sent; three queries for all of them."""
    confirmed = now - timedelta(seconds=unconfirmed_seconds())
    matched = read_matched_slots(session, [row.id for row, _ in rows], now)
    cache = ContentCache()

    def one(row: ClaimedRow, contact: Contact) -> TemplateContext | Skip:
        found = matched.get(row.id)
        if found is None:
            return Skip(State.SKIPPED, "alert deleted")
        if skip := skip_unreachable(contact) or find_skip(found, confirmed):
            return _hold_missing(row, found, now) if skip is _GONE and found.missing else skip
        seen_at = row.seen_at or found.detection.seen_at
        # Delayed by its reader's wish: it says when its slots were last confirmed
        if row.priority is Priority.SCHEDULED:
            seen_at = max(seen_at, *(slot.seen_at for slot in found.slots))
        opening = SlotOpening(found.detection, tuple(found.slots), seen_at)
        return cache.context([opening], found.stops, row.language)

    return [one(row, contact) for row, contact in rows]


def _hold_missing(row: ClaimedRow, found: Announcement, now: datetime) -> Skip:
    """Return that a message waits whose slots a check did not show: they are looked for again, until they stay gone.

    What waited for its reader's hours still says so, where it ends.
    """
    until = min(now + _LOOK_AGAIN, max(map(_returns_until, found.missing)))
    held_for = row.held_for if row.held_for in WISHES else HeldFor.SLOTS
    return Skip(State.PENDING, "", until, held_for)


def _returns_until(slot: SlotRow) -> datetime:
    """Return until when a slot that is gone is the same slot if a check shows it again; when it was seen, if none."""
    returns = slot.gone_reason in (GoneReason.TAKEN, GoneReason.LAPSED) and slot.gone_told_at is None
    return slot.gone_at + timedelta(seconds=return_seconds()) if slot.gone_at and returns else slot.seen_at


def read_matched_slots(session: Session, ids: Sequence[UUID], now: datetime) -> dict[UUID, Announcement]:
    """Return, by notification, the alerts that still wait, and the slots that are still open, or may be again.

    What people reported of a desk is none once an operator has stopped it.
    """
    announced = read_announcements(session, ids, _read_lately_open)
    about = {each.detection.desk_id for each in announced.values() if each.detection.source is Source.REPORT}
    read = {desk_id for desk_id in about if is_desk_reported(session, desk_id)}
    for each in announced.values():
        if each.detection.desk_id in about - read:
            each.slots = []
        each.missing = [slot for slot in each.slots if slot.gone_at and _returns_until(slot) > now]
        each.slots = [slot for slot in each.slots if slot.gone_at is None]
    return announced


def _read_lately_open(session: Session, ranges: Collection[str]) -> dict[str, list[SlotRow]]:
    found = read_slots(session, ranges)
    heirs = _heirs(session, chain.from_iterable(found.values()))
    return {
        each: [heir for slot in mine for heir in heirs.get(slot.id, [slot])] for each, mine in found.items()
    }


def _heirs(session: Session, slots: Iterable[SlotRow]) -> dict[int, list[SlotRow]]:
    """Return, by slot of unknown hour, the open hours seen there meanwhile: no other message announces them."""
    known = [slot for slot in slots if slot.gone_reason is GoneReason.SUPERSEDED]
    if not known:
        return {}
    place = sa.tuple_(SlotRow.desk_id, SlotRow.place_key)
    here = place.in_({(slot.desk_id, slot.place_key) for slot in known})
    rows = list(session.scalars(sa.select(SlotRow).where(here, SlotRow.gone_at.is_(None))))
    return {
        slot.id: [
            row
            for row in rows
            if (row.desk_id, row.place_key) == (slot.desk_id, slot.place_key)
            and slot.gone_at
            and row.opened_at <= slot.gone_at
        ]
        for slot in known
    }


def find_skip(found: Announcement, confirmed_since: datetime) -> Skip | None:
    """Return why the matched slots are not announced, or None."""
    if not found.stops:
        return _CHANGED if found.is_changed else _STOPPED
    if not found.slots:
        return _GONE
    if all(slot.seen_at < confirmed_since for slot in found.slots):
        return Skip(State.PENDING, "", held_for=HeldFor.SLOTS)  # docs/decisions.md#unconfirmed-slots
    return None


def _count_waiting(due: DueMessage) -> TemplateContext | Skip:
    """Return how many untold alerts the hourly cap holds back; one that waits on several channels counts once."""
    detection = Notification.params["detection_id"].astext
    waiting = sa.select(sa.func.count(detection.distinct())).where(
        Notification.contact_id.in_(sa.select(Contact.id).where(Contact.user_id == due.contact.user_id)),
        waits_untold(),
    )
    count = due.session.scalar(waiting)
    if not count:
        return Skip(State.EXPIRED, "nothing waits any more")
    return TemplateContext({"count": count, "url": due.find_page("messages")})


def _prepare_call(due: DueMessage) -> TemplateContext | Skip:
    """Return the open slots, or why no call is made. Params: the desk and the detection."""
    skip = _find_number_loss(due.contact) or _find_answer(due)
    if skip is None and _is_called_besides(due):
        skip = _CALLED
    return skip or _read_called(due)


def _prepare_sms(due: DueMessage) -> TemplateContext | Skip:
    """Return the open slots, or why no SMS is sent any more. Params: those of the `call`, and its id.

    A person who switched SMS off gets none: the switch withdraws the consent to SMS, not the one to calls.
    """
    if due.now - due.row.created_at > LATE_AFTER:
        return _LATE
    call = due.session.get(Notification, UUID(due.params[CALL]))
    if call and call.state is State.DELIVERED:  # as its late report says
        return _ANSWERED
    skip = skip_unreachable(due.contact) or _find_answer(due)
    if skip is None and MessageGroup.SLOTS in (due.contact.stopped_groups or ()):
        skip = Skip(State.SKIPPED, "stopped by its reader")
    return skip or _read_called(due)


def _find_number_loss(contact: Contact) -> Skip | None:
    if contact.verified_at is None:
        return Skip(State.SKIPPED, "address not verified")
    return None if contact.state is ContactState.OK else skip_address(contact)


def _find_answer(due: DueMessage) -> Skip | None:
    """Return why no alert wants the call, or its SMS, any more: stopped, or answered (by whatever link)."""
    wants_calls = sa.and_(Alert.voice_enabled, Alert.enabled, Alert.closed_at.is_(None))
    given_at = sa.func.coalesce(MatchAnswer.changed_at, MatchAnswer.answered_at)
    # An answer since the latest announcement
    has_answer = sa.exists().where(MatchAnswer.match_id == Match.id, given_at >= Match.decided_at)
    its = (
        sa.select(sa.func.bool_or(wants_calls), sa.func.bool_or(has_answer))
        .select_from(Notification)
        .join(Match, Match.announcement_id == Notification.announcement_id)
        .join(Alert, Alert.id == Match.alert_id)
        .where(Notification.id == due.row.id)
    )
    wanted, answered = due.session.execute(its).one()
    return _ANSWERED if wanted and answered else None if wanted else _STOPPED


def _read_called(due: DueMessage) -> TemplateContext | Skip:
    found = read_matched_slots(due.session, [due.row.id], due.now).get(due.row.id)
    if found is None:
        return _STOPPED
    if skip := find_skip(found, due.now - timedelta(seconds=unconfirmed_seconds())):
        return _UNSEEN if skip.state is State.PENDING else skip
    opening = SlotOpening(found.detection, tuple(found.slots), due.row.seen_at or found.detection.seen_at)
    return ContentCache().context([opening], (), due.language)


def _is_called_besides(due: DueMessage) -> bool:
    """Return whether another call to this person rings now, or rang within CALL_EVERY_SECONDS.

    Calls are written an hour apart. But two desks may open at once, a report may come late, and an operator may
    replay one.
    """
    row = Notification
    # of two calls at once only the newer one is made
    rings = sa.or_(sa.and_(row.state == State.SENDING, row.id > due.row.id), rang(due.now))
    mine = sa.and_(row.user_id == due.contact.user_id, row.kind == SLOT_CALL)
    other = sa.exists().where(mine, row.id != due.row.id, rings)
    return bool(due.session.scalar(sa.select(other)))


def rang(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a call was made, or may have been, within CALL_EVERY_SECONDS."""
    row, since = Notification, now - timedelta(seconds=call_every_seconds())
    may_have = sa.case((row.unknown_attempts > 0, sa.func.coalesce(row.failed_at, row.created_at)))
    return sa.func.coalesce(row.accepted_at, may_have) > since


KINDS = {
    # A confirmed number, even with SMS switched off: calls are chosen by alert. Quiet hours apply, groups do not.
    "slot_call": MessageKind(
        to=Recipients(lambda contact: contact.channel is Channel.SMS and _find_number_loss(contact) is None),
        values=_prepare_call,
    ),
    # After a call that no person took: a confirmed number that takes SMS.
    "call_missed": MessageKind(
        to=Recipients(lambda contact: contact.channel is Channel.SMS and contact.reachable),
        values=_prepare_sms,
    ),
    "slot_detected": MessageKind(
        to=Recipients(REACHABLE.accepts),
        values=lambda due: _prepare_all(due.session, [(due.row, due.contact)], due.now)[0],
        group=MessageGroup.SLOTS,
        notice_link="/dashboard",
        prepare_many=_prepare_all,
    ),
    "more_messages": MessageKind(to=REACHABLE, values=_count_waiting),
}
