"""Reads of the messages to a user."""

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

import notifier
from api.models.notification import Notification, State
from api.models.user import Channel
from api.notifications.reasons import find_reason, write_reason
from api.notifications.schemas import (
    MessagePageQuery,
    MessageSubject,
    OwnMessage,
    OwnMessagePage,
    ShownContent,
)
from api.paging import read_moments
from configs.ground.clock import clock
from configs.world.retention import MESSAGES_KEPT_FOR

# What a row's values call the ids that may be shown. Its other values may be secrets.
_SUBJECT = {
    "alert_id": "alert",
    "detection_id": "detection_id",
    "desk_id": "desk_id",
    "prefecture_id": "prefecture",
    "payment_id": "payment",
}


def list_own_messages(
    session: Session, user_id: UUID, language: str, wanted: MessagePageQuery, states: Collection[State] = ()
) -> OwnMessagePage:
    """Return a page of the messages to a user, reasons in that language; of several `states` if they are given."""
    query = _select_own(user_id, wanted.channel, states)
    # By the instant, as the index orders them
    shown, following = read_moments(session, query, Notification.created_at, Notification.id, wanted)
    return OwnMessagePage(items=[_build_message(row, language) for row in shown], next=following)


def _build_message(row: Notification, language: str) -> OwnMessage:
    reason, content = find_reason(row.state, row.reason, row.held_for), _find_content(row)
    is_shown = content == "shown"
    return OwnMessage.of_row(
        row,
        type=row.kind,
        title=row.title if is_shown else notifier.write_title(row.kind, row.language, row.params),
        body=row.text if is_shown else None,
        content=content,
        metadata=_build_subject(row),
        status=row.state,
        sent_at=row.accepted_at,
        reason=reason,
        error_msg=reason and write_reason(reason, language),
    )


def _find_content(row: Notification) -> ShownContent:
    """Return whether the text is shown, or why it is not."""
    if notifier.is_secret(row.kind):
        return "secret"
    if row.created_at <= clock() - MESSAGES_KEPT_FOR():
        return "erased"
    return "unavailable" if row.text is None else "shown"


def _select_own(user_id: UUID, channel: Channel | None, states: Collection[State]) -> sa.Select[Notification]:
    texts = (undefer(Notification.title), undefer(Notification.text))
    query = sa.select(Notification).options(*texts).where(Notification.user_id == user_id)
    if channel:
        query = query.where(Notification.channel == channel)
    return query.where(Notification.state.in_(states)) if states else query


def _build_subject(row: Notification) -> MessageSubject:
    params: object = row.params  # as the row has it: any JSON
    values = params if isinstance(params, dict) else {}
    named = {name: values.get(key) for name, key in _SUBJECT.items()}
    known = {name: each if each and isinstance(each, str) else None for name, each in named.items()}
    if known["desk_id"] and not known["prefecture_id"]:
        known["prefecture_id"] = known["desk_id"].partition("/")[0]
    return MessageSubject(**known)
