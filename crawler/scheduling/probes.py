"""Probes of stale addresses, visits to candidates, readings of robots.txt: which hosts are asked, and when.

They wait in the due queues of checks, after all others: a probe is claimed only while its host's bucket is full. One
visit of a host an hour is for stale addresses and candidates together.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.desk import DeskState, HostState
from configs.settings import Constant
from configs.world.desk import Desk, interval_jitter
from configs.world.prefecture import desks, desks_by_host, host_rules
from crawler.parsing.robots_rules import allows
from crawler.scheduling.candidates import find_asked, find_candidate, find_home, is_candidate
from crawler.scheduling.due_queue import CrawlQueue, DueEntry, queue_of
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


def plan_beside(
    rows: Session,
    hosts: Mapping[str, HostState],
    releasing: Collection[str],
    forbidden: Collection[str],
    now: datetime,
) -> list[tuple[str, DueEntry]]:
    """Return the entries of probes, candidates and robots.txt, each with its queue; spiders of any read robots.txt.

    In the hours of release of a desk (`releasing`) its host is asked nothing else, nor is one that is stopped. First
    probes are spread over a quarter of a day, first visits to candidates over an hour.
    """
    busy = {desks()[each].host for each in releasing if each in desks()}
    probed = {
        desk.id: desk
        for desk in desks().values()
        if desk.is_probed and desk.id not in forbidden and desk.host not in busy
        and may_ask(hosts.get(desk.host), now)
    }  # fmt: skip
    found = [
        (str(queue_of(desk)), _build_entry(desk, state.probed_at, state.gone_probes, 4, now))
        for state in rows.scalars(sa.select(DeskState).where(DeskState.id.in_(probed)))
        for desk in [probed[state.id]]
    ]
    stopped = {host for host, state in hosts.items() if state.stopped_at}
    robots = find_robots_hosts(stopped)
    for host, pairs in find_asked(rows, stopped | busy).items():
        robots.setdefault(host, [pairs[0][0]])
        state = hosts.get(host)
        if state and may_ask(state, now):
            found += [
                (str(queue_of(desk)), _build_entry(desk, row.asked_at, row.visits, 24, now))
                for desk, row in pairs
                if allows(state.robots_text or "", desk.url)
            ]
    if used := sorted(used_queues(), key=lambda each: (each.browser, str(each))):
        found += [
            (str(used[0]), _build_robots(host, there, hosts.get(host), now)) for host, there in robots.items()
        ]
    return found


def find_robots_hosts(stopped: Collection[str]) -> dict[str, list[Desk]]:
    """Return the hosts whose robots.txt is read, with their desks: none that is refused or `stopped`."""
    undecided = {host for host, rule in host_rules().items() if rule.is_undecided}
    return {
        host: found
        for host, found in desks_by_host().items()
        if host not in stopped
        and (host in undecided or any(desk.schedulable or desk.is_probed for desk in found))
    }


def used_queues() -> set[CrawlQueue]:
    """Return the queues in which desks wait."""
    return {queue_of(desk) for desk in desks().values() if desk.schedulable or desk.is_probed}


def _build_entry(desk: Desk, at: datetime | None, number: int, part: int, now: datetime) -> DueEntry:
    """Return the entry of a probe or of a candidate, which waits until the host's bucket is full.

    `at`, `number`: as `next_probe` takes them; the first is due within that `part` of a day.
    """
    first = first_due(desk.id, probe_seconds() / part, now)
    due = max(now, next_probe(desk.id, at, number)) if at else first
    bucket = bucket_of(desks_by_host().get(desk.host) or [desk])
    need, cost = bucket.capacity, cost_of(desk)
    return DueEntry(
        desk.id, desk.host, probe_gap_seconds(), due, cost, bucket, waits=False, need=need, probe=True
    )


def next_probe(name: str, at: datetime, number: int) -> datetime:
    """Return when a desk or candidate is asked again: rarely from the third time on, or a day later.

    `number`: of probes in a row that found the desk's page gone, or of all visits to the candidate.
    """
    return _again(name, at, probe_seconds() * (_RARE_DAYS if number >= _OFTEN else 1))


def _build_robots(host: str, found: Collection[Desk], state: HostState | None, now: datetime) -> DueEntry:
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
