"""Reads of the messages to a user."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session, undefer

import notifier
from api.alerts.notifications.reasons import Reason, find_reason, write_reason
from api.ground.paging import MomentQuery, read_moments
from api.ground.schemas import Answer
from api.models.notification import Notification, State
from api.models.user import Channel
from configs.ground.clock import clock
from configs.world.retention import messages_kept_for

ShownContent = Literal["shown", "secret", "erased", "unavailable"]  # or why a body is not shown


class MessagePageQuery(MomentQuery):
    """Which page of messages, of one channel or all: `before` is the `next` of the page before."""

    channel: Channel | None = None


class OwnMessageQuery(MessagePageQuery):
    """Which messages, and which page: `before` is the `next` of the page before."""

    status: State | None = None


class MessageSubject(Answer):
    """What a message is about, as far as it names it; the ids are those of the other routes."""

    alert_id: str | None
    detection_id: str | None
    desk_id: str | None
    prefecture_id: str | None
    payment_id: str | None


class OwnMessage(Answer):
    """A message to the user. `title` and `body` are what it said when it left, in its `language`.

    `content`: the body is `shown`; it was a link or a code, which is not kept (`secret`); its text was `erased` after
    its time; or it has not left, or its text went with its subject (`unavailable`). `[…]` replaces such links in a
    body.
    `sentAt`: when its provider took it. `reason` is a word for programs, `errorMsg` the same for the user, in the
    account's language: why it did not arrive, did not leave, or leaves later.
    """

    id: UUID
    channel: Channel
    type: str = Field(examples=["slot_detected"])
    language: str
    title: str | None
    body: str | None
    content: ShownContent
    metadata: MessageSubject
    status: State
    created_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    failed_at: datetime | None
    reason: Reason | None
    error_msg: str | None


class OwnMessagePage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[OwnMessage]
    next: str | None


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
    if row.created_at <= clock() - messages_kept_for():
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
