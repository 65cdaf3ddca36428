"""Messages as operators see them, without address and text: all, and those that failed for good, to be sent again."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

import notifier
from api.admin.users import search_users
from api.alerts.notifications.reasons import UNKNOWN
from api.ground.messages import ask_deliver_later
from api.ground.paging import DAY, MONTH, Found, MomentQuery, PageQuery, apply_filter, read_moments, read_page
from api.ground.schemas import Body
from api.models.base import first_id_at, is_any_of
from api.models.notification import Notification, State
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.logs import mask_text

MOST_REPLAYED = 1000
_MOST_CAUSES = 20
_MOST_FOUND = 100
Kind = Annotated[str, Field(max_length=60)]
Part = Annotated[str, Field(pattern=r"^[^\x00]*[^\s\x00][^\x00]*$", min_length=1, max_length=200)]


class DeadLetterQuery(MomentQuery):
    """Messages that failed for good in the last `hours`; `reason`: a part of the masked reason."""

    user_id: UUID | None = None
    channel: Channel | None = None
    kind: Kind | None = None
    reason: Part | None = None
    hours: int = Field(DAY, ge=1, le=MONTH)


class Replay(Body):
    """Which dead letters to send again: one by its `id`, however old it is, or the newest MOST_REPLAYED of a filter.

    `unsure`: also those that may have arrived; their recipients may get them twice.
    """

    id: UUID | None = None
    channel: Channel | None = None
    kind: Kind | None = None
    reason: Part | None = None
    hours: Annotated[int, Field(ge=1, le=MONTH)] = DAY
    unsure: bool = False


def list_dead_letters(session: Session, wanted: DeadLetterQuery) -> Found[Notification]:
    """Return a page of messages that failed for good, the latest failure first."""
    query = _select_dead(session, wanted)
    return Found(*read_moments(session, query, Notification.failed_at, Notification.id, wanted))


def search_dead_letters(session: Session, text: str) -> Sequence[Notification]:
    """Return the dead letters, however old, of the person of an address or a number, the latest _MOST_FOUND at most."""
    of_accounts = is_any_of(Notification.user_id, [each.id for each in search_users(session, text)])
    without_account = sa.func.lower(Notification.address) == text.lower()
    dead = sa.select(Notification).where(Notification.state == State.FAILED, of_accounts | without_account)
    latest = dead.order_by(Notification.failed_at.desc(), Notification.id.desc())
    return session.scalars(latest.limit(_MOST_FOUND)).all()


def count_dead_letters(session: Session, wanted: Replay) -> int:
    """Return how many dead letters a replay would choose, MOST_REPLAYED at most."""
    meant = _select_dead(session, wanted).with_only_columns(Notification.id).limit(MOST_REPLAYED)
    return session.scalar(sa.select(sa.func.count()).select_from(meant.subquery())) or 0


@dataclass(frozen=True, slots=True)
class Cause:
    """How many messages of a channel and kind failed for one reason."""

    channel: Channel
    kind: str
    reason: str  # masked
    messages: int


def list_causes(session: Session, hours: int) -> list[Cause]:
    """Return why messages failed for good in the last hours, the most frequent causes first, _MOST_CAUSES at most."""
    columns = (Notification.channel, Notification.kind, Notification.reason)
    query = (
        sa.select(*columns, sa.func.count())
        .where(Notification.state == State.FAILED, Notification.failed_at >= clock() - timedelta(hours=hours))
        .group_by(*columns)
        .order_by(Notification.reason, Notification.channel, Notification.kind)
    )
    found: Counter[tuple[Channel, str, str]] = Counter()
    for channel, kind, reason, messages in session.execute(query):
        found[channel, kind, mask_text(reason or "")] += messages
    return [Cause(*cause, messages) for cause, messages in found.most_common(_MOST_CAUSES)]


def replay_dead_letters(session: Session, wanted: Replay) -> tuple[int, list[UUID]]:
    """Make dead letters pending again; return how many were chosen, and the ids of those that became pending.

    Without `unsure`, letters that may have arrived stay dead. They are chosen last, to take no place from older ones.
    """
    stays = [] if wanted.unsure else [sa.func.coalesce(Notification.reason, "").startswith(UNKNOWN)]
    latest = (Notification.failed_at.desc(), Notification.id.desc())
    query = _select_dead(session, wanted).order_by(*stays, *latest)
    chosen = [each.id for each in session.scalars(query.limit(MOST_REPLAYED))]
    return len(chosen), ask_deliver_later(session, notifier.replay(session, chosen, unsure=wanted.unsure))


def _select_dead(session: Session, wanted: DeadLetterQuery | Replay) -> sa.Select[Notification]:
    query = sa.select(Notification).where(Notification.state == State.FAILED)
    if isinstance(wanted, Replay) and wanted.id:
        return query.where(Notification.id == wanted.id)
    query = query.where(Notification.failed_at >= clock() - timedelta(hours=wanted.hours))
    query = apply_filter(query, wanted, channel=Notification.channel, kind=Notification.kind)
    if wanted.reason:
        reasons = session.scalars(query.with_only_columns(Notification.reason).distinct()).all()
        query = query.where(
            Notification.reason.in_([each for each in reasons if each and wanted.reason in mask_text(each)])
        )
    return query


class MessageQuery(PageQuery):
    """Messages of a user, or of all users in the last `hours`."""

    user_id: UUID | None = None
    channel: Channel | None = None
    kind: Kind | None = None
    state: State | None = None
    hours: int = Field(DAY, ge=1, le=MONTH)


def list_messages(session: Session, wanted: MessageQuery) -> Found[Notification]:
    """Return a page of messages, the newest first."""
    query = sa.select(Notification)
    if wanted.user_id:
        query = query.where(Notification.user_id == wanted.user_id)
    else:
        query = query.where(Notification.id >= first_id_at(clock() - timedelta(hours=wanted.hours)))
    columns = {name: getattr(Notification, name) for name in ("channel", "kind", "state")}
    query = apply_filter(query, wanted, **columns)
    return Found(*read_page(session, query, Notification.id, wanted))
