"""A crowd by e-mail, Telegram and SMS at once, at the rates that are allowed, and fresh alerts of others meanwhile."""

import time
from collections.abc import Iterator
from itertools import chain
from uuid import UUID

from api.models.user import Channel
from tests.lab.bench.figures import Effort, Figure, Say, percentiles_ms
from tests.lab.bench.notifier_stack import CROWD_DESK, NotifierStack, run_notifier
from tests.lab.bench.people import Crowd

_GOALS = {Channel.EMAIL: 0.1, Channel.TELEGRAM: 1.0, Channel.SMS: 1.0}  # seconds, p95 of a fresh alert
_APART = {Channel.EMAIL: 0.1, Channel.TELEGRAM: 0.5, Channel.SMS: 1.0}  # below the rate
_PEOPLE = {
    Channel.EMAIL: (10_000, 60),
    Channel.TELEGRAM: (2_000, 10),
    Channel.SMS: (2_000, 10),
}  # and shortly
_SINGLES = {Channel.EMAIL: 60, Channel.TELEGRAM: 60, Channel.SMS: 40}


def run(effort: Effort, say: Say) -> list[Figure]:
    """Tell all of them once."""
    people = {channel: effort.of(many, few) for channel, (many, few) in _PEOPLE.items()}
    singles = {channel: effort.of(many, 3) for channel, many in _SINGLES.items()}
    with run_notifier() as stack:
        for channel, count in people.items():
            _crowd(f"crowd-{channel}", count, f"NULL, NULL, '{CROWD_DESK}'", channel).write(stack.engine)
            target = f"NULL, NULL, '{channel}_91/desk-'||n"
            _crowd(f"single-{channel}", singles[channel], target, channel).write(stack.engine)
        crowd = stack.detect(CROWD_DESK)
        fresh = {channel: list(_detect_fresh(stack, channel, singles[channel])) for channel in people}
        stack.wait_sent([crowd], sum(people.values()))
        delays = {channel: stack.read_delays(mine) for channel, mine in fresh.items()}
        written = stack.count("SELECT count(*) FROM notifications")
        extra = stack.count_accepted() - written
    say(f"{written} messages to {sum(people.values()) + sum(singles.values())} people")
    return [
        Figure(f"of {written} messages, told twice", extra, "≤ 0"),
        *chain.from_iterable(
            percentiles_ms(
                f"a fresh alert meanwhile by {each}", delays[each], {95: f"< {1000 * _GOALS[each]:g}"}
            )
            for each in people
        ),
    ]


def _crowd(prefix: str, count: int, target: str, channel: Channel) -> Crowd:
    numbers = () if channel is Channel.EMAIL else tuple(f"+336{number:08}" for number in range(count))
    chats = tuple(each.removeprefix("+") for each in numbers)
    addresses = chats if channel is Channel.TELEGRAM else numbers
    return Crowd(prefix, count, target, channel=channel, addresses=addresses)


def _detect_fresh(stack: NotifierStack, channel: Channel, count: int) -> Iterator[UUID]:
    for number in range(1, count + 1):
        yield stack.detect(f"{channel}_91/desk-{number}")
        time.sleep(_APART[channel])
