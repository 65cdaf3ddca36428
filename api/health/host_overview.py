"""Overview of the hosts that rest, are stopped or have a reduced budget, and of the outages that last."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from api.health.read_session import read_session
from api.models.desk import HostState, Outage
from configs.clock import clock

_WHOLE = 0.995  # of its budget: what rounds to 100 % is whole


@dataclass(frozen=True, slots=True)
class RestingHost:
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
class ReducedHost:
    """A host that is asked less often than its budget; `share` is what is left of it."""

    host: str
    share: float


@dataclass(frozen=True, slots=True)
class HostOverview:
    """What is unusual; a host that is asked as usual is in none of the lists."""

    resting: list[RestingHost]
    stopped: list[StoppedHost]
    reduced: list[ReducedHost]


@dataclass(frozen=True, slots=True)
class OpenOutage:
    """An outage that lasts."""

    desk: str
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class OutageOverview:
    """The outages that last, oldest first."""

    open: list[OpenOutage]


def read_hosts() -> HostOverview:
    """Read the table `hosts`."""
    now = clock()
    with read_session() as s:
        rows = s.scalars(sa.select(HostState).order_by(HostState.host)).all()
    return HostOverview(
        [
            RestingHost(row.host, row.rests_until, row.rest_reason or "", row.rests_in_a_row)
            for row in rows
            if row.rests_until and row.rests_until > now
        ],
        [StoppedHost(row.host, row.stopped_at, row.stop_reason or "") for row in rows if row.stopped_at],
        [ReducedHost(row.host, row.budget_share) for row in rows if row.budget_share < _WHOLE],
    )


def read_outages() -> OutageOverview:
    """Read the outages that have no end yet."""
    last = sa.select(Outage).where(Outage.ends_at.is_(None)).order_by(Outage.starts_at, Outage.desk_id)
    with read_session() as s:
        return OutageOverview([OpenOutage(row.desk_id, row.starts_at, row.reason) for row in s.scalars(last)])
