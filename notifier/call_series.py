"""A series of calls: the attempts to reach one person by phone about the same matches. Each attempt is a notification.

Its params name the series and the number of the attempt, so that its dedupe key makes a second report of the same end
harmless.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.models.base import new_id
from api.models.database_clock import CLOCKS_DIFFER
from api.models.notification import HeldFor, Notification, NotificationMatch, Priority, State
from api.models.provider_event import ProviderEvent
from api.models.user import Channel
from configs.constants import Constant
from notifier.delivery.retry_policy import CALL_ATTEMPTS, CALL_GAP_SECONDS
from notifier.message_kinds import SLOT_CALL

# Least time between two calls to one person about different slots
_CALL_EVERY_SECONDS = Constant("CALL_EVERY_SECONDS", 3600.0)

SERIES, ATTEMPT, HAS_KEY = "series", "attempt", "key"  # in the params of an attempt
KEY_PRESSED = "key pressed"  # why an attempt is not made
_MISSED = "call_missed"  # the kind of the SMS
_SOON = timedelta(seconds=10)  # a report that could not be applied waits longer
_LONGEST_WAIT = timedelta(days=1)  # of a call


@dataclass(frozen=True, slots=True)
class CallSeries:
    """What is known of a series before an attempt."""

    has_key: bool  # the called person ended it
    calls: int  # that rang, or may have


def read_series(session: Session, params: dict[str, Any]) -> CallSeries:
    """Return what came of the attempts of a series so far."""
    row = Notification
    rang = sa.case((row.accepted_at.is_not(None), 1), else_=0) + row.unknown_attempts
    found = sa.select(
        sa.func.coalesce(sa.func.bool_or(row.params.has_key(HAS_KEY)), sa.false()),
        sa.func.coalesce(sa.func.sum(rang), 0),
    )
    has_key, calls = session.execute(found.where(row.dedupe_key.in_(_list_keys(params[SERIES])))).one()
    return CallSeries(has_key, calls)


def has_waiting_report(session: Session, series: str, now: datetime) -> bool:
    """Return whether a report of a call of a series is stored and about to be applied. It may be the key."""
    mine = sa.select(Notification.id).where(Notification.dedupe_key.in_(_list_keys(series)))
    event = ProviderEvent
    waits = sa.select(sa.literal(1)).where(
        event.next_attempt_at <= now + _SOON,
        event.notification_ids.overlap(sa.func.array(mine.scalar_subquery())),
    )
    return session.scalar(waits.limit(1)) is not None


def rang_lately(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that an attempt rang within CALL_EVERY_SECONDS, or may have.

    What a clock that was ahead has written does not count for longer.
    """
    row = Notification
    may_have = sa.case((row.unknown_attempts > 0, sa.func.coalesce(row.failed_at, row.created_at)))
    at = sa.func.coalesce(row.accepted_at, may_have)
    since = now - timedelta(seconds=_CALL_EVERY_SECONDS())
    return sa.and_(at > since, at <= now + CLOCKS_DIFFER)


def is_coming() -> sa.ColumnElement[bool]:
    """Return the condition that an attempt is being made, or waits and nothing about its slots holds it back."""
    row = Notification
    unconfirmed = sa.func.coalesce(row.held_for == HeldFor.SLOTS, sa.false())
    return sa.or_(row.state == State.SENDING, sa.and_(row.state == State.PENDING, ~unconfirmed))


def of_user(user_id: InstrumentedAttribute[UUID] | UUID, now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition of a user's attempts that may still matter."""
    since = now - max(_LONGEST_WAIT, timedelta(seconds=_CALL_EVERY_SECONDS()))
    row = Notification
    return sa.and_(row.user_id == user_id, row.created_at > since, row.kind == SLOT_CALL)


def has_other_call(
    session: Session, user_id: UUID, notification_id: UUID, series: str, now: datetime
) -> bool:
    """Return whether another series has the hour: it rang, is being called, or waits and was planned later."""
    row = Notification
    later = sa.or_(row.state == State.SENDING, row.id > notification_id)
    found = sa.select(row.id).where(
        of_user(user_id, now),
        row.params[SERIES].astext != series,
        sa.or_(rang_lately(now), sa.and_(is_coming(), later)),
    )
    return session.scalar(found.limit(1)) is not None


def write_key(series: str, attempt: int) -> str:
    """Return the dedupe key of an attempt."""
    return f"call:{series}:{attempt}"


def _list_keys(series: str) -> list[str]:
    return [write_key(series, number) for number in range(1, CALL_ATTEMPTS() + 1)]


def call_again(opened: Session, row: Notification, ended_at: datetime, now: datetime) -> None:
    """Write the attempt that follows one that did not end the series, if there is one left."""
    attempt = row.params[ATTEMPT] + 1
    if attempt > CALL_ATTEMPTS() or row.params.get(HAS_KEY):
        return
    values = {
        "kind": SLOT_CALL, "channel": Channel.VOICE, "params": row.params | {ATTEMPT: attempt},
        "dedupe_key": write_key(row.params[SERIES], attempt), "seen_at": row.seen_at,
    }  # fmt: skip
    _copy(opened, row, values, ended_at + timedelta(seconds=CALL_GAP_SECONDS()), now)


def write_missed(opened: Session, row: Notification, now: datetime) -> None:
    """Write the SMS after a call that an answering machine took, once a series.

    It has no `seen_at`: it is no slot alert, whose delay counts.
    """
    values = {
        "kind": _MISSED, "channel": Channel.SMS, "params": row.params,
        "dedupe_key": f"call-missed:{row.params[SERIES]}",
    }  # fmt: skip
    _copy(opened, row, values, now, now)


def _copy(opened: Session, row: Notification, values: dict[str, Any], at: datetime, now: datetime) -> None:
    """Write a message about the same matches to the same person; the sweep has it sent when it is due."""
    made = insert(Notification).values(
        values
        | {
            "id": new_id(), "user_id": row.user_id, "contact_id": row.contact_id, "language": row.language,
            "priority": Priority.CRITICAL, "matched_at": row.matched_at, "created_at": now,
            "next_attempt_at": at, "next_nudge_at": at,
        }
    )  # fmt: skip
    key = opened.scalar(
        made.on_conflict_do_nothing(index_elements=[Notification.dedupe_key]).returning(Notification.id)
    )
    if key:
        its = sa.select(sa.literal(key, sa.Uuid()), NotificationMatch.match_id).where(
            NotificationMatch.notification_id == row.id
        )
        link = insert(NotificationMatch).from_select(["notification_id", "match_id"], its)
        opened.execute(link)


def end_series(opened: Session, row: Notification, now: datetime) -> None:
    """Keep that the called person pressed the key, and end the attempt that waits."""
    row.params = row.params | {HAS_KEY: True}
    waiting = sa.update(Notification).where(
        Notification.dedupe_key.in_(_list_keys(row.params[SERIES])), Notification.state == State.PENDING
    )
    ended = {"state": State.SKIPPED, "reason": KEY_PRESSED, "failed_at": now}
    opened.execute(waiting.values(ended), execution_options={"synchronize_session": False})
