"""Overview of the hosts that rest, are stopped or have a reduced budget, and of the outages that last."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from api.health.read_session import read_session
from api.models.desk import HostState, Outage
from configs.clock import clock

_WHOLE = 0.995  # a share of the budget that rounds to 100 % is whole


@dataclass(frozen=True, slots=True)
class RestingHost:
    """A host that is not asked until an instant."""

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
    """A host with a reduced budget; `share` is the part that remains."""

    host: str
    share: float


@dataclass(frozen=True, slots=True)
class HostOverview:
    """Hosts in an unusual state; all others are in none of the lists."""

    resting: list[RestingHost]
    stopped: list[StoppedHost]
    reduced: list[ReducedHost]


@dataclass(frozen=True, slots=True)
class OpenOutage:
    """An outage without an end."""

    desk: str
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class OutageOverview:
    """The outages without an end, oldest first."""

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
    """Read the outages without an end."""
    last = sa.select(Outage).where(Outage.ends_at.is_(None)).order_by(Outage.starts_at, Outage.desk_id)
    with read_session() as s:
        return OutageOverview([OpenOutage(row.desk_id, row.starts_at, row.reason) for row in s.scalars(last)])
