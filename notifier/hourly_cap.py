"""Hourly cap on slot alerts: a token bucket per contact, kept in the contact's row.

The row holds one instant, when the bucket is full again (the generic cell rate algorithm). Half of the cap may leave
at once; then one message per refill, with everything that waited. Any hour thus has the cap at most. Messages of
other kinds (sign-up, desk not watched) neither wait nor count: a stranger who asks for them could silence alerts.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_of
from api.models.notification import Notification, State
from api.models.user import Channel, Contact
from configs.settings import settings

REASON = "hourly cap"
_HOUR = timedelta(hours=1)
_full_at = Contact.alert_budget_full_at

# Text, because composing this statement took 2 ms of the way from a page to its alert. An instant later than any
# bucket can have comes from a clock that was ahead: the bucket is full.
_TAKING = sa.text("""
UPDATE contacts c
SET alert_budget_full_at = l.refill + CASE
  WHEN c.alert_budget_full_at > :now + l.span + l.refill THEN :now ELSE greatest(c.alert_budget_full_at, :now) END
FROM (
  SELECT id,
    CASE channel WHEN 'email' THEN :email_refill WHEN 'sms' THEN :sms_refill ELSE :telegram_refill END AS refill,
    CASE channel WHEN 'email' THEN :email_span WHEN 'sms' THEN :sms_span ELSE :telegram_span END AS span
  FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE
) l
WHERE c.id = l.id AND (c.alert_budget_full_at IS NULL OR c.alert_budget_full_at <= :now + l.span - l.refill
  OR c.alert_budget_full_at > :now + l.span + l.refill)
RETURNING c.id
""").columns(id=sa.Uuid())


@dataclass(frozen=True, slots=True)
class AlertBudget:
    """What a contact may be sent: `burst` messages at once, and one more per `refill`."""

    burst: int
    refill: timedelta

    @classmethod
    def of(cls, cap: int) -> "AlertBudget":
        """Return the bucket that allows `cap` messages in any hour."""
        burst = max(1, cap // 2)
        return cls(burst, _HOUR / max(1, cap - burst))

    @property
    def span(self) -> timedelta:
        """Return how long an empty bucket takes to fill."""
        return self.burst * self.refill


def bucket_of(channel: Channel) -> AlertBudget:
    """Return the bucket of a channel's contacts; no hour holds more than the channel's cap."""
    now = settings()
    caps = {
        Channel.EMAIL: now.email_per_hour,
        Channel.SMS: now.sms_per_hour,
        Channel.TELEGRAM: now.telegram_per_hour,
    }
    return AlertBudget.of(caps[channel])


def is_used_up(channel: Channel, full_at: datetime | None, now: datetime) -> bool:
    """Whether a contact of a channel has no token, as `take_turns` decides."""
    bucket = bucket_of(channel)
    least, most = now + bucket.span - bucket.refill, now + bucket.span + bucket.refill
    return full_at is not None and least < full_at <= most


def take_turns(session: Session, contact_ids: Collection[UUID], now: datetime) -> set[UUID]:
    """Take a token for one message to each contact; return the contacts that had one.

    Rows are locked in the order of ids until the transaction ends: of two workers the second sees the first's.
    """
    if not contact_ids:
        return set()
    given = {"ids": [str(each) for each in contact_ids], "now": now}
    for channel in Channel:
        bucket = bucket_of(channel)
        given |= {f"{channel.value}_refill": bucket.refill, f"{channel.value}_span": bucket.span}
    return set(session.scalars(_TAKING, given))


def give_back(session: Session, contact_ids: Collection[UUID]) -> None:
    """Return the token of a message that certainly did not arrive."""
    if contact_ids:
        giving = sa.update(Contact).where(Contact.id.in_(_locked(contact_ids)))
        giving = giving.values(alert_budget_full_at=_full_at - _refill())
        session.execute(giving, execution_options={"synchronize_session": False})


def hold_back(session: Session, ids: Collection[UUID], token: UUID, now: datetime) -> None:
    """Put claimed notifications back until their contacts have a token; the attempt does not count.

    Their nudge is put off, not their attempt: a message that leaves earlier takes them along. One row per contact
    wakes them all; the others follow a lease later, should it be lost.
    """
    if not ids:
        return
    free_at = sa.func.greatest(_full_at + _refill() - _span(), now)
    row = Notification
    waking = row.id.in_(sa.select(sa.func.min(sa.cast(row.id, sa.Text)).cast(sa.Uuid)).where(
        is_any_of(row.id, ids)).group_by(row.contact_id))  # fmt: skip
    later = timedelta(seconds=settings().lease_seconds)
    tried = sa.func.nullif(sa.func.regexp_replace(row.reason, f"(; )?{REASON}$", ""), "")
    said = sa.func.concat_ws("; ", tried, REASON)
    values = {
        "state": State.PENDING, "attempts": row.attempts - 1, "lease_token": None, "lease_until": None,
        "next_nudge_at": free_at + sa.case((waking, timedelta(milliseconds=1)), else_=later),
        "reason": sa.case((free_at > now, said), else_=row.reason),
    }  # fmt: skip
    mine = sa.update(row).where(
        is_any_of(row.id, ids), row.lease_token == token, Contact.id == row.contact_id
    )
    session.execute(mine.values(values), execution_options={"synchronize_session": False})


def _locked(contact_ids: Collection[UUID]) -> sa.Select[UUID]:
    chosen = sa.select(Contact.id).where(is_any_of(Contact.id, contact_ids)).order_by(Contact.id)
    return chosen.with_for_update(key_share=True)


def _refill() -> sa.Case[timedelta]:
    return sa.case(*((Contact.channel == each, sa.literal(bucket_of(each).refill)) for each in Channel))


def _span() -> sa.Case[timedelta]:
    return sa.case(*((Contact.channel == each, sa.literal(bucket_of(each).span)) for each in Channel))
