"""Wishes about calls: which alerts want one, and at which hours of their user."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.answer import MatchAnswer
from api.models.notification import Match, NotificationMatch
from api.models.user import User
from configs.desk import zone_or_home
from notifier.message_times import read_times, select_times


@dataclass(frozen=True, slots=True)
class CallHours:
    """When a user may be called."""

    begins: time
    ends: time
    zone: str
    times: Any  # as `select_times` has them

    def allow(self, at: datetime) -> bool:
        """Return whether a call may be made: within the hours of calls, and not in quiet hours that slot alerts keep.

        The hours are those that a clock on the wall shows, also in a night in which it is set.
        """
        shown = at.astimezone(zone_or_home(self.zone)).time()
        if self.begins < self.ends:
            is_within = self.begins <= shown < self.ends
        else:
            is_within = shown >= self.begins or shown < self.ends
        return is_within and not self.are_quiet(at)

    def are_quiet(self, at: datetime) -> bool:
        """Return whether it is in quiet hours that slot alerts keep."""
        times = read_times(self.times)
        return bool(times and times.keeps_slots_quiet(at))


def select_hours() -> tuple[Any, ...]:
    """Return the columns of CallHours, in a query for alerts and their users."""
    return User.calls_from, User.calls_until, User.time_zone, select_times()


def wants_calls() -> sa.ColumnElement[bool]:
    """Return the condition that an alert waits and wants calls."""
    return sa.and_(Alert.voice_enabled, Alert.enabled, Alert.closed_at.is_(None))


def has_answer() -> sa.Exists:
    """Return the condition that a match was answered since it was announced last, in a query for matches."""
    given_at = sa.func.coalesce(MatchAnswer.changed_at, MatchAnswer.answered_at)
    return sa.exists().where(MatchAnswer.match_id == Match.id, given_at >= Match.decided_at)


def read_hours(session: Session, notification_id: UUID) -> list[CallHours]:
    """Return the hours of the alerts of a call that still want it."""
    its = (
        sa.select(*select_hours())
        .select_from(NotificationMatch)
        .join(Match, Match.id == NotificationMatch.match_id)
        .join(Alert, Alert.id == Match.alert_id)
        .join(User, User.id == Alert.user_id)
        .where(NotificationMatch.notification_id == notification_id, wants_calls())
    )
    return [CallHours(*row) for row in session.execute(its)]


def is_answered(session: Session, notification_id: UUID) -> bool:
    """Return whether a match of a call was answered by its user, in whatever way."""
    its = sa.select(Match.id).join(NotificationMatch, NotificationMatch.match_id == Match.id)
    found = its.where(NotificationMatch.notification_id == notification_id, has_answer())
    return session.scalar(found.limit(1)) is not None


def may_call(hours: Iterable[CallHours], at: datetime) -> bool:
    """Return whether one of several alerts allows a call."""
    return any(each.allow(at) for each in hours)


def may_write(hours: Iterable[CallHours], at: datetime) -> bool:
    """Return whether the SMS after a call may leave: it makes no phone ring, so only quiet hours hold."""
    return not any(each.are_quiet(at) for each in hours)
