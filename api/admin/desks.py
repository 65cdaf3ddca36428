"""Desks with their checks, and hosts, as operators see them; how many people wait for desks."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.ground.errors import ensure_found, not_found
from api.ground.paging import DAY, LARGEST_NUMBER, MONTH, Found, apply_filter, cut_page
from api.ground.schemas import Body
from api.models.alert import Alert, AlertTarget
from api.models.check import Check
from api.models.desk import DeskState, DeskStatus, HostState, is_forbidden
from api.prefectures.schemas import DeskAnswer
from api.prefectures.watch_states import WatchStates, read_watch_states
from configs.ground.clock import clock
from configs.world.desk import Desk, Outcome
from configs.world.prefecture import desks, desks_by_host, host_rules

DeskId = Annotated[str, Field(max_length=200)]
PrefectureId = Annotated[str, Field(max_length=100)]


class DeskQuery(Body):
    """Desks of a prefecture, with a status, or paused by an operator; `after` is the `next` of the page before."""

    prefecture_id: PrefectureId | None = None
    status: DeskStatus | None = None
    paused: bool | None = None
    after: DeskId | None = None
    limit: int = Field(30, ge=1, le=100)


@dataclass(frozen=True, slots=True)
class WatchedDesk:
    """A desk as its subscribers see it, its host, and its row: what the planner and operators wrote."""

    shown: DeskAnswer
    host: str
    state: DeskState

    @property
    def id(self) -> str:
        """The desk's id."""
        return self.shown.id


def list_desks(session: Session, wanted: DeskQuery) -> Found[WatchedDesk]:
    """Return a page of the desk files' desks, in the order of their ids."""
    chosen = [
        each
        for _, each in sorted(desks().items())
        if wanted.prefecture_id in (None, each.prefecture_id) and (not wanted.after or each.id > wanted.after)
    ]
    now = read_watch_states(session, chosen)
    entries = [entry for each in chosen if _is_wanted(entry := _build_desk(each, now), wanted)]
    shown, more = cut_page(entries, wanted.limit)
    return Found(shown, shown[-1].id if more else None)


def read_desk(session: Session, desk: Desk) -> WatchedDesk:
    """Return one desk."""
    return _build_desk(desk, read_watch_states(session, [desk]))


def find_desk(desk_id: str) -> Desk:
    """Return a desk of the desk files.

    Raises:
        ApiError: 404.
    """
    return ensure_found(desks().get(desk_id), "desk")


def list_host_desks(session: Session, host: str) -> list[WatchedDesk]:
    """Return the desks of a host that are scheduled, in the order of their ids."""
    chosen = [desk for _, desk in sorted(desks().items()) if desk.host == host and desk.schedulable]
    now = read_watch_states(session, chosen)
    return [_build_desk(each, now) for each in chosen]


def count_waiting_people(session: Session, chosen: Collection[Desk]) -> int:
    """Return how many users have an alert that waits for one of these desks."""
    named = AlertTarget.desk_id.in_([desk.id for desk in chosen])
    pairs = {(desk.prefecture_id, procedure) for desk in chosen for procedure in desk.procedures}
    served = sa.tuple_(AlertTarget.prefecture_id, AlertTarget.procedure).in_(sorted(pairs))
    query = sa.select(sa.func.count(Alert.user_id.distinct())).join(AlertTarget)
    query = query.where(Alert.enabled, Alert.closed_at.is_(None), sa.or_(named, served))
    return session.scalar(query) or 0


def _is_wanted(entry: WatchedDesk, wanted: DeskQuery) -> bool:
    paused = entry.state.paused_at is not None
    return wanted.status in (None, entry.shown.status) and wanted.paused in (None, paused)


def _build_desk(desk: Desk, now: WatchStates) -> WatchedDesk:
    return WatchedDesk(now.build_answer(desk), desk.host, now.states.get(desk.id) or DeskState())


