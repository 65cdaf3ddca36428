"""Batches of 5,000 old rows or texts that are erased: a job that is killed half-way goes on where it was."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import InstrumentedAttribute

from api.alerts.health_consent import erase_health_texts
from api.models.alert import Alert
from api.models.base import first_id_at, is_any_of, session, write_once
from api.models.candidate import Candidate
from api.models.declaration import Declaration
from api.models.job import JobState
from api.models.notification import FORGOTTEN, Notification, State
from api.models.payment import Payment
from configs.ground.clock import clock
from configs.world.retention import messages_kept_for, slots_kept_for

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
BATCH = 5_000
# Nobody can claim anything from a declaration any more by then: article 2224 of the Code civil.
_WORDS_KEPT_FOR = timedelta(days=5 * 365 + 2)
_WISHES_KEPT_FOR = timedelta(days=30)  # an order is paid, by a bank debit too, within days or never
_GIVERS_KEPT_FOR = timedelta(days=365)  # by then they were told what became of it, or nothing will
_WORDS = {"name": None, "email": None, "reference": None}
# Gone slots are found by desk: that is the order of their index.
_DROP_SLOTS = sa.text("""DELETE FROM slots WHERE id = ANY(ARRAY(
  SELECT old.id FROM desks d CROSS JOIN LATERAL (
    SELECT s.id FROM slots s WHERE s.desk_id = d.id AND s.gone_at IS NOT NULL AND s.gone_at < :before
    ORDER BY s.gone_at LIMIT :most
  ) old LIMIT :most
)) RETURNING id
""")


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


def change_in_batches(
    change: sa.Delete | sa.Update, key: InstrumentedAttribute[Any], *conditions: sa.ColumnElement[bool]
) -> int:
    """Delete or change the rows of a primary key's table that meet the conditions; return how many.

    The rows are found first and changed by their keys: of `IN (SELECT …)` PostgreSQL may read the whole table. What no
    longer meets the conditions by then, as an account that was confirmed meanwhile, stays.
    """

    def step(s: Session) -> tuple[int, int]:
        keys = list(s.scalars(sa.select(key).where(*conditions).limit(BATCH)))
        is_old = key == sa.any_(sa.literal(keys, ARRAY(key.type)))
        unread = {"synchronize_session": False}
        done = s.execute(change.where(is_old, *conditions), execution_options=unread)
        return len(keys), cast("sa.CursorResult[Any]", done).rowcount

    return _repeat(step)


def erase_declarations() -> int:
    """Erase name, address and reference of declarations after five years; return how many.

    Their age is `made_at`: the id of a form's declaration is made of its words, and says nothing about its time.
    """
    has_words = sa.func.num_nonnulls(Declaration.name, Declaration.email, Declaration.reference) > 0
    erased, is_old = sa.update(Declaration).values(_WORDS), Declaration.made_at < clock() - _WORDS_KEPT_FOR
    return change_in_batches(erased, Declaration.id, is_old, has_words)


def forget_wishes() -> int:
    """Empty the alerts of orders that were not paid within a month, and never will be; return how many."""
    old = (Payment.alert_wish.is_not(None), Payment.created_at < clock() - _WISHES_KEPT_FOR)
    return change_in_batches(sa.update(Payment).values(alert_wish=sa.null()), Payment.id, *old)


def forget_givers() -> int:
    """Forget who gave a candidate a year ago; return how many."""
    old = (Candidate.user_id.is_not(None), Candidate.given_at < clock() - _GIVERS_KEPT_FOR)
    return change_in_batches(sa.update(Candidate).values(user_id=None), Candidate.id, *old)


def drop_gone_slots() -> int:
    """Delete slots that are gone for SLOTS_KEPT_FOR; return how many. Their matches keep the ids."""
    before = clock() - slots_kept_for()

    def drop(s: Session) -> tuple[int, int]:
        gone = len(s.scalars(_DROP_SLOTS, {"before": before, "most": BATCH}).all())
        return gone, gone

    return _repeat(drop)


def _repeat(step: Callable[[Session], tuple[int, int]]) -> int:
    """Do a step, which returns how many rows it found and changed, in transactions until one finds no whole batch."""
    changed, is_full = 0, True
    while is_full:
        found, done = write_once(step)
        changed += done
        is_full = found == BATCH
    return changed
