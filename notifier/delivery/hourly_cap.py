"""Hourly cap on slot alerts, to one contact and to one user: a query over what was sent in the last hour.

Half of a cap may leave at once; then one message per interval, with everything that waited. So any hour has the cap at
most. A user's cap is for all channels together, but for push: its messages show the same on each device, in place of
each other. A message counts that is under way, or may have arrived. Two workers that ask in the same instant may exceed
a cap by one. Messages of other kinds (sign-up, desk not watched) neither wait nor count: a stranger who asks for them
could silence alerts. Once an hour a message says that alerts wait.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from api.models.base import is_any_of, write_array
from api.models.database_clock import CLOCKS_DIFFER
from api.models.notification import HeldFor, Notification, Priority, State
from api.models.user import Channel
from configs.settings.constants import Constant
from notifier.delivery.message_writer import build_row, write_rows

# Most slot alerts that one address, chat, number or device is sent in an hour; half of them may leave at once, the rest
# spread
_PER_HOUR = {
    Channel.EMAIL: Constant("EMAIL_PER_HOUR", 30),
    Channel.TELEGRAM: Constant("TELEGRAM_PER_HOUR", 30),
    Channel.SMS: Constant("SMS_PER_HOUR", 10),
    Channel.PUSH: Constant("PUSH_PER_HOUR", 30),
}
# The same for one person, by all channels together
_USER_PER_HOUR = Constant("USER_PER_HOUR", 50)

_HOUR = timedelta(hours=1)

# Several rows may have left as one message: they have its id, the same instant, or the same lease. Text, because
# composing this statement took 2 ms of the way from a page to its alert.
_READ = sa.text("""
SELECT k.id, k.user_id, k.channel, sent.*
FROM contacts k CROSS JOIN LATERAL (
  SELECT count(DISTINCT m.message) FILTER (WHERE m.contact_id = k.id) AS messages,
    max(m.at) FILTER (WHERE m.contact_id = k.id) AS last_at,
    count(DISTINCT (m.contact_id, m.message)) FILTER (WHERE m.channel <> 'push') AS user_messages,
    max(m.at) FILTER (WHERE m.channel <> 'push') AS user_last_at
  FROM (
    SELECT n.contact_id, n.channel, n.accepted_at AS at,
      coalesce(n.provider_id, CAST(n.accepted_at AS text)) AS message
    FROM notifications n
    WHERE n.user_id = k.user_id AND n.kind = 'slot_detected' AND n.accepted_at > :since AND n.accepted_at <= :latest
    UNION ALL
    SELECT n.contact_id, n.channel, CASE n.state WHEN 'sending' THEN :now ELSE n.created_at END,
      coalesce(CAST(n.lease_token AS text), CAST(n.created_at AS text))
    FROM contacts o JOIN notifications n ON n.contact_id = o.id
    WHERE o.user_id = k.user_id AND n.kind = 'slot_detected' AND n.state IN ('pending', 'sending')
      AND n.lease_token IS DISTINCT FROM CAST(:token AS uuid)
      AND (n.state = 'sending' OR n.unknown_attempts > 0 AND n.created_at > :since)
  ) m
) sent
WHERE k.id = ANY(CAST(:ids AS uuid[])) ORDER BY k.id
""").columns(id=sa.Uuid(), user_id=sa.Uuid())


_NOTICE = "more_messages"  # says that alerts wait
# So that it counts a whole burst; where the next turn comes sooner, it is of no use.
_NOTICE_AFTER = timedelta(seconds=30)


@dataclass(slots=True)
class Sent:
    """What left within the last hour under a cap: how many messages, and when the last."""

    cap: int
    count: int
    last_at: datetime | None

    def find_turn(self, now: datetime) -> datetime:
        """Return when one more may leave: now, for half of the cap, then after an interval behind the last."""
        burst = max(1, self.cap // 2)
        if self.count < burst or self.last_at is None:
            return now
        return max(now, self.last_at + _HOUR / max(1, self.cap - burst))

    def add(self, now: datetime) -> None:
        """Count one more."""
        self.count, self.last_at = self.count + 1, now


@dataclass(slots=True)
class Turns:
    """Turns of contacts: `caps` are those that each is under, its own and its user's."""

    now: datetime
    caps: Mapping[UUID, Collection[Sent]]

    def take(self, contact_id: UUID) -> datetime:
        """Take a turn for one message, where the contact has one now; return when it has."""
        caps = self.caps.get(contact_id, ())
        turn = max((each.find_turn(self.now) for each in caps), default=self.now)
        if turn <= self.now:
            for each in caps:
                each.add(self.now)
        return turn


def read_turns(session: Session, contact_ids: Collection[UUID], token: UUID, now: datetime) -> Turns:
    """Return the turns of contacts; what is leased by `token` is what asks, and does not count."""
    if not contact_ids:
        return Turns(now, {})
    given = {"since": now - _HOUR, "now": now, "latest": now + CLOCKS_DIFFER, "token": str(token)}
    found = session.execute(_READ, given | {"ids": write_array(contact_ids)})
    users: dict[UUID, Sent] = {}
    caps: dict[UUID, list[Sent]] = {}
    for row in found:
        channel = Channel(row.channel)
        caps[row.id] = [Sent(_PER_HOUR[channel](), row.messages, row.last_at)]
        if channel is not Channel.PUSH:
            of_user = Sent(_USER_PER_HOUR(), row.user_messages, row.user_last_at)
            caps[row.id].append(users.setdefault(row.user_id, of_user))
    return Turns(now, caps)


def write_notices(session: Session, held: Collection[UUID], now: datetime) -> None:
    """Write a notice to the users whose notifications were just held back; the sweep has it sent.

    One for each user and hour of the clock, to the contact of the message that was held back first.
    """
    if not held:
        return
    row = Notification
    capped = row.user_id.is_not(None), row.state == State.PENDING, row.held_for == HeldFor.CAP
    waiting = sa.select(row.user_id, row.contact_id, row.channel, row.language)
    waiting = waiting.where(is_any_of(row.id, held), *capped)
    first = waiting.ext(distinct_on(row.user_id)).order_by(row.user_id, row.id)
    notices = [
        build_row(_NOTICE, channel, language, {}, Priority.IMMEDIATE)
        | {"user_id": user_id, "contact_id": contact_id, "next_attempt_at": now + _NOTICE_AFTER}
        | {"dedupe_key": f"{_NOTICE}:{user_id}:{now:%Y%m%dT%H}"}
        for user_id, contact_id, channel, language in session.execute(first)
    ]
    write_rows(session, notices)
