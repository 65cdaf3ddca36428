"""Probes of stale addresses, visits to candidates, readings of robots.txt: which hosts are asked, and when.

They wait in the due queues of checks, after all others: a probe is claimed only while its host's bucket is full. One
visit of a host an hour is for stale addresses and candidates together.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.candidate import Candidate
from api.models.desk import DeskState, HostState
from configs.settings import Constant
from configs.world.desk import Desk, interval_jitter
from configs.world.prefecture import desks, desks_by_host, host_rules
from crawler.parsing.robots_rules import allows
from crawler.scheduling.candidates import find_asked, find_candidate, find_home, is_candidate
from crawler.scheduling.due_queue import CrawlQueue, DueEntry, HostBucket, queue_of
from crawler.scheduling.intervals import bucket_of, cost_of, first_due, stable_random

# How often a stale address is asked whether it lives, and each host for its robots.txt
probe_seconds = Constant("PROBE_SECONDS", 86400.0)
PROVEN_DAYS = 3  # with a proof by a probe, after which a desk is being tried
_OFTEN = 3  # times that a page is asked for each day which is gone, or which an operator has to decide about
_RARE_DAYS = 30  # times probe_seconds, from then on
_CALM = timedelta(days=1)  # without a rest of the host
_ROBOTS_STAND = timedelta(days=7)  # that a robots.txt counts which cannot be read again
_GAP = 60.0  # seconds between two readings of a host's robots.txt
# How long after a probe or a visit to a candidate its host is asked for none of them
probe_gap_seconds = Constant("PROBE_GAP_SECONDS", 3600.0)
_ROBOTS = "robots/"  # begins the name of a host's robots.txt in the due queue; no prefecture's id


def entry_of(host: str) -> str:
    """Return the name of a host's robots.txt in the due queue."""
    return f"{_ROBOTS}{host}"


def is_robots(name: str) -> bool:
    """Tell whether a name of the due queue is that of a robots.txt, and not a desk's."""
    return name.startswith(_ROBOTS)


def host_of_visit(name: str) -> str:
    """Return the host of a desk or of a robots.txt, by its name in the due queue.

    Raises:
        KeyError: there is no such desk.
    """
    if is_robots(name):
        return name.removeprefix(_ROBOTS)
    candidate = find_candidate(name) if is_candidate(name) else None
    return candidate.host if candidate else desks()[name].host


def find_visited(name: str) -> Desk | None:
    """Return the desk of that name in the due queue; of a robots.txt one that is asked on its host, if there is any.

    One that is not watched may lack what its platform needs to know.
    """
    if is_robots(name):
        host = host_of_visit(name)
        asked = (each for each in desks_by_host().get(host, ()) if each.schedulable or each.is_probed)
        return next(asked, None) or find_home(host)
    return find_candidate(name) if is_candidate(name) else desks().get(name)


def may_ask(host: HostState | None, now: datetime) -> bool:
    """Return whether a probe or a candidate of a host may be asked: no person waits for their answer.

    It has not rested for a day, has its whole budget, is not stopped, and its robots.txt was read.
    """
    if host is None or host.robots_read_at is None or host.stopped_at:
        return False
    is_calm = host.rests_until is None or host.rests_until + _CALM <= now
    return is_calm and host.budget_share >= 1 and host.robots_read_at + _ROBOTS_STAND > now


def find_probed(
    hosts: Mapping[str, HostState], releasing: Collection[str], forbidden: Collection[str], now: datetime
) -> list[Desk]:
    """Return the desks that may be probed now; `releasing`: desks in whose hours of release nothing else is asked."""
    busy = _find_busy(releasing)
    return [
        desk
        for desk in desks().values()
        if desk.is_probed and desk.id not in forbidden and desk.host not in busy
        and may_ask(hosts.get(desk.host), now)
    ]  # fmt: skip


def find_robots_hosts(hosts: Mapping[str, HostState]) -> dict[str, list[Desk]]:
    """Return the hosts whose robots.txt is read, with their desks: none that is refused or stopped."""
    stopped = {host for host, state in hosts.items() if state.stopped_at}
    return {
        host: found
        for host, found in desks_by_host().items()
        if host not in stopped and any(_is_asked(desk) for desk in found)
    }


def _is_asked(desk: Desk) -> bool:
    rule = host_rules().get(desk.host)
    return (rule is not None and rule.is_undecided) or desk.schedulable or desk.is_probed


