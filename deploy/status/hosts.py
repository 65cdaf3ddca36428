"""The hosts that are not asked as usual, and the desks that are not watched for it."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from rich.text import Text

from api.models.desk import HostState, Outage
from configs.clock import clock
from configs.formatting import format_duration, pluralize
from deploy.status.parallel_probe import tables
from deploy.status.text import BAD, DIM, GOOD, ODD, first, join_pieces, line

_WHOLE = 0.995  # of its budget: what rounds to 100 % is whole


@dataclass(frozen=True, slots=True)
class Resting:
    """A host that is left alone for a while."""

    host: str
    until: datetime
    reason: str
    rests_in_a_row: int


@dataclass(frozen=True, slots=True)
class StoppedHost:
    """A host that an operator has stopped."""

    host: str
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Reduced:
    """A host that is asked less often than its budget; `share` is what is left of it."""

    host: str
    share: float


@dataclass(frozen=True, slots=True)
class Hosts:
    """What is unusual; a host that is asked as usual is in none of the lists."""

    resting: list[Resting]
    stopped: list[StoppedHost]
    reduced: list[Reduced]


@dataclass(frozen=True, slots=True)
class Open:
    """An outage that lasts."""

    desk: str
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Outages:
    """The outages that last, oldest first."""

    open: list[Open]


def read_hosts() -> Hosts:
    """Read the table `hosts`."""
    now = clock()
    with tables() as s:
        rows = s.scalars(sa.select(HostState).order_by(HostState.host)).all()
    return Hosts(
        [
            Resting(row.host, row.rests_until, row.rest_reason or "", row.rests_in_a_row)
            for row in rows
            if row.rests_until and row.rests_until > now
        ],
        [StoppedHost(row.host, row.stopped_at, row.stop_reason or "") for row in rows if row.stopped_at],
        [Reduced(row.host, row.budget_share) for row in rows if row.budget_share < _WHOLE],
    )


def read_outages() -> Outages:
    """Read the outages that have no end yet."""
    last = sa.select(Outage).where(Outage.ends_at.is_(None)).order_by(Outage.starts_at, Outage.desk_id)
    with tables() as s:
        return Outages([Open(row.desk_id, row.starts_at, row.reason) for row in s.scalars(last)])


def lines(part: Hosts) -> list[Text]:
    """Say it."""
    said = [line((each.host, BAD), f" stopped by an operator: {each.reason}") for each in part.stopped]
    said += [
        line((each.host, ODD), f" rests {format_duration(each.until - clock())} more: {each.reason}")
        for each in part.resting
    ]
    said += [line((each.host, ODD), f" at {each.share:.0%} of its budget") for each in part.reduced]
    return first(said, "hosts") or [line(("all asked as usual", GOOD))]


def outage_lines(part: Outages) -> list[Text]:
    """Say it."""
    if not part.open:
        return [line(("none", GOOD))]
    reasons = Counter(each.reason for each in part.open)
    head = line(
        (pluralize(len(part.open), "desk"), ODD), " not watched: ",
        join_pieces(Text(f"{number} {reason}") for reason, number in reasons.most_common()),
    )  # fmt: skip
    now = clock()
    oldest = [
        line(f"{each.reason} for {format_duration(now - each.since)}", (f"  {each.desk}", DIM))
        for each in part.open
    ]
    return [head, *first(oldest, "desks")]