class CheckQuery(Body):
    """Checks of a desk, or of all desks in the last `hours`; `before` is the `next` of the page before."""

    desk_id: DeskId | None = None
    outcome: Outcome | None = None
    hours: int = Field(DAY, ge=1, le=MONTH)
    before: int | None = Field(None, ge=1, le=LARGEST_NUMBER)
    limit: int = Field(50, ge=1, le=100)


def list_checks(session: Session, wanted: CheckQuery) -> Found[Check]:
    """Return a page of checks, the newest first."""
    query = sa.select(Check)
    if wanted.desk_id:
        query = query.where(Check.desk_id == wanted.desk_id)
    else:
        query = query.where(Check.started_at >= clock() - timedelta(hours=wanted.hours))
    query = apply_filter(query, wanted, outcome=Check.outcome)
    if wanted.before:
        last = sa.select(Check.started_at).where(Check.id == wanted.before).scalar_subquery()
        query = query.where(sa.tuple_(Check.started_at, Check.id) < sa.tuple_(last, wanted.before))
    latest = query.order_by(Check.started_at.desc(), Check.id.desc()).limit(wanted.limit + 1)
    checks, more = cut_page(session.scalars(latest).all(), wanted.limit)
    return Found(checks, checks[-1].id if more else None)


class HostQuery(Body):
    """Which page of the hosts; `after` is the `next` of the page before."""

    after: Annotated[str, Field(max_length=300)] | None = None
    limit: int = Field(50, ge=1, le=100)


@dataclass(frozen=True, slots=True)
class KnownHost:
    """A web host (`name:port`), how many of its desks are scheduled, and its row: rests, budget, stop."""

    host: str
    desks: int
    state: HostState

    @property
    def rests_until(self) -> datetime | None:
        """The end of its rest; None if it does not rest."""
        until = self.state.rests_until
        return until if until is not None and until > clock() else None


def list_hosts(session: Session, wanted: HostQuery) -> Found[KnownHost]:
    """Return a page of the hosts that have scheduled desks or a row, in the order of their names."""
    watched = count_watched_desks()
    known = set(session.scalars(sa.select(HostState.host))) | watched.keys()
    names = sorted(each for each in known if not wanted.after or each > wanted.after)
    shown, more = cut_page(names, wanted.limit)
    rows = session.scalars(sa.select(HostState).where(HostState.host.in_(shown)))
    states = {row.host: row for row in rows}
    items = [KnownHost(name, watched[name], states.get(name) or _build_new_host(name)) for name in shown]
    return Found(items, shown[-1] if more else None)


def read_host(session: Session, host: str) -> KnownHost:
    """Return a host that has scheduled desks or a row.

    Raises:
        ApiError: 404, it has neither.
    """
    # A column takes no NUL, which the address of a page may hold.
    state = None if "\0" in host else session.get(HostState, host)
    watched = count_watched_desks()[host]
    if not watched and state is None:
        raise not_found("host")
    return KnownHost(host, watched, state or _build_new_host(host))


def count_forbidden_desks(session: Session, host: str) -> int:
    """Return how many desks of a host robots.txt forbids, as far as that counts."""
    here = {desk.id: desk for desk in desks_by_host().get(host, ())}
    since = session.execute(sa.select(DeskState.id, DeskState.forbidden_at).where(DeskState.id.in_(here)))
    return sum(is_forbidden(here[desk_id], at) for desk_id, at in since)


def count_watched_desks() -> Counter[str]:
    """Return how many desks are asked, by host; of a host about which an operator is to decide all."""
    undecided = {host for host, rule in host_rules().items() if rule.is_undecided}
    every = desks().values()
    return Counter(
        desk.host for desk in every if desk.schedulable or desk.is_probed or desk.host in undecided
    )


def _build_new_host(name: str) -> HostState:
    """Return the state of a host that never refused us."""
    return HostState(host=name, budget_share=1.0, rests_in_a_row=0)
