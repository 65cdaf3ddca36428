"""Back-off of hosts that refused us or limited our rate: its rules, and its rows in the table `hosts`.

Refused checks write it, the planner reads it and lets hosts recover. A plain 403 is put down to one page where other
pages of the host were just read, else to the host.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.desk import DeskChange, DeskState, DeskStatus, HostState, OutageReason
from configs.settings.constants import Constant
from configs.world.check_intervals import LONGEST_REST_SECONDS
from configs.world.outcome import Outcome
from configs.world.prefecture import desks
from crawler.incidents import outages
from crawler.items import CheckItem
from crawler.scheduling import intervals
from crawler.scheduling.intervals import desks_on

# A page that answers 403 is closed, and its host not blocked, where another page there was read so lately
REFUSAL_SECONDS = Constant("REFUSAL_SECONDS", 3600.0)
# First rest of a host that refused us; each further one is twice as long
_BLOCK_REST_SECONDS = Constant("BLOCK_REST_SECONDS", 300.0)
# First rest of a host that asked us to come less often and did not say when; each further one is twice as long
_RATE_REST_SECONDS = Constant("RATE_REST_SECONDS", 60.0)
# Longest Retry-After that is obeyed
_RETRY_AFTER_MAX_SECONDS = 86400
# After so long with conclusive answers half of a host's rests are forgotten and an eighth of its budget is back
_CALM_SECONDS = 3600
# Smallest part of a host's budget that stays in use, however often the host asked for less
_LEAST_BUDGET_SHARE = Constant("LEAST_BUDGET_SHARE", 0.0625)

_REASONS = {
    Outcome.BLOCKED: "the site refused us",
    Outcome.RATE_LIMITED: "the site asked us to come less often",
}
RESTING = frozenset(_REASONS)
_REGROWTH = 0.125  # of the whole budget, for each calm period
_JITTER = 0.1
_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class HostBackoff:
    """Back-off of one host: until when it rests and why, rests in a row, the share of its budget that is left.

    `calm_since`: its first conclusive answer since the last rest, or since something was last forgotten.
    """

    rests_until: datetime | None = None
    rest_reason: str | None = None
    rests_in_a_row: int = 0
    budget_share: float = 1.0
    calm_since: datetime | None = None


def after_refusal(
    memory: HostBackoff,
    outcome: Outcome,
    *,
    started_at: datetime,
    now: datetime,
    retry_after: float | None = None,
    lot: float = 0,
) -> HostBackoff:
    """Return the memory after a check that was refused (`RESTING`): each rest is longer than the one before.

    A check that started before the rest ended met what began it: it is no new rest. `lot`, from 0 to 1, lengthens
    the rest a little, so that we do not come back at equal distances.
    """
    again = memory.rests_until is not None and started_at < memory.rests_until
    before = memory.rests_in_a_row - again
    seconds = _rest(outcome, before, retry_after) * (1 + _JITTER * lot)
    until = max(now + timedelta(seconds=seconds), memory.rests_until or now)
    share = memory.budget_share
    if not again and (outcome is Outcome.RATE_LIMITED or _answered_between(memory)):
        share = min(share, max(share / 2, _LEAST_BUDGET_SHARE()))
    return HostBackoff(until, _REASONS[outcome], before + 1, share)


def after_success(memory: HostBackoff, proven_at: datetime | None) -> HostBackoff:
    """Return the memory after a conclusive answer at `proven_at`, the latest on that host.

    Each CALM_SECONDS of such answers half of the rests in a row are forgotten and an eighth of the budget is back.
    The latest may be older than `calm_since`: the desk that gave a later one is not watched any more.
    """
    if proven_at is None or (memory.rests_until and proven_at < memory.rests_until):
        return memory
    if memory.calm_since is None:
        return replace(memory, calm_since=proven_at)
    period = timedelta(seconds=_CALM_SECONDS)
    periods = max(0, (proven_at - memory.calm_since) // period)
    return replace(
        memory,
        rests_in_a_row=memory.rests_in_a_row >> periods,
        budget_share=min(1.0, memory.budget_share + periods * _REGROWTH),
        calm_since=memory.calm_since + periods * period,
    )


def _answered_between(memory: HostBackoff) -> bool:
    """Whether the host answered well since its last rest: if so, our rate caused the new refusal."""
    return memory.rests_in_a_row > 0 and memory.calm_since is not None


def _rest(outcome: Outcome, before: int, retry_after: float | None) -> float:
    asked = max(0, min(retry_after or 0, _RETRY_AFTER_MAX_SECONDS))  # a page may say -5, inf or nan
    if outcome is Outcome.RATE_LIMITED and asked:
        return asked
    first = _BLOCK_REST_SECONDS() if outcome is Outcome.BLOCKED else _RATE_REST_SECONDS()
    return max(asked, min(first * 2.0 ** min(before, _DOUBLINGS), LONGEST_REST_SECONDS()))


_SIBLINGS = sa.select(sa.func.max(DeskState.last_proven_at), sa.func.max(DeskState.refused_at))


def reclassify_page_refusals(session: Session, checks: Sequence[CheckItem], now: datetime) -> list[CheckItem]:
    """Return the checks, `closed` in place of `blocked` where only this page was refused.

    That takes a conclusive answer to another desk of the host within REFUSAL_SECONDS, and later than any other
    desk's refusal: a host that begins to refuse everything closes one page at most before it counts as blocked.
    """
    why = "while other pages of its host are read"
    return [
        replace(check, outcome=Outcome.CLOSED, reason=f"{check.reason}, {why}")
        if check.refused and _only_this(session, check, checks, now)
        else check
        for check in checks
    ]


def _only_this(session: Session, check: CheckItem, checks: Sequence[CheckItem], now: datetime) -> bool:
    desk = desks().get(check.desk_id)
    others = {each.id for each in desks_on(desk.host)} - {check.desk_id} if desk else set()
    beside = [each for each in checks if each.desk_id in others]
    proven, refused = session.execute(_SIBLINGS.where(DeskState.id.in_(others))).one()
    proofs = [proven, *(each.started_at for each in beside if each.outcome.conclusive)]
    refusals = [refused, *(each.started_at for each in beside if each.refused)]
    last = max(filter(None, proofs), default=None)
    if last is None or now - last > timedelta(seconds=REFUSAL_SECONDS()):
        return False
    return all(last > refusal for refusal in refusals if refusal)


_COLUMNS = tuple(HostBackoff.__dataclass_fields__)
_MEMORY = sa.select(HostState.host, *(getattr(HostState, name) for name in _COLUMNS))


def rest_hosts(session: Session, refused: Collection[CheckItem], now: datetime) -> dict[str, datetime]:
    """Let the hosts of refused checks rest, with all their desks; return until when.

    Raises:
        sqlalchemy.exc.DBAPIError: the server is in trouble.
    """
    by_host = {desks()[check.desk_id].host: check for check in refused}
    for host, check in by_host.items():
        _rest_desks(session, host, check)
    memories = _lock_hosts(session, by_host)
    for check in refused:
        host = desks()[check.desk_id].host
        before = memories.get(host, HostBackoff())
        memories[host] = after_refusal(
            before,
            check.outcome,
            started_at=check.started_at,
            now=now,
            retry_after=check.retry_after,
            lot=intervals.stable_random(host, before.rests_in_a_row, check.started_at),
        )
        if memories[host].budget_share != before.budget_share:
            for desk in desks_on(host)[:1]:
                session.add(DeskChange(desk_id=desk.id, reason="its host's budget is less"))
    _write(session, memories, now)
    return {host: memory.rests_until for host, memory in memories.items() if memory.rests_until}


def recover_hosts(session: Session, now: datetime) -> None:
    """Let hosts that answer well recover; a budget that grew becomes a desk change for the planner."""
    shaken = sa.or_(HostState.rests_in_a_row > 0, HostState.budget_share < 1)
    found = session.scalars(sa.select(HostState.host).where(shaken))
    hosts = {host: [desk.id for desk in desks_on(host)] for host in found}
    if not hosts:
        return
    proven = _last_proven(session, [desk_id for ids in hosts.values() for desk_id in ids])
    before = _lock_hosts(session, hosts)
    after = {
        host: after_success(memory, max(filter(None, map(proven.get, hosts[host])), default=None))
        for host, memory in before.items()
    }
    _write(session, {host: memory for host, memory in after.items() if memory != before[host]}, now)
    for host, memory in after.items():
        if memory.budget_share != before[host].budget_share and hosts[host]:
            session.add(DeskChange(desk_id=hosts[host][0], reason="its host's budget is more"))


def budget_shares(session: Session, hosts: Collection[str]) -> dict[str, float]:
    """Return what share of its budget each host has left, where that is less than all."""
    row = sa.select(HostState.host, HostState.budget_share)
    found = session.execute(row.where(HostState.host.in_(hosts), HostState.budget_share < 1))
    return dict(found.all())


def active_rests(session: Session, now: datetime) -> dict[str, datetime]:
    """Return until when hosts are to be left alone: the memory that an emptied Redis lacks."""
    row = sa.select(HostState.host, HostState.rests_until).where(HostState.rests_until > now)
    return {host: until for host, until in session.execute(row) if until}


def _rest_desks(session: Session, host: str, check: CheckItem) -> None:
    """Write to each desk of the host why it is not watched."""
    ids = [desk.id for desk in desks_on(host)]
    if check.outcome is Outcome.BLOCKED:
        reopened = _reopen_misjudged(session, ids, check.started_at)
        turns = [
            outages.OutageChange(desk_id, check.started_at, OutageReason.BLOCKED) for desk_id in reopened
        ]
        outages.write_outages(session, turns)
        session.execute(
            sa.update(DeskState)
            .where(DeskState.id.in_(ids), DeskState.status == DeskStatus.ACTIVE)
            .values(
                status=DeskStatus.PAUSED,
                status_reason="the site refuses us: it is left alone for a while",
            )
        )
    outages.begin_outages(session, ids, check.started_at, OutageReason(check.outcome.value))


def _reopen_misjudged(session: Session, ids: Collection[str], at: datetime) -> list[str]:
    """Reopen pages that a 403 closed shortly before their host refused everything: the block was the host's."""
    proven = sa.select(sa.func.max(DeskState.last_proven_at)).where(DeskState.id.in_(ids)).scalar_subquery()
    closed = (
        sa.update(DeskState)
        .where(
            DeskState.id.in_(ids),
            DeskState.last_outcome == Outcome.CLOSED,
            DeskState.refused_at > at - timedelta(seconds=REFUSAL_SECONDS()),
            DeskState.refused_at > sa.func.coalesce(proven, DeskState.refused_at - timedelta(seconds=1)),
        )
        .values(
            status=DeskStatus.PAUSED,
            status_reason="the site refuses us: it is left alone for a while",
            last_outcome=Outcome.BLOCKED,
            check_requested_at=at,
        )
    )
    return list(session.scalars(closed.returning(DeskState.id)))


def _last_proven(session: Session, ids: Collection[str]) -> dict[str, datetime | None]:
    row = sa.select(DeskState.id, DeskState.last_proven_at).where(DeskState.id.in_(ids))
    return dict(session.execute(row).all())


def _lock_hosts(session: Session, hosts: Iterable[str]) -> dict[str, HostBackoff]:
    rows = session.execute(
        _MEMORY.where(HostState.host.in_(sorted(hosts))).order_by(HostState.host).with_for_update()
    )
    return {host: HostBackoff(*values) for host, *values in rows}


def _write(session: Session, memories: Mapping[str, HostBackoff], now: datetime) -> None:
    for host in sorted(memories):
        values = {**asdict(memories[host]), "updated_at": now}
        fresh = insert(HostState).values(host=host, **values)
        session.execute(fresh.on_conflict_do_update(index_elements=["host"], set_=values))
