"""Circuit breaker per process: a channel that is slow to answer is skipped for CHANNEL_REST_SECONDS.

So a slow provider delays its own messages only.
"""

from datetime import datetime, timedelta

from api.models.user import Channel
from configs.clock import clock
from configs.constants import Constant

# How long a channel that was slow or silent is left to its own workers
_CHANNEL_REST_SECONDS = Constant("CHANNEL_REST_SECONDS", 30.0)

_SLOW_SECONDS = 1.0
_rests: dict[Channel, datetime] = {}


def record_latency(channel: Channel, seconds: float) -> None:
    """Record how long this process waited for an answer or a time-out."""
    if seconds > _SLOW_SECONDS:
        _rests[channel] = clock() + timedelta(seconds=_CHANNEL_REST_SECONDS())
    else:
        _rests.pop(channel, None)


def is_open(channel: Channel) -> bool:
    """Whether the breaker is open: then only the channel's own workers send by it."""
    if channel not in _rests:
        return False
    left = _rests[channel] - clock()  # longer than a rest: the clock was set back
    return timedelta(0) < left <= timedelta(seconds=_CHANNEL_REST_SECONDS())