def plan_beside(
    rows: Session,
    hosts: Mapping[str, HostState],
    releasing: Collection[str],
    forbidden: Collection[str],
    now: datetime,
) -> list[tuple[str, DueEntry]]:
    """Return the entries of probes, candidates and robots.txt, each with its queue; spiders of any read robots.txt.

    In the hours of release of a desk (`releasing`) its host is asked nothing else, nor is one that is stopped.
    """
    probed = find_probed(hosts, releasing, forbidden, now)
    query = sa.select(DeskState).where(DeskState.id.in_([desk.id for desk in probed]))
    states = {state.id: state for state in rows.scalars(query)}
    found = [(str(queue_of(desk)), build_probe(desk, states[desk.id], now)) for desk in probed]
    robots = find_robots_hosts(hosts)
    closed = {host for host, state in hosts.items() if state.stopped_at} | _find_busy(releasing)
    for host, pairs in find_asked(rows, closed).items():
        robots.setdefault(host, [pairs[0][0]])
        state = hosts.get(host)
        if state and may_ask(state, now):
            text = state.robots_text or ""
            found += [
                (str(queue_of(desk)), _build_visit(desk, row, now))
                for desk, row in pairs
                if allows(text, desk.url)
            ]
    if queue := choose_robots_queue():
        found += [(queue, build_robots(host, there, hosts.get(host), now)) for host, there in robots.items()]
    return found


def _find_busy(releasing: Collection[str]) -> set[str]:
    return {desks()[each].host for each in releasing if each in desks()}


def choose_robots_queue() -> str | None:
    """Return the queue in which robots.txt of all hosts wait; None where nothing is checked."""
    used = sorted(used_queues(), key=lambda each: (each.browser, str(each)))
    return str(used[0]) if used else None


def used_queues() -> set[CrawlQueue]:
    """Return the queues in which desks wait."""
    return {queue_of(desk) for desk in desks().values() if desk.schedulable or desk.is_probed}


def build_probe(desk: Desk, state: DeskState, now: datetime) -> DueEntry:
    """Return a probe's entry; the first are spread over a quarter of a day."""
    due = first_due(desk.id, probe_seconds() / 4, now)
    if state.probed_at:
        due = max(now, next_probe(desk.id, state.probed_at, state.gone_probes))
    return build_entry(desk, due, cost_of(desk), bucket_of(desks_by_host()[desk.host]))


def _build_visit(desk: Desk, row: Candidate, now: datetime) -> DueEntry:
    """Return a candidate's entry: it is visited on three days, then once a month until it is decided."""
    due = first_due(desk.id, probe_seconds() / 24, now)
    if row.asked_at:
        due = max(now, next_probe(desk.id, row.asked_at, row.visits))
    return build_entry(desk, due, cost_of(desk), bucket_of(desks_by_host().get(desk.host) or [desk]))


def build_entry(desk: Desk, due: datetime, cost: int, bucket: HostBucket) -> DueEntry:
    """Return the entry of a probe or of a candidate, which waits until the host's bucket is full."""
    gap, need = probe_gap_seconds(), bucket.capacity
    return DueEntry(desk.id, desk.host, gap, due, cost, bucket, waits=False, need=need, probe=True)


def next_probe(name: str, at: datetime, number: int) -> datetime:
    """Return when a desk or candidate is asked again: rarely from the third time on, or a day later.

    `number`: of probes in a row that found the desk's page gone, or of all visits to the candidate.
    """
    return _again(name, at, probe_seconds() * (_RARE_DAYS if number >= _OFTEN else 1))


def build_robots(host: str, found: Collection[Desk], state: HostState | None, now: datetime) -> DueEntry:
    """Return the entry of a host's robots.txt; the first are spread over an hour, after the first checks."""
    due = first_due(entry_of(host), probe_seconds() / 24, now + timedelta(seconds=probe_seconds() / 144))
    if state and state.robots_asked_at:
        due = max(now, next_robots(host, state.robots_asked_at))
    bucket = bucket_of(found, state.budget_share if state else 1)
    return DueEntry(entry_of(host), host, _GAP, due, 1, bucket, waits=False)


def next_robots(host: str, at: datetime) -> datetime:
    """Return when a host's robots.txt is asked for again."""
    return _again(entry_of(host), at, probe_seconds())


def _again(name: str, at: datetime, seconds: float) -> datetime:
    return at + timedelta(seconds=seconds * (1 + interval_jitter() * stable_random(name, at)))
