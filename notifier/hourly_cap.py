"""Hourly cap on slot alerts: a token bucket per contact and one per user, each kept in its row.

A user's bucket is for all channels together; who has one contact meets that contact's first. Messages by push take
none of it: they show the same on each device, in place of each other. The row holds one
instant, when the bucket is full again (the generic cell rate algorithm). Half of the cap may leave at once; then one
message per refill, with everything that waited. Any hour thus has the cap at most. Messages of other kinds (sign-up,
desk not watched) neither wait nor count: a stranger who asks for them could silence alerts.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.models.base import is_any_of, read_ids, write_array
from api.models.notification import Notification, State
from api.models.prepared import FEW
from api.models.user import CONTACT_CHANNELS, Channel, Contact, User
from configs.constants import Constant
from notifier.clock_steps import LEASE_SECONDS

# Most slot alerts that one address, chat or number is sent in an hour; half of them may leave at once, the rest
# spread
_EMAIL_PER_HOUR = Constant("EMAIL_PER_HOUR", 30)
# The same by Telegram
_TELEGRAM_PER_HOUR = Constant("TELEGRAM_PER_HOUR", 30)
# The same by SMS
_SMS_PER_HOUR = Constant("SMS_PER_HOUR", 10)
# The same by push, to one device
_PUSH_PER_HOUR = Constant("PUSH_PER_HOUR", 30)
# The same for one person, by all channels together
_USER_PER_HOUR = Constant("USER_PER_HOUR", 50)

REASON = "hourly cap"
_HOUR = timedelta(hours=1)
_full_at = Contact.alert_budget_full_at

# Text, because composing this statement took 2 ms of the way from a page to its alert. An instant later than any
# bucket can have comes from a clock that was ahead: the bucket is full. Contacts of one user take the user's tokens in
# the order of their ids; where there is one, its own bucket is enough. A user is locked once: a statement that locks a
# row twice whose snapshot is old waits in a circle with a program that follows the row to its newest version.
_TAKING = sa.text("""
WITH owners AS (
  SELECT u.id, u.alert_budget_full_at FROM users u
  WHERE u.id = ANY(ARRAY(SELECT user_id FROM contacts WHERE id = ANY(CAST(:ids AS uuid[]))))
  ORDER BY u.id FOR NO KEY UPDATE
),
asked AS (
  SELECT k.id, k.user_id, b.refill, b.span, k.alert_budget_full_at AS full_at, u.alert_budget_full_at AS user_full_at,
    k.channel <> 'push' AND EXISTS (SELECT FROM contacts o WHERE o.user_id = k.user_id AND o.id <> k.id) AS has_others
  FROM owners u JOIN contacts k ON k.user_id = u.id
  JOIN unnest(CAST(:channels AS text[]), CAST(:refills AS interval[]), CAST(:spans AS interval[]))
    AS b(channel, refill, span) ON b.channel = k.channel
  WHERE k.id = ANY(CAST(:ids AS uuid[])) ORDER BY u.id, k.id FOR NO KEY UPDATE OF k
),
free AS (
  SELECT a.*, n.now, n.refill AS user_refill, n.span AS user_span,
    CASE WHEN user_full_at > n.now + n.span + n.refill THEN n.now ELSE greatest(user_full_at, n.now) END AS user_begin,
    row_number() OVER (PARTITION BY user_id ORDER BY id) AS place
  FROM asked a, (SELECT CAST(:now AS timestamptz), CAST(:user_refill AS interval), CAST(:user_span AS interval))
    AS n(now, refill, span)
  WHERE full_at IS NULL OR full_at <= n.now + a.span - a.refill OR full_at > n.now + a.span + a.refill
),
granted AS (
  SELECT * FROM free WHERE NOT has_others OR user_begin + place * user_refill <= now + user_span
),
taken_of_users AS (
  UPDATE users u SET alert_budget_full_at = g.full_at
  FROM (SELECT user_id, max(user_begin + place * user_refill) FROM granted WHERE has_others GROUP BY user_id)
    AS g(id, full_at) WHERE u.id = g.id
)
UPDATE contacts c
SET alert_budget_full_at = g.refill + CASE WHEN full_at > now + span + refill THEN now ELSE greatest(full_at, now) END
FROM granted g WHERE c.id = g.id
RETURNING c.id
""").columns(id=sa.Uuid())

# Text, because an update of the model would also write when the account was changed.
_SETTING = sa.text("""
UPDATE users u SET alert_budget_full_at = n.full_at
FROM unnest(CAST(:ids AS uuid[]), CAST(:full_at AS timestamptz[])) AS n(id, full_at) WHERE u.id = n.id
""")


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
    caps = {
        Channel.EMAIL: _EMAIL_PER_HOUR(),
        Channel.SMS: _SMS_PER_HOUR(),
        Channel.TELEGRAM: _TELEGRAM_PER_HOUR(),
        Channel.PUSH: _PUSH_PER_HOUR(),
    }
    return AlertBudget.of(caps[channel])


def bucket_of_user() -> AlertBudget:
    """Return the bucket of a user's contacts together."""
    return AlertBudget.of(_USER_PER_HOUR())


