"""Wishes of a message's reader: not to get it any more, or later; read just before it is sent.

Quiet hours, the rhythm of slot alerts and the hours of calls are kept in the user's time zone.
A local time that a clock change skips is read with the offset before it; one that comes twice begins with its first
and ends with its second: so quiet hours last through both (https://www.rfc-editor.org/rfc/rfc5545#section-3.3.5).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_of
from api.models.notification import HeldFor, State
from api.models.user import Channel, Contact, SlotRhythm, User
from configs.ground.message_groups import SWITCHABLE, MessageGroup
from configs.world.desk import HOME_ZONE, zone_or_home
from notifier.content.desk_location import location_of
from notifier.content.message_kind_base import CALL_MISSED, SLOT_CALL, ClaimedRow, Skip
from notifier.message_kinds import kind_of, kinds

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_KEPT_QUIET = frozenset({MessageGroup.DESK, MessageGroup.REMINDERS, MessageGroup.SUMMARY, MessageGroup.NEWS})
STOPPED = Skip(State.SKIPPED, "stopped by its reader")
NO_CONSENT = Skip(State.SKIPPED, "no consent")
_OUTSIDE = Skip(State.SKIPPED, "outside the hours of calls")
_OUTLASTED = Skip(State.EXPIRED, "quiet hours outlast it")


@dataclass(frozen=True, slots=True)
class MessageTimes:
    """What a user chose."""

    zone: ZoneInfo
    rhythm: SlotRhythm = SlotRhythm.AT_ONCE
    digest_at: time = time(7)
    quiet: tuple[time, time] | None = None  # from, until
    quiet_slots: bool = False  # slot alerts wait during quiet hours, too

    def find_hold(self, group: MessageGroup, created_at: datetime, now: datetime) -> Skip | None:
        """Return why a message of a group waits now, and until when; None where it may leave."""
        due = max(now, self._find_digest(created_at)) if group is MessageGroup.SLOTS else now
        held_for = HeldFor.DIGEST
        keeps = self.quiet_slots if group is MessageGroup.SLOTS else group in _KEPT_QUIET
        if self.quiet and keeps and (ends := _find_end(due, self.quiet, self.zone)):
            due, held_for = ends, HeldFor.QUIET_HOURS
        return Skip(State.PENDING, "", due, held_for) if due > now else None

    def is_quiet(self, at: datetime) -> bool:
        """Return whether an instant is in quiet hours."""
        return bool(self.quiet and _find_end(at, self.quiet, self.zone))

    def _find_digest(self, created_at: datetime) -> datetime:
        if self.rhythm is SlotRhythm.AT_ONCE:
            return created_at
        local = created_at.astimezone(self.zone)
        if self.rhythm is SlotRhythm.HOURLY:
            return created_at + _HOUR - (local - local.replace(minute=0, second=0, microsecond=0))
        days = (local.date() + number * _DAY for number in range(3))
        return next(at for day in days if (at := _instant(day, self.digest_at, self.zone)) > created_at)


def _find_end(at: datetime, span: tuple[time, time], zone: ZoneInfo) -> datetime | None:
    """Return the end of a daily span that holds an instant; None where none does."""
    begins, ends = span
    today = at.astimezone(zone).date()
    for day in (today - _DAY, today):
        end = _instant(day if begins < ends else day + _DAY, ends, zone, last=True)
        if _instant(day, begins, zone) <= at < end:
            return end
    return None


def _instant(day: date, at: time, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """Return the instant of a local time; `last`: of one that comes twice the second."""
    local = datetime.combine(day, at, zone)
    first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return max(first, second) if last else first


# What a user chose, for `read_times`
TIMES = (
    User.time_zone,
    User.slot_rhythm,
    User.digest_at,
    User.quiet_from,
    User.quiet_until,
    User.quiet_slots,
)
# The condition that a user changed anything of when messages come
CHOSE_TIMES = sa.or_(User.slot_rhythm != SlotRhythm.AT_ONCE, User.quiet_from.is_not(None))


def read_times(row: Any) -> MessageTimes | None:
    """Return what a user chose, of a row with the columns TIMES; None for one who changed nothing."""
    if row.slot_rhythm is SlotRhythm.AT_ONCE and row.quiet_from is None:
        return None
    quiet = None if row.quiet_from is None else (row.quiet_from, row.quiet_until)
    return MessageTimes(zone_or_home(row.time_zone), row.slot_rhythm, row.digest_at, quiet, row.quiet_slots)


@dataclass(frozen=True, slots=True)
class ClaimedRecipient:
    """A contact, and when its user wants messages: `times` is None for one who changed nothing."""

    contact: Contact
    times: MessageTimes | None = None
    zone: str = ""
    call_hours: tuple[time, time] | None = None


def read_recipients(opened: Session, contact_ids: Collection[UUID]) -> dict[UUID, ClaimedRecipient]:
    """Return contacts with their users' wishes, by id."""
    columns = Contact, CHOSE_TIMES, User.time_zone, User.calls_from, User.calls_until
    query = sa.select(*columns).join(User, User.id == Contact.user_id)
    found = opened.execute(query.where(is_any_of(Contact.id, contact_ids))).all()
    times: dict[UUID, MessageTimes | None] = {}
    if choosers := {contact.user_id for contact, chose, *_ in found if chose}:
        # They are not changed before this transaction ends, whose messages a change then wakes.
        wishes = sa.select(User.id, *TIMES).where(is_any_of(User.id, choosers)).order_by(User.id)
        times = {row.id: read_times(row) for row in opened.execute(wishes.with_for_update(read=True))}
    return {
        contact.id: ClaimedRecipient(contact, times.get(contact.user_id), zone, (begins, ends))
        for contact, _, zone, begins, ends in found
    }


