"""Events of the live feed: each check, detection, notification and change of the watching since the last look, once."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.models.check import Check
from api.models.desk import DeskState, HostState, Outage
from api.models.notification import Notification
from api.models.slot import Detection, GoneReason, SlotRow
from configs.clock import clock

_LATE = timedelta(seconds=30)  # a row may become visible that long after its own time


@dataclass(frozen=True, slots=True)
class HostRest:
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
class SlotsGone:
    """So many slots of a desk went at once; the first of them was open from `opened_at`."""

    at: datetime
    desk_id: str
    reason: GoneReason
    count: int
    opened_at: datetime


WatchEvent = HostRest | WatchStop | OutageBegan | OutageEnded | SlotsGone
Row = Check | Detection | Notification
Event = Row | WatchEvent


@dataclass
class SlotsGoneDebounce:
    """Slots that a page did not show, held back until it has not shown them twice, because pages flap."""

    _held: list[SlotsGone] = field(default_factory=list)

    def hold_back(self, events: Iterable[Event]) -> list[Event]:
        """Keep slots that a page did not show just now; return all other events."""
        others: list[Event] = []
        for event in events:
            if isinstance(event, SlotsGone) and event.reason is GoneReason.TAKEN:
                self._held.append(event)
            else:
                others.append(event)
        return others

    def confirmed(self, session: Session) -> list[SlotsGone]:
        """Return, once each, those whose desk was covered as a whole since; what came back is left out."""
        covered = [gone for gone in self._held if _covered_since(session, gone)]
        self._held = [gone for gone in self._held if gone not in covered]
        still_gone = [_without_those_back(session, gone) for gone in covered]
        return [gone for gone in still_gone if gone.count]


@dataclass
class LiveFeed:
    """Remembers what it has shown, as long as it could come up again."""

    since: datetime = field(default_factory=clock)
    _shown: dict[Hashable, datetime] = field(default_factory=dict)
    _debounce: SlotsGoneDebounce = field(default_factory=SlotsGoneDebounce)

    def new_events(self, session: Session) -> list[Event]:
        """Return what was not returned yet, oldest first; a notification again in each new state.

        Slots that a page does not show are returned, last, once it has not shown them twice.
        """
        now = clock()
        new = [(at, event) for at, event in self._recent(session) if self._is_new(at, event)]
        self.since = max(self.since, now - _LATE)
        self._shown = {key: at for key, at in self._shown.items() if at >= self.since}
        events = [event for _, event in sorted(new, key=lambda pair: pair[0])]
        return self._debounce.hold_back(events) + self._debounce.confirmed(session)

    def _recent(self, session: Session) -> Iterator[tuple[datetime, Event]]:
        for check in session.scalars(sa.select(Check).where(Check.started_at >= self.since)):
            yield check.started_at + timedelta(milliseconds=check.milliseconds), check
        for detection in session.scalars(sa.select(Detection).where(Detection.committed_at >= self.since)):
            yield detection.committed_at, detection
        ended_at = sa.func.coalesce(Notification.failed_at, Notification.accepted_at)
        ended = sa.select(Notification, ended_at).where(
            sa.or_(Notification.accepted_at >= self.since, Notification.failed_at >= self.since)
        )
        for notification, at in session.execute(ended):
            yield at, notification
        for event in read_watch_events(session, self.since):
            yield event.at, event

    def _is_new(self, at: datetime, event: Event) -> bool:
        key = _key(event)
        is_new = key not in self._shown
        self._shown[key] = at
        return is_new


def _key(event: Event) -> Hashable:
    if isinstance(event, Row):
        return event.id, event.state.value if isinstance(event, Notification) else type(event).__name__
    # a host's row is written for other reasons too
    return (event.host, event.until) if isinstance(event, HostRest) else event


def _covered_since(session: Session, gone: SlotsGone) -> bool:
    whole = sa.exists().where(DeskState.id == gone.desk_id, DeskState.whole_at > gone.at)
    return bool(session.scalar(sa.select(whole)))


def _without_those_back(session: Session, gone: SlotsGone) -> SlotsGone:
    back = aliased(SlotRow)
    same = sa.and_(
        back.desk_id == SlotRow.desk_id,
        back.place_key == SlotRow.place_key,
        back.moment == SlotRow.moment,
        back.opened_at >= SlotRow.gone_at,
    )
    went = sa.and_(
        SlotRow.desk_id == gone.desk_id, SlotRow.gone_at == gone.at, SlotRow.gone_reason == gone.reason
    )
    query = sa.select(sa.func.count(), sa.func.min(SlotRow.opened_at)).where(went, ~sa.exists().where(same))
    number, opened_at = session.execute(query).one()
    return replace(gone, count=number, opened_at=opened_at)


def read_watch_events(session: Session, since: datetime) -> Iterator[WatchEvent]:
    """Yield hosts left alone, outages and gone slots since then, each kind in the order of time."""
    yield from _hosts(session, since)
    yield from _outages(session, since)
    yield from _slots_gone(session, since)


def _hosts(session: Session, since: datetime) -> Iterator[WatchEvent]:
    for host in session.scalars(sa.select(HostState).where(HostState.updated_at >= since)):
        if host.rests_until and host.rests_until > host.updated_at:
            yield HostRest(host.updated_at, host.host, host.rests_until, host.rest_reason or "")
        if host.stopped_at and host.stopped_at >= since:
            yield WatchStop(host.stopped_at, host.host, host.stop_reason or "")


def _outages(session: Session, since: datetime) -> Iterator[WatchEvent]:
    recent = sa.or_(Outage.starts_at >= since, Outage.ends_at >= since)
    outages = session.scalars(sa.select(Outage).where(recent).order_by(Outage.id)).all()
    began = {(outage.desk_id, outage.starts_at) for outage in outages}
    for outage in outages:
        # where the next one begins as it ends, only its reason has changed: the desk is not watched again
        if outage.ends_at and outage.ends_at >= since and (outage.desk_id, outage.ends_at) not in began:
            yield OutageEnded(outage.ends_at, outage.desk_id, outage.reason, outage.starts_at)
        if outage.starts_at >= since:
            yield OutageBegan(outage.starts_at, outage.desk_id, outage.reason)


def _slots_gone(session: Session, since: datetime) -> Iterator[WatchEvent]:
    together = SlotRow.gone_at, SlotRow.desk_id, SlotRow.gone_reason
    went = sa.select(*together, sa.func.count(), sa.func.min(SlotRow.opened_at)).group_by(*together)
    row: Any
    for row in session.execute(went.where(SlotRow.gone_at >= since)):
        yield SlotsGone(*row)
