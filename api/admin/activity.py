"""Activity of the service without persons: how many come how far by day; money, subscribers and costs by month.

Views of the first page, searches and registrations are counted in Redis by day and source (`api:steps:<day>`), where
nothing is known of who came; the other steps are sums of tables. Without Redis these are missing, and nothing else.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

import sqlalchemy as sa
from pydantic import Field
from redis.exceptions import RedisError
from sqlalchemy.orm import Session

from api.ground.schemas import Body
from api.models.base import first_id_at
from api.payments.invoices.contents import PARIS
from configs.ground.clock import clock
from configs.ground.redis import redis
from configs.settings import settings

Step = Literal["first_page", "search", "register"]
FEW = 5  # of fewer nothing is told
_KEPT = timedelta(days=400)
_MOST_FIELDS = 200  # of a day: strangers may write any source
_OTHER = "autre"
_DAYS = """
SELECT (at AT TIME ZONE 'Europe/Paris')::date AS day, step, count(*) AS number FROM (
  SELECT u.created_at AS at, 'confirm' AS step FROM users u
    JOIN contacts c ON c.user_id = u.id AND c.channel = 'email' AND c.verified_at IS NOT NULL
    WHERE u.created_at >= :since AND u.role <> 'beneficiary'
  UNION ALL SELECT created_at, 'order' FROM payments WHERE created_at >= :since AND consented_at IS NOT NULL
  UNION ALL SELECT paid_at, 'paid' FROM payments WHERE paid_at >= :since AND consented_at IS NOT NULL
  UNION ALL SELECT min(accepted_at), 'told' FROM notifications
    WHERE id >= :since_id AND kind = 'slot_detected' AND accepted_at >= :since AND user_id IS NOT NULL
    GROUP BY user_id, (accepted_at AT TIME ZONE 'Europe/Paris')::date
  UNION ALL SELECT min(a.answered_at), 'found' FROM answers a JOIN matches m ON m.id = a.match_id
    WHERE a.answered_at >= :since AND a.value = 'found' GROUP BY m.alert_id
) AS steps GROUP BY 1, 2
"""
# A subscription is active in the months that it was paid for; the book knows that, and no status of today.
_MONTHS = """
WITH moved AS (
  SELECT date_trunc('month', t.at AT TIME ZONE 'Europe/Paris')::date AS month, t.kind, l.account, l.cents,
    p.subscription_id
  FROM book_transactions t JOIN book_lines l ON l.transaction_id = t.id JOIN payments p ON p.id = l.payment_id
  WHERE t.at >= :since
), paying AS (
  SELECT DISTINCT month, subscription_id FROM moved WHERE kind = 'paid' AND subscription_id IS NOT NULL
)
SELECT month,
  coalesce(sum(cents) FILTER (WHERE kind = 'paid' AND account IN ('cash', 'bank')), 0) AS paid,
  coalesce(-sum(cents) FILTER (WHERE kind <> 'paid' AND account IN ('cash', 'bank', 'disputed')), 0) AS returned,
  coalesce(-sum(cents) FILTER (WHERE account = 'earned'), 0) AS earned,
  (SELECT count(*) FROM paying a WHERE a.month = moved.month) AS active,
  CASE WHEN month < :this THEN (
    SELECT count(*) FROM paying a WHERE a.month = moved.month - interval '1 month' AND NOT EXISTS (
      SELECT FROM paying b WHERE b.month = moved.month AND b.subscription_id = a.subscription_id)) END AS leaving
FROM moved GROUP BY month ORDER BY month DESC LIMIT :most
"""
_COSTS = """
SELECT channel, count(*) AS number, coalesce(sum(cost), 0) AS cost FROM notifications
WHERE id >= :since_id AND accepted_at >= :since AND accepted_at < :until AND channel IN ('sms', 'voice', 'email')
GROUP BY channel
"""


class ActivityQuery(Body):
    """The last days of which steps are shown."""

    days: Annotated[int, Field(ge=1, le=92)] = 31


@dataclass(frozen=True, slots=True)
class MonthCosts:
    """What a month cost in EUR, by our estimates and settings; `mails` are those that a provider took."""

    month: date
    sms: Decimal
    calls: Decimal
    mails: int
    mail_cost: Decimal
    server: Decimal

    @property
    def total(self) -> Decimal:
        """All of it."""
        return self.sms + self.calls + self.mail_cost + self.server


def count_step(step: Step, source: str = "") -> None:
    """Count one view or registration of today; without Redis nothing is counted."""
    key, field = f"api:steps:{_today().isoformat()}", f"{step}|{source}"
    with suppress(RedisError):
        if source and redis().hlen(key) >= _MOST_FIELDS and not redis().hexists(key, field):
            field = f"{step}|{_OTHER}"
        redis().hincrby(key, field, 1)
        redis().expire(key, _KEPT)


def read_steps(session: Session, days: int) -> tuple[dict[date, dict[str, int]], dict[str, dict[str, int]]]:
    """Return the counts of the last days, the newest first, by step; and first pages and registrations by source."""
    listed = [_today() - timedelta(days=number) for number in range(days)]
    found: dict[date, dict[str, int]] = {day: {} for day in listed}
    sources: dict[str, dict[str, int]] = {}
    with suppress(RedisError):
        for day in listed:
            counted = cast("Mapping[bytes, bytes]", redis().hgetall(f"api:steps:{day.isoformat()}"))
            for field, number in counted.items():
                step, _, source = field.decode().partition("|")
                _add(found[day], step, int(number))
                if source:
                    _add(sources.setdefault(source, {}), step, int(number))
    for row in session.execute(sa.text(_DAYS), _bound(listed[-1])):
        if row.day in found:
            _add(found[row.day], row.step, row.number)
    return found, sources


def read_months(session: Session, most: int = 13) -> Sequence[Any]:
    """Return the newest months in Paris with revenue, the present one first, from the book, in cents.

    `active` subscriptions were paid for; `leaving` ones in the month before, and not in this one: None while it lasts.
    """
    this = _today().replace(day=1)
    first = (this - timedelta(days=31 * most)).replace(day=1)
    return session.execute(sa.text(_MONTHS), _bound(first) | {"this": this, "most": most}).all()


def read_costs(session: Session) -> list[MonthCosts]:
    """Return what this month has cost so far, and the one before; the server's price is a whole month's."""
    this = _today().replace(day=1)
    last = (this - timedelta(days=1)).replace(day=1)
    return [_read_costs(session, this, _today() + timedelta(days=1)), _read_costs(session, last, this)]


def _read_costs(session: Session, first: date, end: date) -> MonthCosts:
    given = _bound(first) | {"until": _begin(end)}
    found = {row.channel: row for row in session.execute(sa.text(_COSTS), given)}
    spent = {name: found[name].cost if name in found else Decimal(0) for name in ("sms", "voice")}
    mails = found["email"].number if "email" in found else 0
    ours = settings()
    return MonthCosts(
        first, spent["sms"], spent["voice"], mails, mails * ours.mail_price, ours.server_month_price
    )


def _today() -> date:
    return clock().astimezone(PARIS).date()


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), PARIS)


def _bound(first: date) -> dict[str, Any]:
    # messages may wait for a day before a provider takes them
    return {"since": _begin(first), "since_id": first_id_at(_begin(first) - timedelta(days=2))}


def _add(counts: dict[str, int], name: str, number: int) -> None:
    counts[name] = counts.get(name, 0) + number