def find_wish(row: ClaimedRow, to: ClaimedRecipient, now: datetime) -> Skip | None:
    """Return why a message is not sent now, or None. Mail about the account and payments always is."""
    if row.kind not in kinds():
        return None
    group = kind_of(row.kind).group
    is_stopped = group in SWITCHABLE and group in (to.contact.stopped_groups or ())
    if is_stopped or (group is MessageGroup.SUMMARY and not to.contact.wants_summary):
        return STOPPED
    if group is MessageGroup.NEWS and not to.contact.wants_news:
        return NO_CONSENT
    times = to.times
    if row.kind == SLOT_CALL and to.call_hours:
        if not may_call(to.call_hours, to.zone, times, row.params["desk_id"], now):
            return _OUTSIDE
    elif row.kind == CALL_MISSED and times and times.quiet_slots and times.is_quiet(now):
        return _OUTSIDE  # the SMS after a call leaves after the hours of calls, too, but not in quiet hours
    return _find_hold(group, row, to, now)


def may_call(
    hours: tuple[time, time], zone: str, times: MessageTimes | None, desk_id: str, at: datetime
) -> bool:
    """Return whether a call may be made: within the hours of calls, and not in quiet hours that slot alerts keep.

    Who never chose a zone may live where the desk is: the hours are kept there, too.
    """
    zones = [zone_or_home(zone)]
    if zone == HOME_ZONE:
        zones.append(location_of(desk_id, desk_id.partition("/")[0]).zone)
    is_quiet = times is not None and times.quiet_slots and times.is_quiet(at)
    return not is_quiet and all(is_on(hours, at.astimezone(each).time()) for each in zones)


def is_on(hours: tuple[time, time], shown: time) -> bool:
    """Return whether it is within the hours by a clock on the wall, also in a night in which it is set."""
    begins, ends = hours
    return begins <= shown < ends if begins < ends else shown >= begins or shown < ends


def _find_hold(group: MessageGroup, row: ClaimedRow, to: ClaimedRecipient, now: datetime) -> Skip | None:
    if group not in SWITCHABLE:
        if row.channel is Channel.EMAIL or not kind_of(row.kind).chats_wait:
            return None
        group = MessageGroup.REMINDERS  # as those it waits
    created_at = row.matched_at or row.created_at
    hold = to.times.find_hold(group, created_at, now) if to.times else None
    ends = kind_of(row.kind).find_end_of_use(row.params) if hold else None
    if not (to.times and hold and hold.until and ends and ends <= hold.until):
        return hold
    # It leaves now: by mail alone where chats wait, unless slot alerts pass.
    keeps_quiet = kind_of(row.kind).chats_wait and to.times.quiet_slots
    return _OUTLASTED if keeps_quiet and row.channel is not Channel.EMAIL else None
