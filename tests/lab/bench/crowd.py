"""One detection, many alerts: by e-mail until the stand-in took all, with single alerts of others; and by all channels.

Caps, headers and receipts are on. Receipts come some seconds after a call, as a provider must deliver a mail first, or
at once, with the rest of the crowd still to be told.
"""

import os
import time
from collections.abc import Iterator
from itertools import chain
from uuid import UUID

from api.models.user import Channel
from tests.lab.bench.figures import Effort, Figure, Say, percentile, percentiles_ms
from tests.lab.bench.notifier_stack import CROWD_DESK, NotifierStack, run_notifier
from tests.lab.bench.people import Crowd

_APART = 0.05  # seconds between two single alerts
_RECEIPTS_AFTER = 3  # seconds
_GOALS = {Channel.EMAIL: 0.1, Channel.TELEGRAM: 1.0, Channel.SMS: 1.0}  # seconds, p95 of a fresh alert
_GAPS = {Channel.EMAIL: 0.1, Channel.TELEGRAM: 0.5, Channel.SMS: 1.0}  # below the rate
_PEOPLE = {
    Channel.EMAIL: (10_000, 60),
    Channel.TELEGRAM: (2_000, 10),
    Channel.SMS: (2_000, 10),
}  # and shortly
_SINGLES = {Channel.EMAIL: 60, Channel.TELEGRAM: 60, Channel.SMS: 40}
_LATENCY = 0.15  # seconds in which a provider answers
_RATES = {Channel.TELEGRAM: 30, Channel.SMS: 10}  # messages a second: as many as its provider takes


def run(effort: Effort, say: Say) -> list[Figure]:
    """Tell a crowd three times in each way; the figures are those of the median times."""
    people, singles = effort.of(10_000, 60), effort.of(200, 5)
    turns = range(effort.of(3, 1))
    with run_notifier() as stack:
        Crowd("crowd", people, f"NULL, NULL, '{CROWD_DESK}'").write(stack.engine)
        Crowd("single", singles, "NULL, NULL, 'single_91/desk-'||n").write(stack.engine)
        stack.control.receipt_mode("sendgrid", "late", seconds=_RECEIPTS_AFTER)
        alone = [tell_crowd(stack, people, turn, 0, say)[0] for turn in turns]
        stack.control.receipt_mode("sendgrid", "delivered")
        at_once = [tell_crowd(stack, people, turn, 0, say)[0] for turn in turns]
        beside = [tell_crowd(stack, people, turn, singles // effort.of(4, 1), say) for turn in turns]
    seconds = percentile(alone, 50)
    busy, others = sorted(beside)[len(beside) // 2]
    single = "a single alert meanwhile, page read → accepted"
    return [
        Figure(f"{people} alerts of one detection, page read → all accepted, s", seconds, "≤ 1"),
        Figure("the same with a receipt of each call at once, s", percentile(at_once, 50), "≤ 2"),
        Figure(f"the same with these and a single alert each {_APART * 1000:.0f} ms, s", busy),
        *percentiles_ms(single, others, {50: "", 95: "< 100"}),
        Figure("messages/s", people / seconds),
    ]


def tell_crowd(
    stack: NotifierStack, people: int, turn: int, singles: int, say: Say
) -> tuple[float, list[float]]:
    """Let one slot open for all, then one each for others as long as that takes; return both delays in seconds."""
    crowd = stack.detect(CROWD_DESK)
    alone = []
    for number in range(singles):
        alone.append(stack.detect(f"single_91/desk-{1 + turn * singles + number}"))
        time.sleep(_APART)
        if not stack.is_undone([crowd], people):
            break
    newest = max(stack.wait_sent([crowd], people))
    delays = stack.wait_sent(alone, len(alone))
    began = time.monotonic()
    stack.wait_received()
    say(
        f"all told in {newest:.2f} s, {len(alone)} single ones meanwhile; "
        f"the last receipt was applied {time.monotonic() - began:.1f} s later"
    )
    return newest, delays


def run_mix(effort: Effort, say: Say) -> list[Figure]:
    """Tell crowds by e-mail, Telegram and SMS at once, at the rates that are allowed, and fresh alerts of others meanwhile."""
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


def run_latency(effort: Effort, say: Say) -> list[Figure]:
    """Tell a crowd by Telegram and one by SMS, by stand-ins that answer at once and by slow ones, in turns."""
    seconds, turns = effort.of(10, 2), effort.of(3, 1)
    os.environ["SMS_PER_HOUR"] = "36000"  # each number is told six times
    figures = []
    with run_notifier() as stack:
        for channel, rate in _RATES.items():
            people, target = rate * seconds, f"NULL, NULL, '{CROWD_DESK}-{channel}'"
            _crowd(f"crowd-{channel}", people, target, channel).write(stack.engine)
            speeds: dict[float, list[float]] = {0.0: [], _LATENCY: []}
            most = 0
            for latency in [*speeds] * turns:
                mode = {"mode": "slow", "seconds": latency} if latency else {"mode": "normal"}
                stack.control.provider_mode(channel.value, **mode)
                crowd = stack.detect(f"{CROWD_DESK}-{channel}")
                delays = sorted(stack.wait_sent([crowd], people))
                # Without the first second, whose matching is no sending
                speeds[latency].append(
                    sum(each > delays[0] + 1 for each in delays) / (delays[-1] - delays[0] - 1)
                )
                most = max(most, stack.count_fastest(channel, people))
                say(f"{channel}, {latency} s: {speeds[latency][-1]:.1f} a second")
            at_once, late = (percentile(each, 50) for each in speeds.values())
            figures += [
                Figure(f"{channel}, answers after {_LATENCY * 1000:.0f} ms, messages/s", late, f"≤ {rate}"),
                Figure("the same ÷ answers at once", late / at_once, "≥ 0.85"),
                Figure("most that came within a second, in any run", most, f"≤ {rate}"),
            ]
    return figures


def _crowd(prefix: str, count: int, target: str, channel: Channel) -> Crowd:
    numbers = () if channel is Channel.EMAIL else tuple(f"+336{number:08}" for number in range(count))
    chats = tuple(each.removeprefix("+") for each in numbers)
    addresses = chats if channel is Channel.TELEGRAM else numbers
    return Crowd(prefix, count, target, channel=channel, addresses=addresses)


def _detect_fresh(stack: NotifierStack, channel: Channel, count: int) -> Iterator[UUID]:
    for number in range(1, count + 1):
        yield stack.detect(f"{channel}_91/desk-{number}")
        time.sleep(_GAPS[channel])