def is_used_up(
    channel: Channel, full_at: datetime | None, user_full_at: datetime | None, now: datetime
) -> bool:
    """Whether a contact of a channel, or its user, has no token, as `take_turns` decides."""
    return _is_empty(bucket_of(channel), full_at, now) or _is_empty(bucket_of_user(), user_full_at, now)


def _is_empty(bucket: AlertBudget, full_at: datetime | None, now: datetime) -> bool:
    least, most = now + bucket.span - bucket.refill, now + bucket.span + bucket.refill
    return full_at is not None and least < full_at <= most


def take_turns(session: Session, contact_ids: Collection[UUID], now: datetime) -> set[UUID]:
    """Take a token for one message to each contact; return the contacts that had one.

    Rows are locked in the order of ids until the transaction ends, users before their contacts as elsewhere: of two
    workers the second sees the first's.
    """
    if not contact_ids:
        return set()
    buckets, user = [bucket_of(channel) for channel in CONTACT_CHANNELS], bucket_of_user()
    given = {
        "ids": write_array(contact_ids), "now": now, "user_refill": user.refill, "user_span": user.span,
        "channels": write_array(CONTACT_CHANNELS), "refills": write_array(each.refill for each in buckets),
        "spans": write_array(each.span for each in buckets),
    }  # fmt: skip
    taken = session.execute(_TAKING, given, execution_options={"prepare": len(contact_ids) <= FEW})
    return read_ids(taken, contact_ids)


def users_full_at() -> sa.ColumnElement[datetime | None]:
    """Return, in a query for contacts and their users, when the user's bucket is full; null where it does not count."""
    return sa.case((_has_others(), User.alert_budget_full_at))


def _has_others() -> sa.ColumnElement[bool]:
    """Whether the user's bucket counts for a contact: where there is another one, and not by push."""
    other = aliased(Contact)
    found = sa.select(other.id).where(other.user_id == Contact.user_id, other.id != Contact.id)
    # SELECT * would need rights on all columns
    return sa.and_(Contact.channel != Channel.PUSH, found.exists())


def _set_of_users(session: Session, full_at: Mapping[UUID, datetime]) -> None:
    if full_at:
        session.execute(_SETTING, {"ids": [str(each) for each in full_at], "full_at": [*full_at.values()]})


def _lock_users(session: Session, contact_ids: Collection[UUID]) -> list[tuple[UUID, datetime | None]]:
    """Lock users who have several contacts; return for each of these contacts the user and when its bucket is full."""
    if not contact_ids:
        return []
    several = sa.select(Contact.id, Contact.user_id).where(is_any_of(Contact.id, contact_ids), _has_others())
    owners = [row.user_id for row in session.execute(several)]
    users = (
        sa.select(User.id, User.alert_budget_full_at).where(is_any_of(User.id, {*owners})).order_by(User.id)
    )
    full_at = {row[0]: row[1] for row in session.execute(users.with_for_update(key_share=True))}
    return [(user_id, full_at[user_id]) for user_id in owners if user_id in full_at]


def give_back(session: Session, contact_ids: Collection[UUID]) -> None:
    """Return the tokens of a message that certainly did not arrive."""
    taken: dict[UUID, datetime] = {}
    for user_id, full_at in _lock_users(session, contact_ids):
        if full_at is not None:
            taken[user_id] = taken.get(user_id, full_at) - bucket_of_user().refill
    _set_of_users(session, taken)
    _give_back_contacts(session, contact_ids)


def _give_back_contacts(session: Session, contact_ids: Collection[UUID]) -> None:
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
    user = bucket_of_user()
    free_at = sa.func.greatest(
        _full_at + _refill() - _span(), User.alert_budget_full_at + user.refill - user.span, now
    )
    row = Notification
    waking = row.id.in_(sa.select(sa.func.min(sa.cast(row.id, sa.Text)).cast(sa.Uuid)).where(
        is_any_of(row.id, ids)).group_by(row.contact_id))  # fmt: skip
    later = timedelta(seconds=LEASE_SECONDS())
    tried = sa.func.nullif(sa.func.regexp_replace(row.reason, f"(; )?{REASON}$", ""), "")
    said = sa.func.concat_ws("; ", tried, REASON)
    values = {
        "state": State.PENDING, "attempts": row.attempts - 1, "lease_token": None, "lease_until": None,
        "next_nudge_at": free_at + sa.case((waking, timedelta(milliseconds=1)), else_=later),
        "reason": sa.case((free_at > now, said), else_=row.reason),
    }  # fmt: skip
    mine = sa.update(row).where(
        is_any_of(row.id, ids),
        row.lease_token == token,
        Contact.id == row.contact_id,
        User.id == Contact.user_id,
    )
    session.execute(mine.values(values), execution_options={"synchronize_session": False})


def _locked(contact_ids: Collection[UUID]) -> sa.Select[UUID]:
    chosen = (
        sa.select(Contact.id).where(is_any_of(Contact.id, contact_ids)).order_by(Contact.user_id, Contact.id)
    )
    return chosen.with_for_update(key_share=True)


def _refill() -> sa.Case[timedelta]:
    return sa.case(
        *((Contact.channel == each, sa.literal(bucket_of(each).refill)) for each in CONTACT_CHANNELS)
    )


def _span() -> sa.Case[timedelta]:
    return sa.case(
        *((Contact.channel == each, sa.literal(bucket_of(each).span)) for each in CONTACT_CHANNELS)
    )
