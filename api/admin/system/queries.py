"""Reads of notifications, queues, the audit, settings and the status for operators."""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import SecretStr
from pydantic.alias_generators import to_camel
from redis import RedisError
from sqlalchemy.orm import Session

from api.admin.health.due_queues import read_due
from api.admin.health.figures import read_jobs
from api.admin.health.findings import PartFinding
from api.admin.health.status_report import find_trouble, read_parts, to_plain
from api.admin.short_addresses import shorten_email
from api.admin.system.schemas import (
    MOST_CAUSES,
    AuditItem,
    AuditPage,
    AuditQuery,
    DeadLetterPage,
    DeadLetterQuery,
    DueQueue,
    FailureCause,
    JobQuery,
    JobQueue,
    NotificationEntry,
    NotificationLog,
    NotificationQuery,
    QueueReport,
    Replay,
    SettingEntry,
    SettingList,
    StatusReport,
)
from api.errors import ApiError
from api.models.audit import AuditEntry
from api.models.base import is_any_of
from api.models.job import JobState
from api.models.notification import Notification, State
from api.models.user import Channel, User
from api.notifications.reasons import UNKNOWN
from api.paging import cut_page, first_id_at, read_cursor, read_page, write_cursor
from configs.ground.clock import clock
from configs.ground.redaction import mask_entry, mask_text
from configs.settings import settings

_LATEST_FAILURE = (Notification.failed_at.desc(), Notification.id.desc())


def list_notifications(session: Session, wanted: NotificationQuery) -> NotificationLog:
    """Return a page of notifications."""
    query = sa.select(Notification)
    if wanted.user_id:
        query = query.where(Notification.user_id == wanted.user_id)
    else:
        query = query.where(Notification.id >= first_id_at(clock() - timedelta(hours=wanted.hours)))
    for column, value in (
        (Notification.channel, wanted.channel),
        (Notification.kind, wanted.kind),
        (Notification.state, wanted.state),
    ):
        if value:
            query = query.where(column == value)
    rows, following = read_page(session, query, Notification.id, wanted)
    return NotificationLog(items=[_build_notification(each) for each in rows], next=following)


def list_dead_letters(session: Session, wanted: DeadLetterQuery) -> DeadLetterPage:
    """Return a page of messages that failed for good, the latest failure first."""
    query = _select_dead(wanted)
    if wanted.before:
        place = sa.tuple_(Notification.failed_at, Notification.id)
        query = query.where(place < sa.tuple_(*read_cursor(wanted.before)))
    shown, more = cut_page(session.scalars(query.limit(wanted.limit + 1)).all(), wanted.limit)
    last = shown[-1] if more else None
    following = write_cursor(last.failed_at, last.id) if last and last.failed_at else None
    return DeadLetterPage(items=[_build_notification(each) for each in shown], next=following)


def count_dead_letters(session: Session, wanted: Replay) -> int:
    """Return how many dead letters a replay means, `most` at most."""
    meant = _select_dead(wanted).order_by(None).with_only_columns(Notification.id).limit(wanted.most)
    return session.scalar(sa.select(sa.func.count()).select_from(meant.subquery())) or 0


def list_causes(session: Session, hours: int) -> list[FailureCause]:
    """Return why messages failed for good in the last hours, the most frequent reasons first, MOST_CAUSES at most."""
    number = sa.func.count().label("messages")
    since = clock() - timedelta(hours=hours)
    query = (
        sa.select(Notification.channel, Notification.kind, Notification.reason, number)
        .where(Notification.state == State.FAILED, Notification.failed_at >= since)
        .group_by(Notification.channel, Notification.kind, Notification.reason)
        .order_by(number.desc(), Notification.reason, Notification.channel, Notification.kind)
        .limit(MOST_CAUSES)
    )
    return [_build_cause(*each) for each in session.execute(query)]


def _build_cause(channel: Channel, kind: str, reason: str | None, messages: int) -> FailureCause:
    shown = mask_text(reason or "")  # a provider may repeat the address that it refuses
    return FailureCause(channel=channel, kind=kind, reason=shown, exact=shown == reason, messages=messages)


def choose_dead_letters(session: Session, wanted: Replay) -> list[UUID]:
    """Return the ids of the dead letters that a replay means.

    What stays dead anyway, since it may have arrived, comes last: it must not keep older letters from their turn.
    """
    query = _select_dead(wanted)
    if not wanted.unsure:
        stays = sa.func.coalesce(Notification.reason, "").startswith(UNKNOWN)
        query = query.order_by(None).order_by(stays, *_LATEST_FAILURE)
    return [each.id for each in session.scalars(query.limit(wanted.most))]


