"""Application of stored receipts: what they change in notifications and contacts, in any order in which they come.

docs/reference/delivery.md has the rules, and those of the brake on answers that would end many contacts at once.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from rq.timeouts import JobTimeoutException
from sqlalchemy.orm import Session, aliased

from api.models.base import first_id_at, is_any_of, new_id, session
from api.models.notification import PAID_CHANNELS, Notification, State, is_told
from api.models.provider_event import BOUNCE_WAIT, ProviderEvent, ReceiptKind, is_held
from api.models.user import Channel, Contact, ContactState, User
from configs.ground.database_errors import is_away, passes
from notifier.channels.batch_sender import breaker_of
from notifier.channels.fates import ACCEPTED, COPIES, FINAL
from notifier.channels.provider_base import price_settled, provider_timeout_seconds
from notifier.channels.providers.twilio import FAILURES, MACHINE
from notifier.content.message_kind_base import CALL, CALL_MISSED, MOST_IDS, SLOT_CALL, SLOT_DETECTED
from notifier.delivery.delivery import find_detection, log_each
from notifier.delivery.message_writer import change_state, insert_rows, lock_contacts
from notifier.delivery.nudges import no_receipt_seconds
from notifier.delivery.retry_policy import call_gap_seconds, retry_max_seconds
from notifier.matching.recipients import recipients
from notifier.message_kinds.slots import LATE_AFTER

AT_ONCE = 500  # receipts that one job applies
MOST_DELIVERED = 1000  # in one transaction; more of them would slow down alerts meanwhile
_WAIT_AFTER_ERROR = timedelta(hours=1)
_WAIT = timedelta(seconds=1)  # for the answer to a call that is under way
_ANSWER_MARGIN_SECONDS = 5.0  # beyond the longest wait for an answer, in which it is written
_ARRIVED = (ReceiptKind.DELIVERED, ReceiptKind.COMPLAINED)
_YES = (ReceiptKind.ACCEPTED, *_ARRIVED)

# A deletion locks messages, then their user: who waits for it here holds nothing, and waits for no message.
_LOCK_USERS = sa.text("""
SELECT FROM users WHERE id IN (
  SELECT k.user_id FROM provider_events e JOIN contacts k ON k.id = e.contact_id WHERE e.id = :id
  UNION SELECT n.user_id FROM provider_events e JOIN notifications n ON n.id = ANY(e.notification_ids) WHERE e.id = :id
) ORDER BY id FOR KEY SHARE
""")

# A receipt of another attempt names another message of the provider's. Rows that something else holds are skipped: it
# may wait for what we hold. Of two receipts for one message the second stays, and is read like any other.
_APPLY_DELIVERED = sa.text("""
WITH due AS (
  SELECT id, provider, message_id, notification_ids[1] AS notification_id, at FROM provider_events
  WHERE next_attempt_at <= :now AND kind = 'delivered' AND cardinality(notification_ids) = 1
  ORDER BY next_attempt_at LIMIT :most FOR UPDATE SKIP LOCKED
),
accepted AS (
  SELECT n.id, due.id AS event_id, greatest(due.at, n.accepted_at) AS at
  FROM due JOIN notifications n ON n.id = due.notification_id
  WHERE n.state = 'sent' AND n.provider = due.provider AND n.provider_id = due.message_id
  ORDER BY n.id FOR NO KEY UPDATE OF n SKIP LOCKED
),
delivered AS (
  UPDATE notifications n SET state = 'delivered', reason = NULL, delivered_at = accepted.at
  FROM accepted WHERE n.id = accepted.id
  RETURNING accepted.event_id, n.id, n.channel, n.provider, n.params
)
UPDATE provider_events e SET applied_at = :now, next_attempt_at = NULL
FROM delivered WHERE e.id = delivered.event_id
RETURNING delivered.id, delivered.channel, delivered.provider, delivered.params
""")
_HELD_FOR, _DAY, _HOUR = timedelta(days=7), timedelta(days=1), timedelta(hours=1)
# Contacts that the answers of one provider may end within an hour: so many, or that share of those it was asked for
_MOST, _MOST_SHARE = 5, 0.02
_STATES = {
    ReceiptKind.BOUNCED: ContactState.BOUNCED,
    ReceiptKind.COMPLAINED: ContactState.UNSUBSCRIBED,
    ReceiptKind.STOPPED: ContactState.UNSUBSCRIBED,
}
# Contacts that would become `bounced`, or did lately by no operator's word, and when the message answered so had left
_LOST = """
SELECT e.contact_id, coalesce(n.accepted_at, e.at) AS left_at FROM provider_events e
JOIN contacts k ON k.id = e.contact_id AND k.verified_at <= e.received_at
LEFT JOIN notifications n ON n.id = ANY(e.notification_ids)
WHERE e.provider = :provider AND e.kind = 'bounced' AND e.held_at IS NULL
  AND (k.state = 'ok' AND e.next_attempt_at IS NOT NULL OR k.state = 'bounced' AND e.received_at > :lately)
