"""Calls about what was matched: one for each person whose alerts want them, written with the matches."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_of
from api.models.notification import Notification, Priority, State
from api.models.slot import Detection
from api.models.user import Channel, Contact, ContactState, Grant, User
from configs.settings import settings
from configs.world.plan import plans
from notifier.content.message_kind_base import SLOT_CALL
from notifier.content.messages import choose_language
from notifier.delivery.message_writer import build_row, write_rows
from notifier.delivery.reader_wishes import TIMES, may_call, read_times
from notifier.message_kinds.slots import CALL_EVERY_SECONDS, rang

_LONGEST_WAIT = timedelta(days=1)  # of a call


def write_calls(
    session: Session,
    detection: Detection,
    languages: Mapping[UUID, str | None],
    announcements: Mapping[UUID, UUID],
    now: datetime,
) -> list[UUID]:
    """Write calls about what was matched `now`, to users by the languages of their alerts; return what to deliver.

    A person is called within their hours, once for all alerts, and not while another call waits or has just rung.
    """
    if not languages or not settings().twilio_voice_number:
        return []
    params = {"detection_id": str(detection.id), "desk_id": detection.desk_id}
    rows = []
    for to in session.execute(_select_callable(languages, now)):
        hours, times = (to.calls_from, to.calls_until), read_times(to)
        if may_call(hours, to.time_zone, times, detection.desk_id, now):
            language = choose_language(SLOT_CALL, languages[to.id] or to.language)
            row = build_row(SLOT_CALL, Channel.VOICE, language, params, Priority.CRITICAL)
            row |= {"user_id": to.id, "contact_id": to.contact_id, "announcement_id": announcements[to.id]}
            rows.append(
                row | {"dedupe_key": f"call:{row['id']}", "seen_at": detection.seen_at, "matched_at": now}
            )
    return write_rows(session, rows)


def _select_callable(user_ids: Collection[UUID], now: datetime) -> sa.Select[*tuple[Any, ...]]:
    """Return the query for those of these users whose plan and phone allow a call."""
    with_calls = [name for name, plan in plans().items() if Channel.VOICE.value in plan.channels]
    entitled = sa.exists().where(
        Grant.user_id == User.id, Grant.plan.in_(with_calls), Grant.starts_at <= now, Grant.ends_at > now
    )
    is_phone = sa.and_(
        Contact.user_id == User.id,
        Contact.channel == Channel.SMS,
        Contact.verified_at.is_not(None),
        Contact.state == ContactState.OK,
    )
    row = Notification
    is_called = sa.exists().where(
        row.user_id == User.id,
        row.kind == SLOT_CALL,
        row.created_at > now - max(_LONGEST_WAIT, timedelta(seconds=CALL_EVERY_SECONDS())),
        sa.or_(row.state.in_([State.PENDING, State.SENDING]), rang(now)),
    )
    return (
        sa.select(
            User.id, Contact.id.label("contact_id"), User.language, User.calls_from, User.calls_until, *TIMES,
        )
        .join(Contact, is_phone)
        .where(is_any_of(User.id, user_ids), entitled, ~is_called)
    )  # fmt: skip
