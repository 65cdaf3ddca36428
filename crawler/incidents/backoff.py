"""Back-off of hosts that refused us or limited our rate, and outages: paid time in which a desk was not watched.

Refused checks write both, in the tables `hosts` and `outages` (a row per desk and reason); the planner reads them and
lets hosts recover. A plain 403 is put down to one page where other pages of the host were just read, else to the host.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.base import session, write_rows
from api.models.desk import DeskChange, DeskState, DeskStatus, HostState, OutageReason
from configs.settings import Constant
from configs.world.desk import Outcome, longest_rest_seconds
from configs.world.prefecture import desks, desks_by_host
from crawler.items import CheckItem
from crawler.scheduling import intervals
from crawler.scheduling.intervals import COUNTED, PAUSE_AFTER, desks_on
from crawler.scheduling.probes import host_of_visit
from crawler.visit_state import REFUSALS

# A check from before the outage ends nothing: it may be written later than the block that overtook it.
_END_OUTAGES = sa.text("""
UPDATE outages o SET ends_at = n.at
FROM json_to_recordset(:rows) AS n(desk_id text, at timestamptz, reason text)
WHERE o.desk_id = n.desk_id AND o.ends_at IS NULL AND o.starts_at <= n.at
  AND o.reason IS DISTINCT FROM n.reason
