"""Plan of candidates: which are visited, and when. One visit of a host an hour is theirs and stale desks' together."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from api.models.candidate import Candidate
from api.models.desk import HostState
from configs.world.desk import Desk
from configs.world.prefecture import desks, desks_by_host
from crawler.parsing.robots_rules import allows
from crawler.scheduling import probes
from crawler.scheduling.candidates import find_asked
from crawler.scheduling.due_queue import DueEntry, queue_of
from crawler.scheduling.intervals import bucket_of, cost_of, first_due


def plan_candidates(
    rows: Session, hosts: Mapping[str, HostState], releasing: Collection[str], now: datetime
) -> list[tuple[str, DueEntry]]:
    """Return the entries of candidates, each with its queue, and of the robots.txt of hosts without desks.

    A host in whose hours of release nothing else is asked (`releasing`: its desks), or that is stopped, has none.
    """
    closed = {host for host, state in hosts.items() if state.stopped_at}
    closed |= {desks()[each].host for each in releasing if each in desks()}
    queue = probes.choose_robots_queue()
    found: list[tuple[str, DueEntry]] = []
    read = probes.find_robots_hosts(hosts)
    for host, pairs in find_asked(rows, closed).items():
        state = hosts.get(host)
        if queue and host not in read:
            found.append((queue, probes.build_robots(host, [pairs[0][0]], state, now)))
        if state and probes.may_ask(state, now):
            text = state.robots_text or ""
            found += [
                (str(queue_of(desk)), _build(desk, row, now)) for desk, row in pairs if allows(text, desk.url)
            ]
    return found


def _build(desk: Desk, row: Candidate, now: datetime) -> DueEntry:
    """Return a candidate's entry: it is visited on three days, then once a month until it is decided."""
    due = first_due(desk.id, probes.probe_seconds() / 24, now)
    if row.asked_at:
        due = max(now, probes.next_probe(desk.id, row.asked_at, row.visits))
    bucket = bucket_of(desks_by_host().get(desk.host) or [desk])
    return probes.build_entry(desk, due, cost_of(desk), bucket)
