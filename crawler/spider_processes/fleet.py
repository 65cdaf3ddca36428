"""The fleet as one keeper sees it: all nodes' reports, and what each node is to run.

Each keeper publishes its node's report. The one with the lease `lease:leader` assigns the processes and writes the
shares; the others read theirs. It also decides how many processes a queue has whose checks begin late. Only nodes with
the newest code lead.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

import redis

from configs.formatting import pluralize
from configs.node_report import (
    NodeReport,
    NodeStatus,
    Share,
    publish_node,
    publish_shares,
    read_drained,
    read_nodes,
)
from configs.settings import settings
from crawler.scheduling import lua_scripts
from crawler.scheduling.due_queue import Call, claims, send
from crawler.scheduling.queues import CrawlQueue
from crawler.spider_processes.assignment import (
    Shares,
    add_up_wanted,
    assign,
    find_missing,
    finds_free_core,
    may_end,
)
from crawler.spider_processes.lease import Lease
from crawler.spider_processes.scaling import Bounds, ClaimCounts, QueueScale, Scaling, advance

log = logging.getLogger(__name__)

_VERSIONS = "versions"


@dataclass(frozen=True, slots=True)
class FleetState:
    """Reports of the nodes that report, and shares, as of one run of a keeper."""

    node: str  # this one
    leads: bool = False  # whether this keeper assigns
    reports: tuple[NodeReport, ...] = ()
    shares: Shares = field(default_factory=dict)
    gone: tuple[str, ...] = ()  # nodes that report no longer, and were not drained

    @property
    def share(self) -> Share | None:
        """What this node is to run, by queue; None where the leader has not decided yet."""
        return self.shares.get(self.node)

    @property
    def wanted(self) -> Share:
        """How many processes each queue needs on all nodes together."""
        return add_up_wanted(self.reports)

    @property
    def missing(self) -> Share:
        """How many processes of each queue no node may run."""
        return find_missing(self.wanted, self.shares)

    @property
    def running(self) -> Share:
        """How many jobs of each queue all scrapyds run."""
        return dict(sum((Counter(report.running) for report in self.reports), Counter()))

    @property
    def runs_discovery(self) -> bool:
        """Whether it is this node that walks the prefectures' sites: the first one that runs anything."""
        return next((name for name, share in sorted(self.shares.items()) if share), None) == self.node

    def count_kept(self, queue: str, staying: int, live: int | None) -> int:
        """Return how many processes beyond its share this node keeps until other nodes run theirs.

        `staying`: processes here that nothing ends so far; `live`: those on all nodes that have reported, None where
        that is unknown.
        """
        own = (self.share or {}).get(queue, 0)
        elsewhere = sum(share.get(queue, 0) for name, share in self.shares.items() if name != self.node)
        surplus = max(0, staying - own)
        if not elsewhere or not surplus:
            return 0
        running = {report.name: report.running for report in self.reports} | {self.node: {queue: staying}}
        return surplus - (
            may_end(self.node, queue, live=live, running=running, shares=self.shares) if live else 0
        )


