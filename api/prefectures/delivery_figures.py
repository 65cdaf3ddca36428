"""Figures of a day's slot alerts by channel, provider and prefecture: the rows of `delivery_figures`.

An alert that catches up is left out, and so is one that stands in for an SMS: its slots were seen long before it was
written, so the time since then says nothing of its way.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import first_id_at
from api.models.notification import ALL, NONE, DeliveryFigure
from api.models.user import Channel
from api.prefectures.schemas import ChannelDelivery, Percentiles, compute_rate

RECEIPT_PROVIDERS = ("sendgrid", "twilio", "twilio_calls")  # they say later what became of a message
_DAY = timedelta(days=1)
_FEW = 5  # messages: of fewer, no time that could be one person's
_MOST_DAYS = 30  # of one run: what the ledger shows
_CLOCKS_DIFFER = timedelta(hours=1)  # between the machine that makes an id and the one that notes the time
_STAGES = (  # each named after its two instants
    "seen_to_committed", "committed_to_matched", "matched_to_accepted", "accepted_to_delivered", "seen_to_accepted",
    "seen_to_delivered",
)  # fmt: skip
_COUNTS = {
    "messages": "true",
    "sent": "accepted_at IS NOT NULL",
    **{
        state: f"state = '{state}'"
        for state in ("delivered", "bounced", "no_receipt", "failed", "expired", "skipped")
    },
    "unsure": "unknown_attempts > 0",
    "missed": "is_missed",
    "tracked": "is_tracked",
    "confirmed": "is_tracked AND state = 'delivered'",
}
_COLUMNS = {
    "channel": "channel",
    "provider": f"CASE grouping(provider) WHEN 1 THEN '{ALL}' ELSE provider END",
    "prefecture_id": f"CASE grouping(prefecture_id) WHEN 1 THEN '{ALL}' ELSE prefecture_id END",
    **{name: f"count(*) FILTER (WHERE {condition})" for name, condition in _COUNTS.items()},
    **{
        stage: f"percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY {stage})" for stage in _STAGES
    },
}


def _subtract(stage: str) -> str:
    begins, ends = stage.split("_to_")
    return f"CAST(extract(epoch FROM {ends}_at - {begins}_at) AS float8) AS {stage}"


def _choose(name: str, value: str) -> str:
    return (
        f"CASE CAST(:{name} AS text) WHEN '{ALL}' THEN '{ALL}' ELSE coalesce({value}, '{NONE}') END AS {name}"
    )


# Whether a message that no provider accepted was refused for good while a slot of it was open. A join with the slots of
# a range would read the whole table, whose order is not asked for: hence ORDER BY and LIMIT.
_WAS_OPEN = """EXISTS (
      SELECT FROM matches m CROSS JOIN LATERAL unnest(m.slots) AS r(span)
      CROSS JOIN LATERAL (
        SELECT FROM slots s
        WHERE s.id >= lower(r.span) AND s.id < upper(r.span) AND (s.gone_at IS NULL OR s.gone_at > n.failed_at)
        ORDER BY s.id LIMIT 1
      ) open_then
      WHERE m.announcement_id = n.announcement_id)"""
# Ids are UUIDv7: a day's rows lie together in the primary key. The prefecture is the first part of the desk's id. One
# that expired had failed attempts before its slots were gone.
_SELECT = f"""
WITH alerts AS (
  SELECT channel, state, accepted_at, unknown_attempts, {_choose("provider", "provider")},
    {_choose("prefecture_id", "split_part(params->>'desk_id', '/', 1)")},
    accepted_at IS NOT NULL AND provider = ANY(:tracking)
      AND state IN ('delivered', 'bounced', 'no_receipt') AS is_tracked,
    accepted_at IS NULL AND CASE state WHEN 'expired' THEN attempts > 0 WHEN 'failed' THEN {_WAS_OPEN} ELSE false END
      AS is_missed,
    {", ".join(_subtract(stage) for stage in _STAGES)}
  FROM notifications n
  WHERE id >= :first AND id < :last AND created_at >= :begins AND created_at < :ends
    AND kind = 'slot_detected' AND params ->> 'source' IS NULL AND seen_at IS NOT NULL AND committed_at IS NOT NULL
    AND (CAST(:channel AS text) IS NULL OR channel = :channel)
)
SELECT :day AS day, :now AS updated_at, {", ".join(f"{value} AS {name}" for name, value in _COLUMNS.items())}
FROM alerts
WHERE coalesce(CAST(:provider AS text), '{ALL}') IN ('{ALL}', provider)
  AND coalesce(CAST(:prefecture_id AS text), '{ALL}') IN ('{ALL}', prefecture_id)
