"""Metrics of the notifications: their fates and delays, receipts, dead letters, and what SMS and calls cost."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from api.health.metric_reads.database import Fetch, MetricDatabase, first_id_at, list_periods
from api.health.metric_reads.sample import GrowthCounter, Labels, Sample
from configs.clock import clock
from configs.settings import settings

CHANNELS = ("email", "sms", "telegram", "voice", "push")
NONE = "none"  # in place of a provider, of messages that were given to none
STATES = ("sent", "delivered", "bounced", "no_receipt", "failed", "expired", "skipped")
DELAYS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)  # seconds: upper bounds of the histogram
_TRACKED = ("sendgrid", "twilio", "twilio_calls")  # they say later what became of a message
_PERIOD = timedelta(minutes=5)
_KEPT = timedelta(hours=3)  # how far back fates are followed
_NEWEST = 2  # periods that each read looks at; at older ones while there is time
_BUDGET = 0.02  # seconds
_HOUR = timedelta(hours=1)
_FEW = 20  # messages: fewer say nothing of a provider
_MOST_DEAD = 10_000
_CLOCKS_DIFFER = timedelta(minutes=1)  # between the machine that makes an id and PostgreSQL's

# Of alerts that were sent at once: one that catches up, or waited as its reader wished, says nothing of our delay.
_SUMS = f"""
SELECT channel, coalesce(provider, '{NONE}'), state, is_accepted,
  width_bucket(delay, ARRAY[{", ".join(map(str, DELAYS))}]::float8[]), count(*), coalesce(sum(delay), 0)
FROM (
  SELECT channel, provider, state, accepted_at IS NOT NULL AS is_accepted,
    CASE WHEN kind = 'slot_detected' AND committed_at IS NOT NULL
      THEN date_part('epoch', accepted_at - seen_at) END AS delay
  FROM notifications
  WHERE id >= %(first)s AND id < %(last)s AND created_at >= %(begins)s AND created_at < %(ends)s
) AS messages GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608 -- our own words
_DEAD = "SELECT count(*) FROM (SELECT FROM notifications WHERE state = 'failed' LIMIT %(most)s) AS dead"
_COST = """
SELECT coalesce(sum(cost), 0) * 100 FROM notifications
WHERE channel IN ('sms', 'voice') AND accepted_at IS NOT NULL AND accepted_at >= %(since)s
"""
_DELAY_NAME = "notification_delay_seconds"
_DELAY_PARTS = [*(f"{most:g}" for most in DELAYS), "+Inf", "sum"]  # buckets, each with all shorter delays


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
        self._delays.expect((channel, part) for channel in CHANNELS for part in _DELAY_PARTS)
        self._turn = 0

    def read_samples(self) -> list[Sample]:
        """Read the messages of the last minutes, and in turn those of the last hours.

        Raises:
            psycopg2.Error: the server is away or too slow.
        """
        now = clock()
        periods = list_periods(now, _PERIOD, _KEPT)
        with self._database.begin_read() as fetch:
            for period in periods[:_NEWEST]:
                self._read_period(fetch, period)
            self._read_older(fetch, periods[_NEWEST:])
        for counter in (self._fates, self._delays):
            counter.forget_before(periods[-1])
        return [
            *self._fates.list_samples("notifications_total"),
            *_list_delays(self._delays),
            *_list_ratios(self._fates.sum_since(now - _HOUR)),
        ]

    def _read_older(self, fetch: Fetch, periods: Sequence[datetime]) -> None:
        """Go on with the older periods where the last read ended: a flood of messages makes few of them."""
        until = time.monotonic() + _BUDGET
        for _ in periods:
            self._read_period(fetch, periods[self._turn % len(periods)])
            self._turn += 1
            if time.monotonic() > until:
                return

    def _read_period(self, fetch: Fetch, begins: datetime) -> None:
        ends = begins + _PERIOD
        given = {
            "begins": begins,
            "ends": ends,
            "first": first_id_at(begins - _CLOCKS_DIFFER),
            "last": first_id_at(ends + _CLOCKS_DIFFER),
        }
        fates: dict[Labels, float] = {}
        delays: dict[Labels, float] = {}
        for channel, provider, state, is_accepted, bucket, number, seconds in fetch(_SUMS, given):
            if is_accepted:
                _add(fates, (channel, provider, STATES[0]), number)
            if state in STATES[1:]:
                _add(fates, (channel, provider, state), number)
            if bucket is not None:
                for part in _DELAY_PARTS[bucket:-1]:
                    _add(delays, (channel, part), number)
                _add(delays, (channel, _DELAY_PARTS[-1]), seconds)
        self._fates.update([begins], {begins: fates})
        self._delays.update([begins], {begins: delays})


class LetterMetrics:
    """Dead letters, and the cost of the day's SMS and calls."""

    def __init__(self, database: MetricDatabase) -> None:
        self._database = database

    def read_samples(self) -> list[Sample]:
        """Count the dead letters, and add up the costs since midnight UTC.

        Raises:
            psycopg2.Error: the server is away or too slow.
        """
        now = clock()
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        with self._database.begin_read() as fetch:
            dead = fetch(_DEAD, {"most": _MOST_DEAD})[0][0]
            cost = fetch(_COST, {"since": midnight})[0][0]
        return [
            Sample("dead_letters", dead),
            Sample("sms_cost_cents_today", float(cost)),
            Sample("sms_cost_limit_cents", float(settings().sms_day_stop * 100)),
        ]


def _add(sums: dict[Labels, float], labels: Labels, value: float) -> None:
    sums[labels] = sums.get(labels, 0) + value


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
