"""Repairs what a clock that was set ahead has written for the notifier, once it is right again.

Whatever waits is due at once: a wait that was rightly long is only asked for again.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.user import Channel
from configs.constants import Constant
from notifier.delivery.retry_policy import (
    RETRY_MAX_SECONDS,
    SMS_UNKNOWN_RETRY_SECONDS,
    UNKNOWN_RETRY_SECONDS,
    waits_of_copies,
)

# How long a message may be without a receipt of a provider that sends them; an SMS is then told on another channel
NO_RECEIPT_SECONDS = Constant("NO_RECEIPT_SECONDS", 600.0)
# How long one worker owns a notification; longer than the provider's time-out
LEASE_SECONDS = Constant("LEASE_SECONDS", 30.0)
# Longest wait between two nudges
NUDGE_MAX_SECONDS = Constant("NUDGE_MAX_SECONDS", 300.0)

CLOCKS_DIFFER = timedelta(seconds=5)  # between machines that keep their time

_AHEAD = sa.text("""
SELECT EXISTS (
  SELECT FROM notifications WHERE state IN ('pending', 'sending')
    AND (created_at > :limit OR greatest(next_attempt_at, next_nudge_at, lease_until) > CASE
      WHEN state = 'pending' AND held_for IN ('quiet_hours', 'digest') THEN :latest_held ELSE :latest END)
) OR EXISTS (
  SELECT FROM detections WHERE matched_at IS NULL AND (committed_at > :limit OR next_nudge_at > :latest)
) OR EXISTS (
  SELECT FROM provider_events WHERE next_attempt_at > :latest
) OR EXISTS (
  SELECT FROM notifications WHERE state = 'sent' AND receipt_due_at > :receipt_due
)
""")
_LONGEST_HOLD = timedelta(
    days=8
)  # quiet hours, a digest; of news: holidays beside a weekend, night after night
_LONGEST_CAP = timedelta(hours=1)  # that the hourly cap holds a message back
_NOTIFICATIONS = sa.text("""
WITH waits (channel, due_at, leased_until) AS (
  VALUES ('sms', CAST(:now AS timestamptz), CAST(:sms_leased AS timestamptz)),
    ('voice', :call_due, :call_leased), ('', :now, :leased)
)
UPDATE notifications n SET next_attempt_at = least(next_attempt_at, w.due_at),
  lease_until = least(lease_until, w.leased_until),
  next_nudge_at = least(next_nudge_at, CASE state WHEN 'sending' THEN w.leased_until ELSE w.due_at END)
FROM waits w
WHERE state IN ('pending', 'sending') AND w.channel = CASE WHEN n.channel IN ('sms', 'voice') THEN n.channel ELSE '' END
  AND greatest(next_nudge_at, next_attempt_at, lease_until) > :now
""")
_DETECTIONS = sa.text("""
UPDATE detections SET next_nudge_at = :now
WHERE matched_at IS NULL AND greatest(next_nudge_at, committed_at) > :now
""")
_RECEIPTS = sa.text("""
UPDATE provider_events SET next_attempt_at = :now WHERE next_attempt_at > :now
""")
_AWAITED = sa.text("""
UPDATE notifications SET receipt_due_at = :receipt_due WHERE state = 'sent' AND receipt_due_at > :receipt_due
""")


def has_times_ahead(rows: Session, now: datetime) -> bool:
    """Whether something that waits was written in the future, or waits longer than anything does of our own will.

    What a provider asked us to leave alone for longer is asked for again.
    """
    limit = now + CLOCKS_DIFFER
    given = {
        "limit": limit, "latest": limit + _longest_wait(), "latest_held": limit + _LONGEST_HOLD,
        "receipt_due": _receipt_due(limit),
    }  # fmt: skip
    return bool(rows.scalar(_AHEAD, given))


def _receipt_due(now: datetime) -> datetime:
    return now + timedelta(seconds=NO_RECEIPT_SECONDS())


def _longest_wait() -> timedelta:
    waits = (*UNKNOWN_RETRY_SECONDS(), *SMS_UNKNOWN_RETRY_SECONDS(), RETRY_MAX_SECONDS())
    return max(_LONGEST_CAP, timedelta(seconds=max(*waits, NUDGE_MAX_SECONDS()))) + timedelta(
        seconds=LEASE_SECONDS()
    )


def pull_back_times(rows: Session, now: datetime) -> None:
    """Make all pending work due now; a lease keeps its usual length.

    Calls keep their distance: one that was made a moment ago may ring.
    """
    leased = now + timedelta(seconds=LEASE_SECONDS())
    sms_leased = max(leased, now + timedelta(seconds=max(SMS_UNKNOWN_RETRY_SECONDS())))
    call_due = now + timedelta(seconds=waits_of_copies(Channel.VOICE)[0])
    due = {"now": now, "leased": leased, "sms_leased": sms_leased}
    rows.execute(_NOTIFICATIONS, due | {"call_due": call_due, "call_leased": max(leased, call_due)})
    rows.execute(_DETECTIONS, {"now": now})
    rows.execute(_RECEIPTS, {"now": now})
    rows.execute(_AWAITED, {"receipt_due": _receipt_due(now)})
