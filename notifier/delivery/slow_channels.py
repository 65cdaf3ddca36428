"""Which channels are slow to answer just now: what one of them holds up shall be its own messages only."""

from datetime import datetime, timedelta

from api.models.user import Channel
from configs.clock import clock
from configs.settings import settings

_SLOW_SECONDS = 1.0
_rests: dict[Channel, datetime] = {}


def record_latency(channel: Channel, seconds: float) -> None:
    """Note how long this process waited for an answer, or in vain."""
    if seconds > _SLOW_SECONDS:
        _rests[channel] = clock() + timedelta(seconds=settings().channel_rest_seconds)
    else:
        _rests.pop(channel, None)


def is_open(channel: Channel) -> bool:
    """Whether a worker that has other things to do leaves the channel to the channel's own workers."""
    if channel not in _rests:
        return False
    left = _rests[channel] - clock()  # longer than a rest: the clock was set back
    return timedelta(0) < left <= timedelta(seconds=settings().channel_rest_seconds)