def _select_dead(wanted: DeadLetterQuery | Replay) -> sa.Select[Notification]:
    query = sa.select(Notification).where(Notification.state == State.FAILED)
    if isinstance(wanted, Replay) and wanted.ids:
        query = query.where(is_any_of(Notification.id, wanted.ids))
    else:
        query = query.where(Notification.failed_at >= clock() - timedelta(hours=wanted.hours))
    if wanted.channel:
        query = query.where(Notification.channel == wanted.channel)
    if wanted.kind:
        query = query.where(Notification.kind == wanted.kind)
    if wanted.reason:
        query = query.where(Notification.reason.contains(wanted.reason, autoescape=True))
    return query.order_by(*_LATEST_FAILURE)


def _build_notification(row: Notification) -> NotificationEntry:
    entry = NotificationEntry.model_validate(row)
    # A provider may repeat the address that it refuses.
    return entry.model_copy(update={"reason": entry.reason and mask_text(entry.reason)})


def list_jobs(session: Session, wanted: JobQuery) -> tuple[list[JobState], list[str]]:
    """Return the background jobs that are wanted, in the order of their names, and the names of all."""
    rows = session.scalars(sa.select(JobState).order_by(JobState.name)).all()
    found = [
        each for each in rows if wanted.job in (None, each.name) and wanted.result in (None, each.result)
    ]
    return found, [each.name for each in rows]


def read_queues() -> QueueReport:
    """Return the queues of jobs and the due queues.

    Raises:
        api.errors.ApiError: 503, Redis is away.
    """
    try:
        jobs, due = read_jobs(), read_due()
    except RedisError:
        raise ApiError(
            503, "unavailable", "Redis does not answer: try again", headers={"Retry-After": "5"}
        ) from None
    return QueueReport(
        jobs=[JobQueue.model_validate(each) for each in jobs],
        due=[DueQueue.model_validate(each) for each in due],
    )


def list_audit(session: Session, wanted: AuditQuery) -> AuditPage:
    """Return a page of the audit."""
    query = sa.select(AuditEntry)
    for column, value in (
        (AuditEntry.actor_id, wanted.actor_id),
        (AuditEntry.action, wanted.action),
        (AuditEntry.subject_type, wanted.subject_type),
        (AuditEntry.subject_id, wanted.subject_id),
    ):
        if value:
            query = query.where(column == value)
    rows, following = read_page(session, query, AuditEntry.id, wanted)
    return AuditPage(items=[AuditItem.model_validate(each) for each in rows], next=following)


def name_actors(session: Session, entries: Collection[AuditItem], *, full: bool) -> dict[UUID, str]:
    """Return the addresses of those who acted and have an account, by id; shortened unless `full`."""
    ids = {each.actor_id for each in entries if each.actor_id}
    rows = session.execute(sa.select(User.id, User.email).where(User.id.in_(ids)))
    return {user_id: email if full else shorten_email(email) for user_id, email in rows}


def list_settings() -> SettingList:
    """Return all settings of this process without secrets."""
    current = settings()
    names = sorted(type(current).model_fields)
    return SettingList(items=[_build_setting(name, getattr(current, name)) for name in names])


def _build_setting(name: str, value: Any) -> SettingEntry:
    secret = "SecretStr" in str(type(settings()).model_fields[name].annotation) or _holds_secret(value)
    is_set = value not in (None, (), {})
    shown = str(mask_entry(name, str(value))) if is_set and not secret else None
    return SettingEntry(name=name.upper(), value=shown, is_set=is_set, is_secret=secret)


def _holds_secret(value: Any) -> bool:
    """Return whether a value is or contains a secret; a proxy contains its password."""
    if isinstance(value, tuple | list):
        return any(_holds_secret(each) for each in value)
    fields = getattr(value, "__dataclass_fields__", ())
    return isinstance(value, SecretStr) or any(_holds_secret(getattr(value, each)) for each in fields)


def read_status(report_health: Callable[[], dict[str, PartFinding]]) -> StatusReport:
    """Return the status of everything; each part is asked for itself, and one that is down hides no other."""
    parts = read_parts(report_health)
    down = find_trouble(parts)
    return StatusReport(
        at=clock(),
        environment=settings().app_env,
        works=not down,
        down=down,
        parts=to_plain(parts, to_camel),
    )
