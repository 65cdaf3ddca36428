"""Account of messages by push: what we count as sent has come, and only to browsers that subscribed."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from api.models.notification import Notification, State
from api.models.user import Channel

Received = Callable[[str], Sequence[datetime]]


@dataclass(frozen=True)
class OurPush:
    """A message by push as our tables have it."""

    id: str
    state: State
    unknown_attempts: int


@dataclass
class PushAccount:
    """Numbers of a run, and every difference in words."""

    sent: int = 0
    came: int = 0
    differences: list[str] = field(default_factory=list)


def settle_push(
    ours: Iterable[OurPush], received: Received, browsers: Collection[str], wanted: Collection[str]
) -> PushAccount:
    """Hold our messages beside those that came. `browsers` are all that got one, `wanted` those that may."""
    account = PushAccount()
    for each in ours:
        copies = len(received(each.id))
        account.sent += each.state is State.SENT
        account.came += copies
        if each.state is State.SENT and not copies:
            account.differences.append(f"push {each.id}: sent, and never came")
        if copies > 1 + each.unknown_attempts:
            account.differences.append(f"push {each.id}: came {copies} times")
    strangers = sorted(set(browsers) - set(wanted))
    account.differences += [f"{browser} got a push, and has no device" for browser in strangers]
    return account


def read_pushes(engine: sa.Engine) -> list[OurPush]:
    """Read our tables."""
    row = Notification
    query = sa.select(row.id, row.state, row.unknown_attempts).where(row.channel == Channel.PUSH)
    with engine.connect() as connection:
        return [OurPush(str(key), State(state), unknown) for key, state, unknown in connection.execute(query)]
