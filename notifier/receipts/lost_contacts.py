"""Contacts that providers' answers end, and a brake: where many would end at once the cause is ours, not theirs.

A verified contact becomes `bounced` BOUNCE_WAIT after the answer. Where by then too many would, or did within the hour
before, all these answers are held until an operator decides (`flask bounces`), and dropped after a week. What people
did themselves counts at once: STOP, a spam report, a bot that they blocked, a subscription that ended.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.models.base import first_id_at
from api.models.provider_event import BOUNCE_WAIT, ProviderEvent, ReceiptKind, is_held
from api.models.user import Contact, ContactState
from notifier.delivery.message_writer import change_state

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

log = structlog.get_logger(__name__)


def apply_to_contact(opened: Session, event: ProviderEvent, now: datetime) -> datetime | None:
    """Give the contact of a receipt its state; return until when that waits, None where nothing is left to do."""
    state = _STATES.get(event.kind)
    contact = opened.get(Contact, event.contact_id) if event.contact_id else None
    # Receipts may wait: meanwhile its owner may have proved another address.
    if not state or not contact or (contact.verified_at and contact.verified_at > event.received_at):
        return None
    if state is ContactState.BOUNCED and contact.verified_at and event.held_at is None:
        if now < (due := event.received_at + BOUNCE_WAIT):
            return due
        if _are_too_many(opened, event.provider, now):
            return _hold(opened, event, now)
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


def _hold(opened: Session, event: ProviderEvent, now: datetime) -> datetime:
    """Hold a bounce, with those of its provider that wait, too; return until when.

    One that another job has in hand, or whose message is not settled yet, follows when it is due.
    """
    e, until = ProviderEvent, now + _HELD_FOR
    waits = (
        e.kind == ReceiptKind.BOUNCED,
        e.next_attempt_at == e.received_at + BOUNCE_WAIT,
        e.held_at.is_(None),
    )
    alike = sa.select(e).where(e.provider == event.provider, *waits).with_for_update(skip_locked=True)
    for each in {event, *opened.scalars(alike)}:
        each.held_at, each.next_attempt_at = now, until
    log.warning("bounces held: too many contacts at once", provider=event.provider)
    return until