class Fleet:
    """State of the fleet between two runs of a keeper. While Redis is away the last state stays."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._lease = Lease(client, "leader")
        self._heard: dict[
            str, tuple[NodeReport, datetime]
        ] = {}  # each node's newest report, and when it came
        self._versions: dict[str, int] = {}  # in the order in which they came
        self._drained: frozenset[str] = frozenset()
        self._scaling: Scaling | None = None  # where this keeper leads and SPIDER_PROCESSES_MAX allows more
        self._state = FleetState("")

    def update(self, report: NodeReport, now: datetime) -> FleetState:
        """Publish this node's report, read all others', assign where this keeper leads."""
        try:
            publish_node(self._client, report)
            self._register(report.version)
            nodes = read_nodes(self._client, now)
            self._hear(nodes, now)
            reports = self._fresh_reports(report, now)
            leads = self._lead(report, reports)
            drained = read_drained(
                self._client
            )  # None after Redis was emptied, until the planner wrote it again
            self._drained = self._drained if drained is None else drained
            before = {each.name: each.share for each in nodes if each.share is not None}
            self._scaling = self._scale(reports, before, now) if leads else None
            shares = self._assign(reports, before) if leads else before
            if leads:
                publish_shares(self._client, shares)
        except redis.RedisError:  # the keeper logs it
            return self._go_on(report)
        fresh = {each.name for each in reports}
        gone = tuple(each.name for each in nodes if each.name not in fresh and each.name not in self._drained)
        self._state = FleetState(report.name, leads, tuple(reports), shares, gone)
        return self._state

    def leave(self) -> None:
        """Let another keeper lead.

        Raises:
            redis.RedisError: Redis is away; the lease runs out.
        """
        self._lease.leave()

    def _go_on(self, report: NodeReport) -> FleetState:
        """Keep the last state; a leader goes on assigning, since desk files may change meanwhile."""
        others = [each for each in self._state.reports if each.name != report.name]
        reports = [report, *others]
        shares = self._assign(reports, self._state.shares) if self._state.leads else self._state.shares
        self._state = replace(self._state, node=report.name, reports=tuple(reports), shares=shares)
        return self._state

    def _lead(self, report: NodeReport, reports: Sequence[NodeReport]) -> bool:
        """Take or keep the leader's lease, unless a node has newer code."""
        newest = max(self._versions.get(each.version, 0) for each in reports)
        if self._versions.get(report.version, 0) < newest:
            self._lease.leave()
            return False
        return self._lease.renew()

    def _assign(
        self, reports: Sequence[NodeReport], before: Shares, *, more: Mapping[str, int] | None = None
    ) -> Shares:
        """Divide the processes; `more`: as if so many were wished of a queue."""
        wished = (self._scaling.wished if self._scaling else {}) | dict(more or {})
        return assign(reports, versions=self._versions, drained=self._drained, before=before, wished=wished)

    def _scale(self, reports: Sequence[NodeReport], before: Shares, now: datetime) -> Scaling | None:
        """Decide how many processes each queue should have. A keeper that begins to lead starts from the shares.

        Raises:
            redis.RedisError: Redis is away.
        """
        bounds = {
            queue: Bounds(least, most)
            for queue, least in add_up_wanted(reports).items()
            if (most := CrawlQueue.parse(queue).most_processes) > least
        }
        if not bounds:
            return None
        counts = {queue: count_claims(self._client, queue) for queue in bounds}
        known = self._scaling or Scaling(now, counts, {queue: _count(queue, before) for queue in bounds})
        scaling = advance(known, counts, bounds, now, lambda queue: self._may_grow(queue, reports, before))
        for queue, number in scaling.wished.items():
            had = known.wished.get(queue, number)
            if self._scaling and number != had:
                why = "its checks begin late" if number > had else "its checks have begun in time"
                log.info("%s: %s instead of %d: %s", queue, pluralize(number, "spider"), had, why)
        return scaling

    def _may_grow(self, queue: str, reports: Sequence[NodeReport], before: Shares) -> bool:
        """Whether one process more of a queue would run on a node with a free core."""
        now = self._assign(reports, before)
        number = sum(share.get(queue, 0) for share in now.values()) + 1
        grown = self._assign(reports, now, more={queue: number})
        return finds_free_core(queue, reports, now=now, grown=grown)

    def _register(self, version: str) -> None:
        """Have a version of the code numbered, and restore what Redis lost of the others."""
        known = [part for pair in self._versions.items() for part in pair]
        call = Call(lua_scripts.REGISTER_VERSION, (_VERSIONS,), (version, *known), _read_versions)
        self._versions = send(self._client, call)

    def _hear(self, nodes: Sequence[NodeStatus], now: datetime) -> None:
        """Note which reports are new. Machines' clocks may differ, so that their own instants do not count."""
        for status in nodes:
            if not status.report:
                continue
            known = self._heard.get(status.name)
            if known is None:
                self._heard[status.name] = status.report, min(now, status.report.at)
            elif known[0].at != status.report.at:
                self._heard[status.name] = status.report, now

    def _fresh_reports(self, report: NodeReport, now: datetime) -> list[NodeReport]:
        """Return this node's report and those that came within KEEPER_LEASE_SECONDS, by name.

        Those that an emptied Redis lost are among them.
        """
        limit = timedelta(seconds=settings().keeper_lease_seconds)
        self._heard = {name: known for name, known in self._heard.items() if now - known[1] < limit}
        self._heard[report.name] = report, now
        return [self._heard[name][0] for name in sorted(self._heard)]


def count_claims(client: redis.Redis, queue: str) -> ClaimCounts:
    """Return how many claims a queue's spiders have made, and how many of them were late.

    Raises:
        redis.RedisError: Redis is away.
    """
    found = cast("dict[str, str]", client.hgetall(claims(queue)))
    return ClaimCounts(int(found.get("all", 0)), int(found.get("late", 0)))


def _count(queue: str, shares: Shares) -> QueueScale:
    return QueueScale(sum(share.get(queue, 0) for share in shares.values()))


def _read_versions(answer: Any) -> dict[str, int]:
    return {version: int(number) for version, number in zip(answer[::2], answer[1::2], strict=True)}
