"""What turned in the watching, besides checks and messages: hosts left alone, outages, slots that went."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.desk import HostState, Outage
from api.models.slot import GoneReason, SlotRow


@dataclass(frozen=True, slots=True)
class Rest:
    """A host is left alone until then: it refused us, or asked us to come less often."""

    at: datetime
    host: str
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class WatchStop:
    """An operator stopped a host."""

    at: datetime
    host: str
    reason: str


@dataclass(frozen=True, slots=True)
class OutageBegan:
    """From then on a desk was not watched."""

    at: datetime
    desk_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class OutageEnded:
    """A desk is watched again."""

    at: datetime
    desk_id: str
    reason: str
    began_at: datetime


@dataclass(frozen=True, slots=True)
class Gone:
    """So many slots of a desk went at once; the first of them was open from `opened_at`."""

    at: datetime
    desk_id: str
    reason: GoneReason
    count: int
    opened_at: datetime


Turn = Rest | WatchStop | OutageBegan | OutageEnded | Gone


def turns(session: Session, since: datetime) -> Iterator[Turn]:
    """Yield what turned since then, each kind in the order of time."""
    yield from _hosts(session, since)
    yield from _outages(session, since)
    yield from _gone_slots(session, since)


def _hosts(session: Session, since: datetime) -> Iterator[Turn]:
    for host in session.scalars(sa.select(HostState).where(HostState.updated_at >= since)):
        if host.rests_until and host.rests_until > host.updated_at:
            yield Rest(host.updated_at, host.host, host.rests_until, host.rest_reason or "")
        if host.stopped_at and host.stopped_at >= since:
            yield WatchStop(host.stopped_at, host.host, host.stop_reason or "")


def _outages(session: Session, since: datetime) -> Iterator[Turn]:
    recent = sa.or_(Outage.starts_at >= since, Outage.ends_at >= since)
    outages = session.scalars(sa.select(Outage).where(recent).order_by(Outage.id)).all()
    began = {(outage.desk_id, outage.starts_at) for outage in outages}
    for outage in outages:
        # where the next one begins as it ends, only its reason has changed: the desk is not watched again
        if outage.ends_at and outage.ends_at >= since and (outage.desk_id, outage.ends_at) not in began:
            yield OutageEnded(outage.ends_at, outage.desk_id, outage.reason, outage.starts_at)
        if outage.starts_at >= since:
            yield OutageBegan(outage.starts_at, outage.desk_id, outage.reason)


def _gone_slots(session: Session, since: datetime) -> Iterator[Turn]:
    together = SlotRow.gone_at, SlotRow.desk_id, SlotRow.gone_reason
    went = sa.select(*together, sa.func.count(), sa.func.min(SlotRow.opened_at)).group_by(*together)
    row: Any
    for row in session.execute(went.where(SlotRow.gone_at >= since)):
        yield Gone(*row)
