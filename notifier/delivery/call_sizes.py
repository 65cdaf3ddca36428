"""Sizes of calls: how many messages the next call of a channel carries.

Where a provider hangs, all messages of a call are of unknown fate and are sent again. So a process begins with a small
call, and makes larger ones only while its first provider takes them.
"""

import time

from api.models.user import Channel
from notifier.channels import most_at_once, providers_of

SMALL = 100  # messages
_KNOWN_SECONDS = 5.0  # after a call that was taken, in which the next ones are large

_taken_at: dict[Channel, float] = {}  # when the last call was taken, by time.monotonic()


def choose_call_size(channel: Channel) -> int:
    """Return how many messages the next call may carry."""
    most = most_at_once(channel)
    taken_at = _taken_at.get(channel)
    is_known = taken_at is not None and time.monotonic() - taken_at < _KNOWN_SECONDS
    return most if is_known else min(most, SMALL)


def record_call(channel: Channel, provider: str | None) -> None:
    """Note which provider took a call as a whole; None: none did."""
    if provider is not None and provider == next((name for name, _ in providers_of(channel)), None):
        _taken_at[channel] = time.monotonic()
    else:
        _taken_at.pop(channel, None)
