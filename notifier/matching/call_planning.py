"""Calls about what was matched: one for each person whose alerts want them, written with the matches."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.base import is_any_of, new_id
from api.models.notification import Match, Notification, Priority, State
from api.models.slot import Detection
from api.models.user import Channel, Contact, ContactState, Grant, User
from configs.settings import settings
from configs.world.plan import plans
from notifier.content.message_kind_base import SLOT_CALL
from notifier.content.messages import choose_language
from notifier.delivery.reader_wishes import may_call, read_times, select_times
from notifier.message_kinds.calls import CALL_EVERY_SECONDS, rang

_LONGEST_WAIT = timedelta(days=1)  # of a call


def write_calls(session: Session, alert_ids: Collection[UUID], now: datetime) -> list[UUID]:
    """Write calls about matches of these alerts that were decided `now`; return their notifications, to deliver.

    A person is called within their hours, once for all alerts, and not while another call waits or has just rung.
    """
    if not settings().twilio_voice_number:
        return []
    wanted = {
        row.user_id: row
        for row in session.execute(_select_wanted(alert_ids, now))
        if may_call((row.calls_from, row.calls_until), row.time_zone, read_times(row.times), row.desk, now)
    }
    rows = [_build_row(call, now) for call in wanted.values()]
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


def _select_wanted(alert_ids: Collection[UUID], now: datetime) -> sa.Select[*tuple[Any, ...]]:
    """Return the query for matches that want a call."""
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
    row = Notification
    is_called = sa.exists().where(
        row.user_id == Alert.user_id,
        row.kind == SLOT_CALL,
        row.created_at > now - max(_LONGEST_WAIT, timedelta(seconds=CALL_EVERY_SECONDS())),
        sa.or_(row.state.in_([State.PENDING, State.SENDING]), rang(now)),
    )
    return (
        sa.select(
            Alert.user_id, Contact.id.label("contact_id"),
            sa.func.coalesce(Alert.language, User.language).label("language"), Match.announcement_id,
            Match.decided_at, Detection.id.label("detection_id"), Detection.desk_id.label("desk"), Detection.seen_at,
            User.calls_from, User.calls_until, User.time_zone, select_times().label("times"),
        )
        .select_from(Alert)
        .join(Match, sa.and_(Match.alert_id == Alert.id, Match.decided_at == now))
        .join(Detection, Detection.id == Match.detection_id)
        .join(User, User.id == Alert.user_id)
        .join(Contact, is_phone)
        .where(is_any_of(Alert.id, alert_ids), entitled, ~is_called)
    )  # fmt: skip
