"""Bodies of a user's own messages."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from api.models.notification import State
from api.models.user import Channel
from api.notifications.reasons import Reason
from api.paging import MomentQuery
from api.schemas import Answer

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
