"""Calls: the alerts that want one and the hours of their users, and the planning of calls about matches.

Matching itself knows nothing of calls, so that they add no query to the way from a page to its alert. The sweep looks
for matches of the few alerts that want calls.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.answer import MatchAnswer
from api.models.base import new_id
from api.models.notification import Match, Notification, Priority, State
from api.models.slot import Detection
from api.models.user import Channel, Contact, ContactState, Grant, User
from configs.settings import settings
from configs.settings.constants import Constant
from configs.world.desk import HOME_ZONE, zone_or_home
from configs.world.plan import plans
from notifier.content.desk_location import location_of
from notifier.content.message_kind_base import SLOT_CALL
from notifier.content.messages import choose_language
from notifier.message_kinds.message_times import read_times, select_times

# How long after a match somebody may still be called about it: their hours of calls begin, or the hour is over
_CALL_FRESH_SECONDS = Constant("CALL_FRESH_SECONDS", 600.0)

# Least time between two calls to one person about different slots
_CALL_EVERY_SECONDS = Constant("CALL_EVERY_SECONDS", 3600.0)

# After a call: then no SMS says "we have just called you", and no second call follows
LATE_AFTER = timedelta(minutes=10)

_LONGEST_WAIT = timedelta(days=1)  # of a call
_LOCK = 0x43414C4C  # "CALL": two sweeps at once would call twice
_AT_ONCE = 500  # people in one round; the others are planned in the next


@dataclass(frozen=True, slots=True)
class CallHours:
    """When a user may be called about a desk."""

    begins: time
    ends: time
    zone: str
    desk_id: str
    prefecture_id: str
    times: Any  # as `select_times` has them

    def allow(self, at: datetime) -> bool:
        """Return whether a call may be made: within the hours of calls, and not in quiet hours that slot alerts keep.

        Who never chose a zone may live where the desk is: the hours are kept there, too.
        """
        zones = [zone_or_home(self.zone)]
        if self.zone == HOME_ZONE:
            zones.append(location_of(self.desk_id, self.prefecture_id).zone)
        return all(self._are_on(at.astimezone(zone).time()) for zone in zones) and not self.are_quiet(at)

    def _are_on(self, shown: time) -> bool:
        """Return whether it is within the hours by a clock on the wall, also in a night in which it is set."""
        if self.begins < self.ends:
            return self.begins <= shown < self.ends
        return shown >= self.begins or shown < self.ends

    def are_quiet(self, at: datetime) -> bool:
        """Return whether it is in quiet hours that slot alerts keep."""
        times = read_times(self.times)
        return bool(times and times.keeps_slots_quiet(at))


def plan_calls(session: Session, now: datetime) -> list[UUID]:
    """Write calls; return their notifications, to nudge after the commit.

    A person is called about what was matched last, once for all alerts that it is about.
    """
    if not settings().twilio_voice_number:
        return []
    if not session.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))):
        return []
    latest: dict[UUID, Any] = {}  # by user
    for row in sorted(session.execute(_select_wanted(now)), key=lambda row: row.decided_at):
        if CallHours(*row[8:]).allow(now):
            latest[row.user_id] = row
    rows = [_build_row(call, now) for call in islice(latest.values(), _AT_ONCE)]
    if rows:
        session.execute(insert(Notification).values(rows))
    return [row["id"] for row in rows]


def _build_row(call: Any, now: datetime) -> dict[str, Any]:
    key, params = new_id(), {"detection_id": str(call.detection_id), "desk_id": call.desk}
    return {
        "id": key, "user_id": call.user_id, "contact_id": call.contact_id,
        "announcement_id": call.announcement_id, "channel": Channel.VOICE, "kind": SLOT_CALL,
        "language": choose_language(SLOT_CALL, call.language), "params": params,
        "priority": Priority.CRITICAL, "dedupe_key": f"call:{key}", "seen_at": call.seen_at,
        "matched_at": call.decided_at, "created_at": now, "next_attempt_at": now,
    }  # fmt: skip


def _select_wanted(now: datetime) -> sa.Select[*tuple[Any, ...]]:
    """Return the query for matches that want a call: eight columns of the call, then those of CallHours."""
    since = now - timedelta(seconds=_CALL_FRESH_SECONDS())
    with_calls = [name for name, plan in plans().items() if Channel.VOICE.value in plan.channels]
    entitled = sa.exists().where(
        Grant.user_id == Alert.user_id,
        Grant.plan.in_(with_calls),
        Grant.starts_at <= Match.decided_at,
        Grant.ends_at > Match.decided_at,
    )
    is_phone = sa.and_(
        Contact.user_id == Alert.user_id,
        Contact.channel == Channel.SMS,
        Contact.verified_at.is_not(None),
        Contact.state == ContactState.OK,
    )
    query = (
        sa.select(
            Alert.user_id, Contact.id.label("contact_id"),
            sa.func.coalesce(Alert.language, User.language).label("language"), Match.announcement_id,
            Match.decided_at, Detection.id.label("detection_id"), Detection.desk_id.label("desk"), Detection.seen_at,
            *_select_hours(),
        )
        .select_from(Alert)
        .join(Match, sa.and_(Match.alert_id == Alert.id, Match.decided_at > since))
        .join(Detection, Detection.id == Match.detection_id)
        .join(User, User.id == Alert.user_id)
        .join(Contact, is_phone)
    )  # fmt: skip
    return query.where(
        _wants_calls(),
        Match.decided_at <= now,
        entitled,
        ~_has_answer(),
        ~_was_called_about(),
        ~_was_called(now),
    )


def _was_called_about() -> sa.Exists:
    row = Notification
    return sa.exists().where(row.announcement_id == Match.announcement_id, row.kind == SLOT_CALL)


def _was_called(now: datetime) -> sa.Exists:
    """Return the condition that a user was called within CALL_EVERY_SECONDS, may have been, or is about to be."""
    row = Notification
    return sa.exists().where(
        row.user_id == Alert.user_id,
        row.kind == SLOT_CALL,
        row.created_at > now - max(_LONGEST_WAIT, timedelta(seconds=_CALL_EVERY_SECONDS())),
        sa.or_(row.state.in_([State.PENDING, State.SENDING]), _rang(now)),
    )


def is_called_besides(
    session: Session, call_id: UUID, first: str | None, user_id: UUID, now: datetime
) -> bool:
    """Return whether another call than this one, and than the one that it follows, rings or rang within the hour.

    Calls are planned an hour apart, but reports that come late and what an operator replays may bring two together.
    """
    row = Notification
    its = {call_id} if first is None else {call_id, UUID(first)}
    newer_rings = sa.and_(
        row.state == State.SENDING, row.id > call_id
    )  # of two at once the newer one is made
    other = sa.exists().where(
        row.user_id == user_id, row.kind == SLOT_CALL, row.id.not_in(its), sa.or_(newer_rings, _rang(now))
    )
    return bool(session.scalar(sa.select(other)))


def _rang(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a call was made, or may have been, within CALL_EVERY_SECONDS."""
    row, since = Notification, now - timedelta(seconds=_CALL_EVERY_SECONDS())
    may_have = sa.case((row.unknown_attempts > 0, sa.func.coalesce(row.failed_at, row.created_at)))
    return sa.func.coalesce(row.accepted_at, may_have) > since