GROUP BY channel, """  # noqa: S608 -- our own words
_DELETE = sa.delete(DeliveryFigure).where(DeliveryFigure.day == sa.bindparam("day"))


@dataclass(frozen=True, slots=True)
class FigureChoice:
    """Which figures are wanted. None: of all together and of each; ALL: of all together."""

    channel: Channel | None = None  # of None each has its own, since channels cannot be compared
    provider: str | None = None
    prefecture_id: str | None = None

    @property
    def grouping(self) -> str:
        """Return what the messages are grouped by, besides their channel."""
        wanted = {"provider": self.provider, "prefecture_id": self.prefecture_id}
        return ", ".join(f"CUBE ({name})" if value is None else name for name, value in wanted.items())


_EVERYTHING = FigureChoice()
_INSERT = sa.text(
    f"INSERT INTO delivery_figures (day, updated_at, {', '.join(_COLUMNS)}) {_SELECT} {_EVERYTHING.grouping}"
)


def find_days_to_sum(session: Session, now: datetime) -> list[date]:
    """Return the UTC days, oldest first, that may have changed since they were summed up.

    A message may be accepted or fail a day after it was written. The newest day with figures is among them: where a run
    died, the days after it are still to be written.
    """
    each = DeliveryFigure
    known = sa.select(sa.func.max(each.updated_at), sa.func.max(each.day)).where(each.updated_at <= now)
    last, newest = session.execute(known).one()
    today = now.date()
    first = today - timedelta(days=_MOST_DAYS - 1)
    if last is not None:
        first = max(first, min((last - _DAY).astimezone(UTC).date(), newest))
    return [first + timedelta(days=number) for number in range((today - first).days + 1)]


def sum_day(session: Session, day: date, now: datetime) -> int:
    """Replace the figures of one UTC day; return the number of rows. A repetition writes the same rows."""
    session.execute(_DELETE, {"day": day})
    written = session.execute(_INSERT, _bind(day, now, _EVERYTHING))
    return cast("sa.CursorResult[Any]", written).rowcount


def compute_day(session: Session, day: date, now: datetime, wanted: FigureChoice) -> list[DeliveryFigure]:
    """Return the figures of one UTC day as they are now, in the order of `read_days`; writes nothing."""
    query = sa.text(f"{_SELECT} {wanted.grouping} ORDER BY channel, provider, prefecture_id")
    return [DeliveryFigure(**row) for row in session.execute(query, _bind(day, now, wanted)).mappings()]


def read_days(session: Session, first: date, last: date, wanted: FigureChoice) -> list[DeliveryFigure]:
    """Return the figures that were written of these days: the newest day first."""
    each = DeliveryFigure
    columns = {
        each.channel: wanted.channel,
        each.provider: wanted.provider,
        each.prefecture_id: wanted.prefecture_id,
    }
    conditions = [column == value for column, value in columns.items() if value is not None]
    query = sa.select(each).where(each.day.between(first, last), *conditions)
    ordered = query.order_by(each.day.desc(), each.channel, each.provider, each.prefecture_id)
    return list(session.scalars(ordered))


def _bind(day: date, now: datetime, wanted: FigureChoice) -> dict[str, Any]:
    begins = datetime.combine(day, time(), UTC)
    ends = begins + _DAY
    return {
        "first": first_id_at(begins - _CLOCKS_DIFFER),
        "last": first_id_at(ends + _CLOCKS_DIFFER),
        "begins": begins,
        "ends": ends,
        "day": day,
        "now": now,
        "tracking": list(RECEIPT_PROVIDERS),
        "channel": wanted.channel,
        "provider": wanted.provider,
        "prefecture_id": wanted.prefecture_id,
    }


def list_channel_deliveries(session: Session, first: date, last: date) -> list[ChannelDelivery]:
    """Return the figures of each channel and day, the newest day first. The days have to be over."""
    return [
        build_channel_delivery(row) for row in read_days(session, first, last, FigureChoice(None, ALL, ALL))
    ]


def build_channel_delivery(row: DeliveryFigure) -> ChannelDelivery:
    """Return the figures of a channel and day, without times that could be one person's."""
    return ChannelDelivery.of_row(
        row,
        delivery_rate=compute_rate(row),
        seen_to_accepted=Percentiles.of(row.seen_to_accepted) if row.sent >= _FEW else None,
        seen_to_delivered=Percentiles.of(row.seen_to_delivered) if row.delivered >= _FEW else None,
    )