""")
_BEGIN_OUTAGES = sa.text("""
INSERT INTO outages (desk_id, starts_at, reason)
SELECT d.id, n.at, n.reason
FROM json_to_recordset(:rows) AS n(desk_id text, at timestamptz, reason text)
JOIN desks d ON d.id = n.desk_id
WHERE n.reason IS NOT NULL AND NOT EXISTS (SELECT FROM outages o WHERE o.desk_id = d.id AND o.ends_at IS NULL)
ORDER BY d.id
ON CONFLICT (desk_id) WHERE ends_at IS NULL DO NOTHING
""")
_END_OTHERS = sa.text("""
UPDATE outages SET ends_at = greatest(starts_at, :at)
WHERE ends_at IS NULL AND desk_id <> ALL(:others) AND (CAST(:reason AS text) IS NULL OR reason = :reason)
""")

# A page that answers 403 is closed, and its host not blocked, where another page there was read so lately
refusal_seconds = Constant("REFUSAL_SECONDS", 3600.0)
# First rest of a host that refused us; each further one is twice as long
_block_rest_seconds = Constant("BLOCK_REST_SECONDS", 300.0)
# First rest of a host that asked us to come less often and did not say when; each further one is twice as long
_rate_rest_seconds = Constant("RATE_REST_SECONDS", 60.0)
# Longest Retry-After that is obeyed
_RETRY_AFTER_MAX_SECONDS = 86400
# After so long with conclusive answers half of a host's rests are forgotten and an eighth of its budget is back
_CALM_SECONDS = 3600
# Smallest part of a host's budget that stays in use, however often the host asked for less
_least_budget_share = Constant("LEAST_BUDGET_SHARE", 0.0625)
_REASONS = {
    Outcome.BLOCKED: "the site refused us",
    Outcome.RATE_LIMITED: "the site asked us to come less often",
}
RESTING = frozenset(_REASONS)
REFUSES = "the site refuses us: it is left alone for a while"
_REGROWTH = 0.125  # of the whole budget, for each calm period
_JITTER = 0.1
_DOUBLINGS = 20
_SIBLINGS = sa.select(sa.func.max(DeskState.last_proven_at), sa.func.max(DeskState.refused_at))


class OutageChange(NamedTuple):
    """A desk, an instant and the reason of its outage from then on; None where it is watched."""

    desk_id: str
    at: datetime
    reason: OutageReason | None


class Refusal(NamedTuple):
    """A host that refused us by one of `RESTING`, when it was asked, and in how many seconds it wants us back."""

    host: str
    outcome: Outcome
    at: datetime
    retry_after: float | None = None


def outage_reason_of(outcome: Outcome, inconclusive: int) -> OutageReason | None:
    """Return why a desk is not watched after this outcome, the `inconclusive`-th that counts; None: it is, still."""
    paused = outcome in COUNTED and inconclusive >= PAUSE_AFTER
    return OutageReason(outcome.value) if outcome in REFUSALS or paused else None


def write_outages(session: Session, turns: Sequence[OutageChange]) -> None:
    """End outages whose desks are watched again or have another reason now, and begin the new ones."""
    if turns:
        rows = {"rows": write_rows(each._asdict() for each in turns)}
        session.execute(_END_OUTAGES, rows)
        session.execute(_BEGIN_OUTAGES, rows)


def begin_outages(session: Session, desk_ids: Collection[str], at: datetime, reason: OutageReason) -> None:
    """Begin an outage of desks whose host is left alone; one that already has an outage keeps its own reason."""
    rows = [{"desk_id": each, "at": at, "reason": reason} for each in sorted(desk_ids)]
    session.execute(_BEGIN_OUTAGES, {"rows": write_rows(rows)})


def end_outages(
    session: Session, others: Collection[str], at: datetime, reason: OutageReason | None = None
) -> None:
    """End the open outages of all desks but these, those of one reason where it is given."""
    session.execute(_END_OTHERS, {"others": sorted(others), "at": at, "reason": reason and reason.value})


def after_refusal(
    host: HostState,
    outcome: Outcome,
    *,
    started_at: datetime,
    now: datetime,
    retry_after: float | None = None,
    lot: float = 0,
) -> None:
    """Let a host rest after a check that was refused (`RESTING`): each rest is longer than the one before.

    A check that started before the rest ended met what began it: it is no new rest. `lot`, from 0 to 1, lengthens
    the rest a little, so that we do not come back at equal distances. Where the host answered well since its last rest,
    our rate caused the new refusal.
    """
    again = host.rests_until is not None and started_at < host.rests_until
    before = host.rests_in_a_row - again
    answered = host.rests_in_a_row > 0 and host.calm_since is not None
    if not again and (outcome is Outcome.RATE_LIMITED or answered):
        host.budget_share = min(host.budget_share, max(host.budget_share / 2, _least_budget_share()))
    seconds = _rest(outcome, before, retry_after) * (1 + _JITTER * lot)
    host.rests_until = max(now + timedelta(seconds=seconds), host.rests_until or now)
    host.rest_reason = _REASONS[outcome]
    host.rests_in_a_row = before + 1
    host.calm_since = None


def after_success(host: HostState, proven_at: datetime | None) -> None:
    """Let a host recover by a conclusive answer at `proven_at`, the latest on it.

    Each CALM_SECONDS of such answers half of the rests in a row are forgotten and an eighth of the budget is back.
    The latest may be older than `calm_since`: the desk that gave a later one is not watched any more.
    """
    if proven_at is None or (host.rests_until and proven_at < host.rests_until):
        return
    calm_since = host.calm_since or proven_at
    period = timedelta(seconds=_CALM_SECONDS)
    periods = max(0, (proven_at - calm_since) // period)
    host.rests_in_a_row >>= periods
    host.budget_share = min(1.0, host.budget_share + periods * _REGROWTH)
    host.calm_since = calm_since + periods * period


def _rest(outcome: Outcome, before: int, retry_after: float | None) -> float:
    asked = max(0, min(retry_after or 0, _RETRY_AFTER_MAX_SECONDS))  # a page may say -5, inf or nan
    if outcome is Outcome.RATE_LIMITED and asked:
        return asked
    first = _block_rest_seconds() if outcome is Outcome.BLOCKED else _rate_rest_seconds()
    return max(asked, min(first * 2.0 ** min(before, _DOUBLINGS), longest_rest_seconds()))


def reclassify_page_refusals(rows: Session, checks: Sequence[CheckItem], now: datetime) -> list[CheckItem]:
    """Return the checks, `closed` in place of `blocked` where only this page was refused; slots that it saw stand.

    That takes a conclusive answer to another desk of the host within REFUSAL_SECONDS, and later than any other
    desk's refusal: a host that begins to refuse everything closes one page at most before it counts as blocked.
    """
    return [
        _put_down_to_page(check) if check.refused and _only_this(rows, check, checks, now) else check
        for check in checks
    ]


def _put_down_to_page(check: CheckItem) -> CheckItem:
    if check.outcome is Outcome.SLOTS:
        return replace(check, trouble=None)
    why = "while other pages of its host are read"
    return replace(check, outcome=Outcome.CLOSED, reason=f"{check.reason}, {why}")


def find_refusals(checks: Iterable[CheckItem]) -> list[Refusal]:
    """Return those of checks, visits to candidates and readings of robots.txt, also where slots were seen before."""
    told = ((each, each.trouble if each.outcome is Outcome.SLOTS else each.outcome) for each in checks)
    return [
        Refusal(host_of_visit(each.desk_id), outcome, each.started_at, each.retry_after)
        for each, outcome in told
        if outcome in RESTING
    ]


def _only_this(rows: Session, check: CheckItem, checks: Sequence[CheckItem], now: datetime) -> bool:
    desk = desks().get(check.desk_id)
    others = {each.id for each in desks_on(desk.host)} - {check.desk_id} if desk else set()
    beside = [each for each in checks if each.desk_id in others]
    proven, refused = rows.execute(_SIBLINGS.where(DeskState.id.in_(others))).one()
    proofs = [proven, *(each.started_at for each in beside if each.outcome.conclusive)]
    refusals = [refused, *(each.started_at for each in beside if each.refused)]
    last = max(filter(None, proofs), default=None)
    if last is None or now - last > timedelta(seconds=refusal_seconds()):
        return False
    return all(last > refusal for refusal in refusals if refusal)


def rest_hosts(rows: Session, refusals: Collection[Refusal], now: datetime) -> dict[str, datetime]:
    """Let hosts that refused us rest, with all their desks; return until when.

    Raises:
        sqlalchemy.exc.DBAPIError: the server is in trouble.
    """
    if not refusals:
        return {}
    by_host = {each.host: each for each in refusals}
    for host, last in by_host.items():
        _rest_desks(rows, host, last.outcome, last.at)
    rows.execute(
        insert(HostState).values([{"host": host} for host in sorted(by_host)]).on_conflict_do_nothing()
    )
    states = _lock_hosts(rows, by_host)
    for each in refusals:
        state = states[each.host]
        share = state.budget_share
        after_refusal(
            state,
            each.outcome,
            started_at=each.at,
            now=now,
            retry_after=each.retry_after,
            lot=intervals.stable_random(state.host, state.rests_in_a_row, each.at),
        )
        state.updated_at = now
        here = desks_by_host().get(state.host, [])  # none where a candidate is
        if state.budget_share != share or any(desk.is_probed for desk in here):
            for desk in here[:1]:
                rows.add(DeskChange(desk_id=desk.id, reason="its host rests, or its budget is less"))
    return {host: state.rests_until for host, state in states.items() if state.rests_until}


def recover_hosts(now: datetime) -> None:
    """Let hosts that answer well recover; a budget that grew becomes a desk change for the planner."""
    shaken = sa.or_(HostState.rests_in_a_row > 0, HostState.budget_share < 1)
    with session() as rows:
        states = _lock_hosts(rows, rows.scalars(sa.select(HostState.host).where(shaken)))
        for host, state in states.items():
            ids, share = [desk.id for desk in desks_on(host)], state.budget_share
            proven = sa.select(sa.func.max(DeskState.last_proven_at)).where(DeskState.id.in_(ids))
            after_success(state, rows.scalar(proven))
            if rows.is_modified(state):
                state.updated_at = now
            if state.budget_share != share and ids:
                rows.add(DeskChange(desk_id=ids[0], reason="its host's budget is more"))


def _rest_desks(rows: Session, host: str, outcome: Outcome, at: datetime) -> None:
    """Write to each desk of the host why it is not watched."""
    ids = [desk.id for desk in desks_on(host)]
    if outcome is Outcome.BLOCKED:
        reopened = _reopen_misjudged(rows, ids, at)
        turns = [OutageChange(desk_id, at, OutageReason.BLOCKED) for desk_id in reopened]
        write_outages(rows, turns)
        rows.execute(
            sa.update(DeskState)
            .where(DeskState.id.in_(ids), DeskState.status == DeskStatus.ACTIVE)
            .values(status=DeskStatus.PAUSED, status_reason=REFUSES)
        )
    begin_outages(rows, ids, at, OutageReason(outcome.value))


def _reopen_misjudged(rows: Session, ids: Collection[str], at: datetime) -> list[str]:
    """Reopen pages that a 403 closed shortly before their host refused everything: the block was the host's."""
    proven = sa.select(sa.func.max(DeskState.last_proven_at)).where(DeskState.id.in_(ids)).scalar_subquery()
    closed = (
        sa.update(DeskState)
        .where(
            DeskState.id.in_(ids),
            DeskState.last_outcome == Outcome.CLOSED,
            DeskState.refused_at > at - timedelta(seconds=refusal_seconds()),
            DeskState.refused_at > sa.func.coalesce(proven, DeskState.refused_at - timedelta(seconds=1)),
        )
        .values(
            status=DeskStatus.PAUSED,
            status_reason=REFUSES,
            last_outcome=Outcome.BLOCKED,
            check_requested_at=at,
        )
    )
    return list(rows.scalars(closed.returning(DeskState.id)))


def _lock_hosts(rows: Session, hosts: Iterable[str]) -> dict[str, HostState]:
    known = sa.select(HostState).where(HostState.host.in_(sorted(hosts))).order_by(HostState.host)
    return {state.host: state for state in rows.scalars(known.with_for_update())}