"""
_COUNT_LOST = sa.text(f"SELECT count(DISTINCT contact_id), min(left_at) FROM ({_LOST}) lost")  # noqa: S608 -- our own words
_COUNT_ASKED = sa.text(f"""
SELECT count(*) FROM (
  SELECT contact_id FROM ({_LOST}) lost UNION
  SELECT n.contact_id FROM notifications n JOIN contacts k ON k.id = n.contact_id AND k.verified_at IS NOT NULL
  WHERE n.id >= :first AND n.provider = :provider AND n.accepted_at >= :since
) asked
""")  # noqa: S608 -- our own words

# The last contacts that a provider's answers ended, or would, each with its newest answer
_IN_A_ROW = 5
_LAST_LOST = sa.text("""
SELECT DISTINCT ON (e.contact_id) e.id, e.received_at FROM provider_events e
JOIN contacts k ON k.id = e.contact_id AND k.verified_at <= e.received_at AND k.state IN ('ok', 'bounced')
WHERE e.provider = :provider AND e.kind = 'bounced' AND e.held_at IS NULL
ORDER BY e.contact_id, e.received_at DESC
""")
# Of what has a receipt, the provider's yes is that it arrived
_IS_YES = sa.text("""
SELECT EXISTS (SELECT FROM notifications WHERE id >= :first AND provider = :provider
  AND CASE WHEN receipt_due_at IS NULL THEN accepted_at ELSE delivered_at END >= :since)
