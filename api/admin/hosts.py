"""Hosts of booking pages as operators see them."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.ground.errors import not_found
from api.ground.paging import Found, cut_page
from api.ground.schemas import Body
from api.models.desk import DeskState, HostState, is_forbidden
from configs.ground.clock import clock
from configs.world.prefecture import desks, desks_by_host, host_rules


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
