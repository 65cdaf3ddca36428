"""Hourly caps: how many slot alerts each contact got in its fullest hour, beside what it may get. Pure."""

from collections import defaultdict, deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from api.models.user import Channel
from deploy.chaos.inbox import InboxMessage
from deploy.chaos.periods import CAPS
from deploy.chaos.subscribers import Reached

_HOUR = timedelta(hours=1)


def count_fullest_hours(messages: Iterable[InboxMessage]) -> dict[Reached, int]:
    """Return the most messages that each contact got in any hour.

    A copy does not count: one whose notifications had all been accepted before, the answer unheard.
    """
    times: dict[Reached, list[datetime]] = defaultdict(list)
    seen: set[tuple[Reached, str]] = set()
    for message in messages:
        reached = (message.channel, message.address)
        told = {(reached, each) for each in message.notifications}
        if not told or told - seen:
            times[reached].append(message.received_at)
        seen |= told
    return {reached: _count_fullest(sorted(each)) for reached, each in times.items()}


def find_over_cap(messages: Iterable[InboxMessage]) -> dict[Reached, int]:
    """Return the contacts that got more in an hour than their channel's cap, and how many."""
    return {
        reached: count
        for reached, count in count_fullest_hours(messages).items()
        if count > CAPS[Channel(reached[0])]
    }


def _count_fullest(times: list[datetime]) -> int:
    """Return the most instants, of sorted ones, that lie within one hour."""
    within: deque[datetime] = deque()
    most = 0
    for each in times:
        within.append(each)
        while each - within[0] >= _HOUR:
            within.popleft()
        most = max(most, len(within))
    return most
