"""Application of stored receipts: what they change in notifications and contacts.

A receipt may come before the answer to the call that it is about, twice, late, and in any order. So states have an
order that only rises (sent, no_receipt, delivered, bounced), and a receipt changes a notification where it is about
the attempt that was accepted, or about one of unknown fate.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from rq.timeouts import JobTimeoutException
from sqlalchemy.orm import Session, object_session

from api.models.notification import FORGOTTEN, OUTLIVES, Notification, State
from api.models.provider_event import ProviderEvent, ReceiptKind
from api.models.user import Channel, ContactState
from configs.database_errors import passes
from notifier import call_outcomes
from notifier.contact_loss import change_state, lock_contacts
from notifier.fallback import tell_elsewhere
from notifier.match_log import find_detection, log_each, log_when_committed
from notifier.message_kinds import forgetful_kinds
from notifier.provider_base import PROVIDER_TIMEOUT_SECONDS
from notifier.receipt_locks import find_message_ids, lock_due_events, lock_notifications, lock_overdue
from notifier.sms_budget import price_settled

_WAIT_AFTER_ERROR = timedelta(hours=1)
_WAIT = timedelta(seconds=1)  # for the answer to a call that is under way
_ANSWER_MARGIN_SECONDS = 5.0  # beyond the longest wait for an answer, in which it is written
_ACCEPTED = (State.SENT, State.NO_RECEIPT, State.DELIVERED, State.BOUNCED)
_UNSETTLED = (State.PENDING, State.SENDING, State.FAILED, State.EXPIRED, State.SKIPPED)
_ARRIVED = (ReceiptKind.DELIVERED, ReceiptKind.COMPLAINED, ReceiptKind.KEY)
_CONTACT_STATES = {
    ReceiptKind.BOUNCED: ContactState.BOUNCED,
    ReceiptKind.COMPLAINED: ContactState.UNSUBSCRIBED,
    ReceiptKind.STOPPED: ContactState.UNSUBSCRIBED,
}

log = structlog.get_logger(__name__)


def apply_due(
    opened: Session, now: datetime, *, one_by_one: bool = False, except_delivered: bool = False
) -> int:
    """Apply the receipts that wait, at most AT_ONCE; return how many were read.

    `except_delivered` leaves out those that say so. One by one, those that raise an error wait for _WAIT_AFTER_ERROR.
    """
    events = lock_due_events(opened, now, except_delivered=except_delivered)
    ids = find_message_ids(opened, events)
    rows, busy = lock_notifications(opened, {key for mine in ids.values() for key in mine})
    may_change = {each.contact_id for each in events if each.contact_id and each.kind in _CONTACT_STATES}
    lock_contacts(opened, may_change)
    changed: set[tuple[UUID, ContactState]] = set()
    for event in events:
        mine = [rows[key] for key in ids[event.id] if key in rows]
        if busy.intersection(ids[event.id]) or any(_is_under_way(row, event, now) for row in mine):
            event.next_attempt_at = now + _WAIT
        elif not one_by_one:
            _apply(opened, event, mine, now, changed)
        elif not _try_alone(opened, event, mine, now):
            event.next_attempt_at = now + _WAIT_AFTER_ERROR
    return len(events)


def _try_alone(opened: Session, event: ProviderEvent, rows: Sequence[Notification], now: datetime) -> bool:
    """Apply a receipt in a savepoint; return whether that was possible."""
    try:
        with opened.begin_nested():
            _apply(opened, event, rows, now, set())
    except Exception as error:
        if passes(error) or isinstance(error, JobTimeoutException):
            raise
        log.exception("a receipt cannot be applied", receipt=str(event.id))
        return False
    return True


def _apply(
    opened: Session,
    event: ProviderEvent,
    rows: Sequence[Notification],
    now: datetime,
    changed: set[tuple[UUID, ContactState]],
) -> None:
    for row in rows:
        _apply_to_message(opened, event, row, now)
    _apply_to_contact(opened, event, changed)
    event.applied_at, event.next_attempt_at = now, None


def _is_under_way(row: Notification, event: ProviderEvent, now: datetime) -> bool:
    """Whether the answer to a call may still be written; after its longest wait the worker is dead.

    While the database is away an answer is written later. A failure waits for it, as only the answer says whether the
    accepted attempt failed. A message that arrived is not sent again meanwhile.
    """
    longest = timedelta(seconds=PROVIDER_TIMEOUT_SECONDS() + _ANSWER_MARGIN_SECONDS)
    # A time far ahead comes from a clock that was.
    may_come = event.kind not in _ARRIVED or abs(now - event.received_at) < longest
    return row.state is State.SENDING and may_come


def _apply_to_message(opened: Session, event: ProviderEvent, row: Notification, now: datetime) -> None:
    if event.kind is ReceiptKind.KEY:  # in any copy of the call
        call_outcomes.apply_key(opened, row, now)
    if row.state in _ACCEPTED:
        is_own = row.provider == event.provider and row.provider_id == event.message_id
        if not is_own or row.provider_id is None:
            return  # of another attempt
    elif _is_unsettled(row) and _settles(row, event):
        _settle(row, event)
    else:
        return
    if event.kind is ReceiptKind.ENDED:
        call_outcomes.apply_end(opened, event, row, now)
    elif event.kind in _ARRIVED:
        _deliver(row, event)
    else:
        _bounce(opened, row, event, now)


def _is_unsettled(row: Notification) -> bool:
    """Whether a provider may have accepted it without our knowing."""
    died = row.state is State.SENDING
    return row.state in _UNSETTLED and (died or row.unknown_attempts > 0)


def _settles(row: Notification, event: ProviderEvent) -> bool:
    """Whether a receipt says what became of a message of unknown fate.

    A failure speaks of one copy, and another may arrive. Calls are made one after the other: theirs ends the attempt.
    """
    return event.kind in _ARRIVED or row.channel is Channel.VOICE


def _settle(row: Notification, event: ProviderEvent) -> None:
    """Note that the provider had accepted it. A call counts once: accepted, and no more as one that may have rung."""
    if row.channel is Channel.VOICE and row.state is not State.SENDING:
        row.unknown_attempts -= 1
    row.state = State.SENT
    row.provider, row.provider_id = event.provider, event.message_id
    row.accepted_at = max(event.at, row.created_at)
    row.lease_token = row.lease_until = None
    row.failed_at = None
    if row.address is not None and (row.kind in forgetful_kinds() or OUTLIVES in row.params):
        row.address, row.params = FORGOTTEN, {}  # its account is deleted, and it has left
    row.cost = price_settled(row)


def _deliver(row: Notification, event: ProviderEvent) -> None:
    # Some providers name whole seconds only: a message is not delivered before it was accepted.
    at = max(event.at, row.accepted_at or event.at)
    row.delivered_at = min(row.delivered_at or at, at)
    if row.state is not State.BOUNCED:
        if row.state is not State.DELIVERED:
            _log(row, "delivered")
        row.state, row.reason = State.DELIVERED, None


def _log(row: Notification, event: str, reason: str | None = None) -> None:
    if opened := object_session(row):
        fields: dict[str, Any] = _name(row) | ({"reason": reason} if reason else {})
        log_when_committed(opened, event, notification=str(row.id), **fields)


def _name(row: Notification) -> dict[str, str]:
    named = {"channel": row.channel.value, "provider": row.provider or ""}
    return named | find_detection(row.params)


def _bounce(opened: Session, row: Notification, event: ProviderEvent, now: datetime) -> None:
    if row.state is State.BOUNCED:
        return
    row.state = State.BOUNCED
    row.reason = f"{event.provider} {event.code or event.kind.value}"
    row.failed_at = event.at
    _log(row, "bounced", reason=row.reason)
    tell_elsewhere(opened, [row], now)
    call_outcomes.follow_missed_call(opened, event, row, now)


def _apply_to_contact(opened: Session, event: ProviderEvent, changed: set[tuple[UUID, ContactState]]) -> None:
    """Change the contact's state; `changed` are those of this transaction, of a thousand bounces all but one."""
    state = _CONTACT_STATES.get(event.kind)
    if state and event.contact_id and (event.contact_id, state) not in changed:
        changed.add((event.contact_id, state))
        change_state(opened, event.contact_id, state)


def expire_receipts(opened: Session, now: datetime) -> Sequence[UUID]:
    """Mark what was accepted and not confirmed in time, at most AT_ONCE; have SMS told elsewhere; return the ids."""
    rows = lock_overdue(opened, now)
    for row in rows:
        row.state = State.NO_RECEIPT
    log_each(opened, "no receipt in time", [(row.id, _name(row)) for row in rows], level=logging.WARNING)
    tell_elsewhere(opened, rows, now)
    call_outcomes.follow_unreported_calls(opened, rows, now)
    return [row.id for row in rows]