""")

log = structlog.get_logger(__name__)
_ORDER = (Channel.TELEGRAM, Channel.EMAIL)


def apply_delivered(opened: Session, now: datetime) -> int:
    """Mark accepted messages as delivered whose receipts wait, at most MOST_DELIVERED; return how many were.

    It holds messages, and never waits for their users. All else is left to `apply_due_receipts`.
    """
    applied = opened.execute(_APPLY_DELIVERED, {"now": now, "most": MOST_DELIVERED}).all()
    log_each("delivered", [(row.id, _name(row)) for row in applied], after=opened)
    return len(applied)


def apply_due_receipts(now: datetime, *, except_delivered: bool = False) -> None:
    """Apply the receipts that wait, at most AT_ONCE, each in a transaction of its own.

    `except_delivered` leaves out those that say so.
    """
    event = ProviderEvent
    due = sa.select(event.id).where(event.next_attempt_at <= now)
    if except_delivered:
        due = due.where(event.kind != ReceiptKind.DELIVERED)
    with session() as opened:
        ids = opened.scalars(due.order_by(event.next_attempt_at).limit(AT_ONCE)).all()
    for key in ids:
        _apply_alone(key, now)


def _apply_alone(key: UUID, now: datetime) -> None:
    """Apply a receipt; one that meets others, or raises an error, is tried later and holds up no other."""
    try:
        with session() as opened:
            _apply(opened, key, now)
    except JobTimeoutException:
        raise
    except Exception as error:
        if is_away(error):
            raise
        # The boundary: whatever a receipt raises is that receipt's alone.
        met_others = passes(error)
        wait = _WAIT if met_others else _WAIT_AFTER_ERROR
        if not met_others:
            log.exception("a receipt cannot be applied", receipt=str(key))
        with session() as opened:
            mine = opened.get(ProviderEvent, key)
            if mine and mine.next_attempt_at:
                mine.next_attempt_at = now + wait


def _apply(opened: Session, key: UUID, now: datetime) -> None:
    opened.execute(_LOCK_USERS, {"id": key})
    event = opened.get(ProviderEvent, key, with_for_update={"skip_locked": True})
    if event is None or event.next_attempt_at is None or event.next_attempt_at > now:
        return  # another job has it, or had; or it was put off with another one
    rows = _lock_messages(opened, event)
    if any(_is_under_way(row, event, now) for row in rows):
        event.next_attempt_at = now + _WAIT
        return
    for row in rows if not _has_failed(opened, event) else ():
        end = settle(row, event)
        if end is State.DELIVERED:
            _deliver(opened, row, event)
        elif end is State.BOUNCED:
            _bounce(opened, row, event, now)
    event.next_attempt_at = _apply_to_contact(opened, event, now)
    event.applied_at = None if event.next_attempt_at else now


def _has_failed(opened: Session, event: ProviderEvent) -> bool:
    """Whether a failure of the same copy came before the word that it was accepted, which then settles nothing."""
    if event.kind is not ReceiptKind.ACCEPTED or not event.message_id:
        return False
    same = ProviderEvent.event_id.in_([f"{event.message_id}:{each.value}" for each in FAILURES])
    return bool(opened.scalar(sa.select(sa.exists().where(ProviderEvent.provider == event.provider, same))))


def _lock_messages(opened: Session, event: ProviderEvent) -> Sequence[Notification]:
    """Lock the notifications that a receipt is about; an error where something else holds one of them.

    A receipt names MOST_IDS of a message at most: the others have the provider's id of it, and its contact.
    """
    row, ids = Notification, event.notification_ids
    mine = is_any_of(row.id, ids)
    if len(ids) >= MOST_IDS:
        named = aliased(Notification)
        same = (
            getattr(row, name) == getattr(named, name) for name in ("provider", "provider_id", "contact_id")
        )
        mine = sa.or_(
            mine, row.id.in_(sa.select(row.id).join(named, sa.and_(*same)).where(named.id == ids[0]))
        )
    locked = sa.select(row).where(mine).order_by(row.id).with_for_update(key_share=True, nowait=True)
    return opened.scalars(locked).all()


def _is_under_way(row: Notification, event: ProviderEvent, now: datetime) -> bool:
    """Whether the answer to a call may still be written; after its longest wait the worker is dead.

    While the database is away an answer is written later. A failure waits for it, as only the answer says whether the
    accepted attempt failed. A message that arrived is not sent again meanwhile.
    """
    longest = timedelta(seconds=provider_timeout_seconds() + _ANSWER_MARGIN_SECONDS)
    # A time far ahead comes from a clock that was.
    may_come = event.kind not in _YES or abs(now - event.received_at) < longest
    return row.state is State.SENDING and may_come


def settle(row: Notification, event: ProviderEvent) -> State | None:
    """Note in a row what a receipt says of its acceptance; return the end that it tells, None where it tells none."""
    is_own = bool(row.provider_id) and (row.provider, row.provider_id) == (event.provider, event.message_id)
    is_accepted, has_arrived = row.state in ACCEPTED, event.kind in _ARRIVED
    if event.kind in _YES:
        if row.state in FINAL and not is_own:
            return None
        if row.state not in FINAL and (has_arrived or not is_accepted):
            _accept(row, event, is_own=is_own)
        return State.DELIVERED if has_arrived else None
    if not is_accepted and not is_own and row.channel is Channel.VOICE and row.unknown_attempts:
        _accept(row, event)  # calls are made one after the other: theirs ends the attempt
        return State.BOUNCED
    return State.BOUNCED if is_accepted and is_own else None  # another copy may arrive


def _accept(row: Notification, event: ProviderEvent, *, is_own: bool = False) -> None:
    """Note that the provider had accepted a copy, which was counted as of unknown fate where it is not the row's own.

    Where another copy was accepted, too, it stays so: a row has one acceptance, and each copy is to be counted.
    """
    if not is_own:
        if row.state is not State.SENDING and row.accepted_at is None:
            row.unknown_attempts = max(0, row.unknown_attempts - 1)
        row.provider, row.provider_id = event.provider, event.message_id
        row.accepted_at = max(event.at, row.created_at)
        row.receipt_due_at = event.received_at + timedelta(seconds=no_receipt_seconds())
        if price := price_settled(row):
            row.cost = (row.cost or 0) + price
    row.state, row.reason, row.failed_at = State.SENT, None, None
    row.lease_token = row.lease_until = None


def _deliver(opened: Session, row: Notification, event: ProviderEvent) -> None:
    # Some providers name whole seconds only: a message is not delivered before it was accepted.
    at = max(event.at, row.accepted_at or event.at)
    row.delivered_at = min(row.delivered_at or at, at)
    if row.state is not State.BOUNCED:
        if row.state is not State.DELIVERED:
            log_each("delivered", [(row.id, _name(row))], after=opened)
        row.state, row.reason = State.DELIVERED, None


def _name(row: Any) -> dict[str, str]:
    return {"channel": str(row.channel), "provider": row.provider or "", **find_detection(row.params)}


def _bounce(opened: Session, row: Notification, event: ProviderEvent, now: datetime) -> None:
    if row.state is State.BOUNCED:
        return
    row.state = State.BOUNCED
    row.reason = f"{event.provider} {event.code or event.kind.value}"
    row.failed_at = event.at
    log_each("bounced", [(row.id, _name(row) | {"reason": row.reason})], after=opened)
    tell_elsewhere(opened, [row], now)
    if row.channel is Channel.VOICE and event.code != MACHINE:  # Twilio charges nothing
        row.cost = max(Decimal(0), (row.cost or Decimal(0)) - (price_settled(row) or Decimal(0)))
    _call_again(row, event.at, now)


def expire_receipts(now: datetime) -> None:
    """Mark what was accepted and not confirmed in time, at most AT_ONCE; have SMS told elsewhere, and calls by SMS."""
    row = Notification
    overdue = row.state == State.SENT, row.receipt_due_at <= now
    few = sa.select(row.id, row.channel).where(*overdue).order_by(row.receipt_due_at).limit(AT_ONCE)
    with session() as opened:
        found = opened.execute(few).all()
        plain = [key for key, channel in found if channel not in PAID_CHANNELS]
        locked = sa.select(row).where(is_any_of(row.id, plain), *overdue).order_by(row.id)
        if plain:
            _expire(opened, opened.scalars(locked.with_for_update(key_share=True, skip_locked=True)).all())
    for key, channel in found:
        if channel in PAID_CHANNELS:
            with session() as opened:
                _expire_paid(opened, key, now)
    # Calls and SMS of which all copies that there may be ended lately without our knowing; their users are locked.
    lately = row.state == State.FAILED, row.failed_at > now - LATE_AFTER, row.channel.in_(PAID_CHANNELS)
    kinds = row.kind.in_((SLOT_CALL, SLOT_DETECTED))
    unsure = sa.select(row).join(User).where(*lately, kinds, row.unknown_attempts > 0)
    with session() as opened:
        locked = unsure.with_for_update(of=User, read=True, key_share=True, skip_locked=True)
        tell_elsewhere(opened, opened.scalars(locked).all(), now)
    _tell_what_floods_hold(now)


def _tell_what_floods_hold(now: datetime) -> None:
    """Tell elsewhere, once, the slot alerts by SMS whose provider asked for a wait that an opening may not outlive."""
    if breaker_of("twilio", alternatives=False).read_wait() <= retry_max_seconds():
        return
    row, copy = Notification, aliased(Notification)
    held = (
        row.state == State.PENDING,
        row.channel == Channel.SMS,
        row.kind == SLOT_DETECTED,
        row.held_for.is_(None),
    )
    copied = sa.exists().where(copy.dedupe_key == sa.func.concat("fallback:", row.id))
    with session() as opened:
        found = sa.select(row).join(User).where(*held, ~copied).order_by(row.id).limit(AT_ONCE)
        locked = found.with_for_update(of=User, read=True, key_share=True, skip_locked=True)
        tell_elsewhere(opened, opened.scalars(locked).all(), now)


def _expire(opened: Session, rows: Sequence[Notification]) -> None:
    for row in rows:
        row.state = State.NO_RECEIPT
    log_each(
        "no receipt in time", [(row.id, _name(row)) for row in rows], level=logging.WARNING, after=opened
    )


def _expire_paid(opened: Session, key: UUID, now: datetime) -> None:
    """Mark an SMS or a call; write what follows it. Its user is locked before it, as by a deletion."""
    user = sa.select(Notification.user_id).where(Notification.id == key).scalar_subquery()
    opened.execute(sa.select(User.id).where(User.id == user).with_for_update(read=True, key_share=True))
    row = opened.get(Notification, key, with_for_update={"key_share": True, "skip_locked": True})
    if row and row.state is State.SENT:
        _expire(opened, [row])
        tell_elsewhere(opened, [row], now)
        _call_again(row, row.accepted_at or now, now)


def tell_elsewhere(opened: Session, rows: Iterable[Notification], now: datetime) -> None:
    """Write for each slot alert by SMS a message on another channel of its user, for each call an SMS; each once.

    Nothing is written where another channel told the same matches as an SMS, or where the user and the plan have none.
    The SMS after a call has no `seen_at`: it is no slot alert, whose delay counts.
    """
    other = aliased(Notification)
    for row in rows:
        if row.kind == SLOT_DETECTED and row.channel is Channel.SMS and row.user_id:
            found = {each.channel: each.contact_id for each in recipients(opened, [row.user_id], now)}
            channel = next((each for each in _ORDER if each in found), None)
            told = sa.select(other.id).where(
                other.announcement_id == row.announcement_id,
                other.channel != Channel.SMS,
                other.kind == row.kind,
                is_told(other),
            )
            if channel and opened.scalar(told.limit(1)) is None:
                _copy(opened, row, {"contact_id": found[channel], "channel": channel})
        elif row.kind == SLOT_CALL:
            params = row.params | {CALL: str(row.id)}
            sms = {"channel": Channel.SMS, "kind": CALL_MISSED, "params": params, "seen_at": None}
            _copy(opened, row, sms)


def _call_again(row: Notification, ended_at: datetime, now: datetime) -> None:
    """Have a call that no person took made once more, CALL_GAP_SECONDS later: if a slot is open then."""
    at = ended_at + timedelta(seconds=call_gap_seconds())
    is_late = now > at + LATE_AFTER  # its report was
    if row.kind == SLOT_CALL and row.attempts < COPIES[Channel.VOICE] and not is_late:
        row.state, row.next_attempt_at, row.failed_at = State.PENDING, at, None


def _copy(opened: Session, row: Notification, values: dict[str, Any]) -> None:
    """Write a message about the same matches to the same person; once."""
    same = {
        name: getattr(row, name)
        for name in (
            "user_id", "contact_id", "announcement_id", "channel", "kind", "language", "priority", "params", "seen_at",
            "matched_at",
        )
    }  # fmt: skip
    insert_rows(opened, [same | {"id": new_id(), "dedupe_key": f"fallback:{row.id}"} | values])


def _apply_to_contact(opened: Session, event: ProviderEvent, now: datetime) -> datetime | None:
    """Give the contact of a receipt its state; return until when that waits, None where nothing is left to do."""
    state = _STATES.get(event.kind)
    contact = opened.get(Contact, event.contact_id) if event.contact_id else None
    # Receipts may wait: meanwhile its owner may have proved another address.
    if not state or not contact or (contact.verified_at and contact.verified_at > event.received_at):
        return None
    if state is ContactState.BOUNCED and contact.verified_at and event.held_at is None:
        if now < (due := event.received_at + BOUNCE_WAIT):
            return due
        row = _find_losses_in_a_row(opened, event.provider)
        if row or _are_too_many(opened, event.provider, now):
            return _hold(opened, event, row, now)
    # One that is held is due earlier where an operator applied it.
    if event.held_at is None or now < event.held_at + _HELD_FOR:
        change_state(opened, contact.id, state, contact.address)
    return None


def _are_too_many(opened: Session, provider: str, now: datetime) -> bool:
    """Return whether a provider's answers are in doubt: too many contacts would end, or some are held already."""
    asked_of = {"provider": provider, "lately": now - BOUNCE_WAIT - _HOUR}
    number, since = opened.execute(_COUNT_LOST, asked_of).one()
    if number > _MOST:
        # A message leaves within a day after it was written.
        bounds = {"since": since, "first": first_id_at(since - _DAY)}
        if number > _MOST_SHARE * opened.execute(_COUNT_ASKED, asked_of | bounds).scalar_one():
            return True
    # Asked last: what another job held before we counted is seen here.
    held = sa.select(sa.exists().where(is_held(), ProviderEvent.provider == provider))
    return bool(opened.scalar(held))


