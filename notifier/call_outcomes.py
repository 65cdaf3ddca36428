"""Effects of Twilio's reports of a call: another attempt, an SMS after an answering machine, or none.

A call that a person answered is `delivered`, any other `bounced`. Both are followed by another attempt until the called
person presses the key.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from api.models.notification import Notification, State
from api.models.provider_event import ProviderEvent
from api.models.user import Channel
from notifier.call_series import call_again, end_series, write_missed
from notifier.message_kinds import SLOT_CALL
from notifier.receipts.twilio_calls import MACHINE

_UNHEARD = "nothing was said"  # Twilio could not ask us what to say


def apply_key(opened: Session, row: Notification, now: datetime) -> None:
    """Apply that the called person pressed the key: no further call."""
    if row.kind == SLOT_CALL:
        end_series(opened, row, now)


def apply_end(opened: Session, event: ProviderEvent, row: Notification, now: datetime) -> None:
    """Apply that an answered call is over."""
    if row.kind != SLOT_CALL or row.state is State.BOUNCED:
        return
    if row.state is not State.DELIVERED:
        row.state, row.reason, row.failed_at = State.BOUNCED, f"{event.provider} {_UNHEARD}", event.at
    call_again(opened, row, event.at, now)


def follow_missed_call(opened: Session, event: ProviderEvent, row: Notification, now: datetime) -> None:
    """Write what follows a call that no person answered."""
    if row.kind != SLOT_CALL:
        return
    if event.code == MACHINE:
        write_missed(opened, row, now)
    else:  # Twilio charges nothing
        row.cost = Decimal(0)
    call_again(opened, row, event.at, now)


def follow_unreported_calls(opened: Session, rows: Iterable[Notification], now: datetime) -> None:
    """Write what follows calls whose end was not reported in time."""
    for row in rows:
        if row.channel is Channel.VOICE and row.kind == SLOT_CALL:
            call_again(opened, row, row.accepted_at or now, now)
