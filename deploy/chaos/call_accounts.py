"""Account of calls: the numbers that rang, how often about the same slots, and that none rang after the key."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from api.models.notification import Notification
from deploy.chaos.periods import CALL_ATTEMPTS
from notifier.call_series import ATTEMPT, HAS_KEY, SERIES
from notifier.message_kinds import SLOT_CALL

Received = Callable[[str], Sequence[datetime]]


@dataclass(frozen=True)
class OurCall:
    """An attempt as our tables have it."""

    id: str
    series: str
    attempt: int
    has_key: bool


@dataclass
class CallAccount:
    """Numbers of a run, and every difference in words."""

    series: int = 0
    rang: int = 0
    ended_by_key: int = 0
    differences: list[str] = field(default_factory=list)


def settle_calls(
    ours: Iterable[OurCall], received: Received, called: Collection[str], wanted: Collection[str]
) -> CallAccount:
    """Hold our attempts beside the calls that rang. `called` are all numbers that rang, `wanted` those that may."""
    account = CallAccount()
    by_series: dict[str, list[OurCall]] = defaultdict(list)
    for each in ours:
        by_series[each.series].append(each)
    for series, attempts in by_series.items():
        _settle_series(account, series, sorted(attempts, key=lambda each: each.attempt), received)
    strangers = sorted(set(called) - set(wanted))
    account.differences += [f"{number} was called, and wants no calls" for number in strangers]
    return account


def _settle_series(
    account: CallAccount, series: str, attempts: Sequence[OurCall], received: Received
) -> None:
    rang = {each.attempt: len(received(each.id)) for each in attempts}
    account.series += 1
    account.rang += sum(rang.values())
    if sum(rang.values()) > CALL_ATTEMPTS:
        account.differences.append(f"calls {series}: rang {sum(rang.values())} times")
    ended = next((each.attempt for each in attempts if each.has_key), None)
    if ended is None:
        return
    account.ended_by_key += 1
    if any(rang[number] for number in rang if number > ended):
        account.differences.append(f"calls {series}: rang again after the key of attempt {ended}")


def read_calls(engine: sa.Engine) -> list[OurCall]:
    """Read our tables."""
    row = Notification
    query = sa.select(
        row.id, row.params[SERIES].astext, row.params[ATTEMPT].astext, row.params.has_key(HAS_KEY)
    ).where(row.kind == SLOT_CALL)
    with engine.connect() as connection:
        return [
            OurCall(str(key), series, int(attempt), has_key)
            for key, series, attempt, has_key in connection.execute(query)
        ]