def _find_losses_in_a_row(opened: Session, provider: str) -> list[UUID]:
    """Return the last answers of a provider where _IN_A_ROW said "gone" of as many contacts, and none yes since."""
    found = opened.execute(_LAST_LOST, {"provider": provider}).all()
    last = sorted(found, key=lambda each: each.received_at)[-_IN_A_ROW:]
    if len(last) < _IN_A_ROW:
        return []
    since = last[0].received_at
    asked = {"provider": provider, "since": since, "first": first_id_at(since - _DAY)}
    return [] if opened.execute(_IS_YES, asked).scalar_one() else [each.id for each in last]


def _hold(opened: Session, event: ProviderEvent, row: Sequence[UUID], now: datetime) -> datetime:
    """Hold a bounce, with those of its provider that wait and that no other job has in hand; return until when.

    Contacts that answers of the same `row` ended are given back, and their answers held with it.
    """
    e, until = ProviderEvent, now + _HELD_FOR
    waits = (
        e.kind == ReceiptKind.BOUNCED,
        e.next_attempt_at == e.received_at + BOUNCE_WAIT,
        e.held_at.is_(None),
    )
    alike = sa.select(e).where(e.provider == event.provider, *waits).with_for_update(skip_locked=True)
    in_a_row = sa.select(e).where(is_any_of(e.id, row)).with_for_update(skip_locked=True)
    for each in {event, *opened.scalars(alike), *opened.scalars(in_a_row)}:
        if each.applied_at and each.contact_id:
            lock_contacts(opened, [each.contact_id])
            ended = Contact.id == each.contact_id, Contact.state == ContactState.BOUNCED
            opened.execute(sa.update(Contact).where(*ended).values(state=ContactState.OK))
        each.held_at, each.next_attempt_at, each.applied_at = now, until, None
    log.warning("bounces held: too many contacts at once, or in a row", provider=event.provider)
    return until
