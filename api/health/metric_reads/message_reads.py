"""Metrics of the notifications: their fates and delays, receipts, dead letters, and what SMS and calls cost."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from api.health.metric_reads.database import MetricDatabase, first_id_at, floor_to
from api.health.metric_reads.sample import GrowthCounter, Labels, Sample
from configs.clock import clock
from configs.settings import settings

CHANNELS = ("email", "sms", "telegram", "voice", "push")
NONE = "none"  # in place of a provider, of messages that were given to none
STATES = ("sent", "delivered", "bounced", "no_receipt", "failed", "expired", "skipped")
DELAYS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)  # seconds: upper bounds of the histogram
_TRACKED = ("sendgrid", "twilio", "twilio_calls")  # they say later what became of a message
_PERIOD = timedelta(minutes=5)
_SHORT, _LONG = timedelta(minutes=15), timedelta(hours=3)  # how far back most reads, and some, look
_LONG_EVERY = timedelta(minutes=5)
_HOUR = timedelta(hours=1)
_FEW = 20  # messages: fewer say nothing of a provider
_MOST_DEAD = 10_000
_CLOCKS_DIFFER = timedelta(minutes=1)  # between the machine that makes an id and PostgreSQL's

_SENT = "accepted_at IS NOT NULL"  # whatever came later
_COUNTS = [_SENT, *(f"state = '{state}'" for state in STATES[1:])]
# Of alerts that were sent at once: one that catches up, or waited as its reader wished, says nothing of our delay.
_DELAY = """
  CASE WHEN kind = 'slot_detected' AND committed_at IS NOT NULL THEN extract(epoch FROM accepted_at - seen_at) END
"""
_SUMS = f"""
SELECT date_bin('5 minutes', created_at, '1970-01-01 00:00+00'), channel, coalesce(provider, '{NONE}'),
  {", ".join(f"count(*) FILTER (WHERE {condition})" for condition in _COUNTS)},
  {", ".join(f"count(*) FILTER (WHERE delay <= {most})" for most in DELAYS)}, count(delay), coalesce(sum(delay), 0)
FROM (
  SELECT created_at, channel, provider, state, accepted_at, {_DELAY} AS delay FROM notifications
  WHERE id >= %(first)s AND created_at >= %(since)s
) AS lately GROUP BY 1, 2, 3
"""  # noqa: S608 -- our own words
_DEAD = "SELECT count(*) FROM (SELECT FROM notifications WHERE state = 'failed' LIMIT %(most)s) AS dead"
_COST = """
SELECT coalesce(sum(cost), 0) * 100 FROM notifications
WHERE channel IN ('sms', 'voice') AND accepted_at IS NOT NULL AND accepted_at >= %(since)s
"""
_DELAY_NAME = "notification_delay_seconds"


def list_providers() -> dict[str, tuple[str, ...]]:
    """Return the providers of each channel (api/operations/providers.py, without the tables)."""
    return {
        "email": settings().mail_providers,
        "sms": ("twilio",),
        "telegram": ("telegram",),
        "voice": ("twilio_calls",),
        "push": ("web_push",),
    }


class MessageMetrics:
    """Counts the fates of notifications as they come, and how long each took."""

    def __init__(self, database: MetricDatabase) -> None:
        self._database = database
        self._fates, self._delays = GrowthCounter(), GrowthCounter()
        providers = list_providers()
        self._fates.expect(
            (channel, provider, state)
            for channel in CHANNELS
            for provider in (*providers[channel], NONE)
            for state in STATES
        )
        self._delays.expect((channel, part) for channel in CHANNELS for part in _list_delay_parts())
        self._long_at: datetime | None = None

    def read_samples(self) -> list[Sample]:
        """Read the messages of the last minutes, and now and then those of the last hours.

        Raises:
            psycopg2.Error: the server is away or too slow.
        """
        now = clock()
        is_long = self._long_at is None or not timedelta() <= now - self._long_at < _LONG_EVERY
        since = floor_to(now - (_LONG if is_long else _SHORT), _PERIOD)
        with self._database.begin_read() as fetch:
            rows = fetch(_SUMS, {"first": first_id_at(since - _CLOCKS_DIFFER), "since": since})
        if is_long:
            self._long_at = now
        oldest = floor_to(now - _LONG, _PERIOD)
        self._fates.update(dict(_split_fates(rows)), oldest)
        self._delays.update(dict(_split_delays(rows)), oldest)
        return [
            *self._fates.list_samples("notifications_total"),
            *_list_delays(self._delays),
            *_list_ratios(self._fates.sum_since(now - _HOUR)),
        ]


class LetterMetrics:
    """Dead letters, and the cost of the day's SMS and calls."""

    def __init__(self, database: MetricDatabase) -> None:
        self._database = database

    def read_samples(self) -> list[Sample]:
        """Count the dead letters, and add up the costs since midnight UTC.

        Raises:
            psycopg2.Error: the server is away or too slow.
        """
        midnight = clock().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        with self._database.begin_read() as fetch:
            dead = fetch(_DEAD, {"most": _MOST_DEAD})[0][0]
            cost = fetch(_COST, {"since": midnight})[0][0]
        return [
            Sample("dead_letters", dead),
            Sample("sms_cost_cents_today", float(cost)),
            Sample("sms_cost_limit_cents", float(settings().sms_day_stop * 100)),
        ]


def _list_delay_parts() -> list[str]:
    return [*(f"{most:g}" for most in DELAYS), "+Inf", "sum"]


def _split_fates(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[tuple[datetime, Labels], float]]:
    for period, channel, provider, *values in rows:
        for state, value in zip(STATES, values, strict=False):
            if value:
                yield (period, (channel, provider, state)), value


def _split_delays(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[tuple[datetime, Labels], float]]:
    sums: dict[tuple[datetime, Labels], float] = {}
    for period, channel, _, *values in rows:
        for part, value in zip(_list_delay_parts(), values[len(STATES) :], strict=True):
            key = (period, (channel, part))
            sums[key] = sums.get(key, 0) + float(value)
    yield from sums.items()


def _list_delays(delays: GrowthCounter) -> Iterator[Sample]:
    """Yield the histograms, as Prometheus wants them: buckets, their number and their sum."""
    for _, value, (channel, part) in delays.list_samples(_DELAY_NAME):
        if part == "sum":
            yield Sample(f"{_DELAY_NAME}_sum", value, (channel,))
            continue
        yield Sample(f"{_DELAY_NAME}_bucket", value, (channel, part))
        if part == "+Inf":
            yield Sample(f"{_DELAY_NAME}_count", value, (channel,))


def _list_ratios(hour: Mapping[Labels, float]) -> Iterator[Sample]:
    """Yield the ratios and gaps of the last hour's receipts."""
    tracked = {key: value for key, value in hour.items() if key[1] in _TRACKED}
    for channel in CHANNELS:
        delivered, bounced, missing = (
            sum(value for (each, _, state), value in tracked.items() if (each, state) == (channel, wanted))
            for wanted in ("delivered", "bounced", "no_receipt")
        )
        yield Sample("notifications_no_receipt", missing, (channel,))
        if (settled := delivered + bounced + missing) >= _FEW:
            yield Sample("delivery_ratio", delivered / settled, (channel,))
            if channel == "email":
                yield Sample("bounce_ratio", bounced / settled)