def _select_hours() -> tuple[Any, ...]:
    return (
        User.calls_from, User.calls_until, User.time_zone, Detection.desk_id, Detection.prefecture_id, select_times()
    )  # fmt: skip


def _wants_calls() -> sa.ColumnElement[bool]:
    return sa.and_(Alert.voice_enabled, Alert.enabled, Alert.closed_at.is_(None))


def _has_answer() -> sa.Exists:
    """Return the condition that a match was answered since it was announced last, in a query for matches."""
    given_at = sa.func.coalesce(MatchAnswer.changed_at, MatchAnswer.answered_at)
    return sa.exists().where(MatchAnswer.match_id == Match.id, given_at >= Match.decided_at)


def read_hours(session: Session, notification_id: UUID) -> CallHours | None:
    """Return the hours of a call's user; None where no alert of it wants calls any more."""
    its = (
        sa.select(*_select_hours())
        .select_from(Notification)
        .join(Match, Match.announcement_id == Notification.announcement_id)
        .join(Detection, Detection.id == Match.detection_id)
        .join(Alert, Alert.id == Match.alert_id)
        .join(User, User.id == Alert.user_id)
        .where(Notification.id == notification_id, _wants_calls())
    )
    row = session.execute(its.limit(1)).first()
    return CallHours(*row) if row else None


def is_answered(session: Session, notification_id: UUID) -> bool:
    """Return whether a match of a call was answered by its user, in whatever way."""
    its = sa.select(Match.id).join(Notification, Notification.announcement_id == Match.announcement_id)
    found = its.where(Notification.id == notification_id, _has_answer())
    return session.scalar(found.limit(1)) is not None
