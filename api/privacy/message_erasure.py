"""Erasure of texts and addresses of messages; a job that is killed half-way goes on where it was.

Messages lose their addresses and texts after MESSAGES_KEPT_FOR; their times and figures stay. Texts of desks whose
names reveal health go with the consent, also those that were on their way when it ended. Mails to addresses that no
account has, or none any more, lose them once they have ended.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.health_texts import erase_health_texts
from api.models.alert import Alert
from api.models.base import first_id_at, is_any_of, session, write_once
from api.models.job import JobState
from api.models.notification import FORGOTTEN, Notification, State
from api.privacy.retention_batches import BATCH
from configs.ground.clock import clock
from configs.world.retention import messages_kept_for

JOB = "apply_retention"
KEPT_SECONDS = "kept_seconds"  # among the counts of a run: MESSAGES_KEPT_FOR as it was
_LATELY = timedelta(days=2)  # two runs
_AGAIN = timedelta(days=7)  # of what the last run saw: messages that were still on their way then
_OPEN = (State.PENDING, State.SENDING)
# An address in place of a user is emptied, not NULL: each row must have an address or a user.
_ERASED: dict[str, Any] = {
    "params": {},
    "title": None,
    "text": None,
    "provider_id": None,
    "address": sa.case((Notification.address.is_not(None), "")),
}
_REPLAYED_FOR = timedelta(days=7)  # in which an operator may send once more what failed


def erase_messages() -> dict[str, int]:
    """Erase the texts of old messages; return how many rows were read, and the time that they are kept.

    Ids are UUIDv7: the rows lie in the primary key in the order of their time. A run begins a week before the end
    of the last one that was completed, and so does one that follows a killed one. Where MESSAGES_KEPT_FOR was longer
    then, it begins where that one ended; where a run did not note it, with the first message.
    """
    _erase_without_consent()
    kept_for = messages_kept_for()
    last_id, end = _find_begin(), first_id_at(clock() - kept_for)
    read = 0
    while True:
        ids = write_once(_erase_batch, last_id, end)
        read += len(ids)
        if len(ids) < BATCH:
            return {"read": read, KEPT_SECONDS: round(kept_for.total_seconds())}
        last_id = ids[-1]


def _erase_without_consent() -> None:
    since = clock() - _LATELY
    ended = sa.and_(Alert.closed_at > since, Alert.consented_at.is_not(None))
    edited = Alert.updated_at > since  # an edit that ends a consent leaves no trace of it on the alert
    users = sa.select(Alert.user_id, sa.func.bool_or(sa.func.coalesce(ended, False))).where(
        sa.or_(ended, edited)
    )
    with session() as s:
        found = s.execute(users.group_by(Alert.user_id)).all()
    for user_id, has_ended in found:
        with session() as s:
            if has_ended:
                erase_health_texts(s, user_id)
            else:
                erase_health_texts(s, user_id, kinds=())


def _find_begin() -> UUID:
    """Return the id after which messages may have their texts."""
    done = sa.select(JobState.done_for, JobState.counts).where(JobState.name == JOB)
    with session() as s:
        found = s.execute(done).one_or_none()
    seconds = (found.counts or {}).get(KEPT_SECONDS) if found else None
    if found is None or found.done_for is None or seconds is None:
        return UUID(int=0)
    kept_for = max(timedelta(seconds=seconds), messages_kept_for())
    return first_id_at(found.done_for - kept_for - _AGAIN)


def _erase_batch(s: Session, after: UUID, end: UUID) -> list[UUID]:
    ordered = sa.select(Notification.id).order_by(Notification.id).limit(BATCH)
    ids = list(s.scalars(ordered.where(Notification.id > after, Notification.id < end)))
    has_text = sa.or_(
        Notification.params != {},
        Notification.text.is_not(None),
        Notification.address != "",
        Notification.provider_id.is_not(None),
    )
    old = (is_any_of(Notification.id, ids), Notification.state.not_in(_OPEN), has_text)
    s.execute(
        sa.update(Notification).where(*old).values(_ERASED),
        execution_options={"synchronize_session": False},
    )
    return ids


def erase_addresses(session: Session) -> int:
    """Take address and words from the last mails of accounts, and from those about declarations; return how many."""
    n = Notification
    ended = sa.or_(
        n.state.not_in((State.PENDING, State.SENDING, State.FAILED)),
        sa.and_(n.state == State.FAILED, n.failed_at < clock() - _REPLAYED_FOR),
    )
    owed = sa.or_(n.kind == "account_deleted", n.params.has_key("declaration"))
    mine = sa.update(n).where(n.user_id.is_(None), n.address != FORGOTTEN, owed, ended)
    erased = session.execute(
        mine.values(address=FORGOTTEN, params={}).returning(n.id),
        execution_options={"synchronize_session": False},
    )
    return len(erased.all())
