"""Reports of nodes in Redis: what each machine's keeper may run and runs, for the leading keeper and the status.

`node:<name>` is a report, which expires KEEPER_LEASE_SECONDS after it was written. `nodes` keeps by name when each last
reported, so that a node that is gone is still known. `shares` is what the leading keeper has each node run. `drained`
names the nodes that take no work; the planner writes it, so that without it nothing is known.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from redis import Redis

from configs.settings import settings

NODES, SHARES, DRAINED = "nodes", "shares", "drained"
_REMEMBERED = timedelta(days=1)  # a node that is gone for longer is forgotten
_MOST = 100  # names that are remembered
_SHARE = TypeAdapter(dict[str, int])
_NAMES = TypeAdapter(list[str])

Share = dict[str, int]  # processes by queue


class NodeReport(BaseModel):
    """One machine as its keeper sees it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str  # NODE
    machine: str  # host name
    at: datetime
    version: str  # of the code that is deployed there
    away_since: datetime | None = None  # since when its scrapyd does not answer
    queues: list[str]  # that it may serve: its systems, and whether it may and can start a browser
    processes: int | None = None  # that it may run; None: no limit
    wanted: Share = {}  # processes that each queue needs, by its desk files
    running: Share = {}  # jobs that its scrapyd runs, by queue
    browser: bool = False  # whether it may and can start one
    cores: int = 0
    load: float = 0  # processes that want a core, averaged over a minute
    memory_mb: int = 0
    memory_free_mb: int = 0
    spool: int = 0  # proofs that are not in the store yet


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node that has reported within a day."""

    name: str
    seen_at: datetime
    report: NodeReport | None  # None: it reports no longer
    share: Share | None  # what it is to run; None: the leading keeper has not decided
    drained: bool  # whether an operator lets it take no work


def publish_node(client: Redis, report: NodeReport) -> None:
    """Write a node's report.

    Raises:
        redis.RedisError: Redis is away.
    """
    kept = round(settings().keeper_lease_seconds * 1000)
    with client.pipeline() as calls:
        calls.set(_key(report.name), report.model_dump_json(), px=kept)
        calls.zadd(NODES, {report.name: report.at.timestamp()})
        calls.zremrangebyrank(NODES, 0, -_MOST - 1)
        calls.execute()


def publish_shares(client: Redis, shares: Mapping[str, Share]) -> None:
    """Write what each node is to run, in place of what was written before.

    Raises:
        redis.RedisError: Redis is away.
    """
    with client.pipeline() as calls:
        calls.delete(SHARES)
        if shares:
            calls.hset(SHARES, mapping={name: _SHARE.dump_json(share) for name, share in shares.items()})
        calls.execute()


def publish_drained(client: Redis, names: Collection[str]) -> None:
    """Write which nodes take no work.

    Raises:
        redis.RedisError: Redis is away.
    """
    client.set(DRAINED, _NAMES.dump_json(sorted(names)))


def read_drained(client: Redis) -> frozenset[str] | None:
    """Return the nodes that take no work; None where the planner has not written them yet.

    Raises:
        redis.RedisError: Redis is away.
    """
    text = cast("Any", client.get(DRAINED))
    try:
        return frozenset(_NAMES.validate_json(text)) if text else None
    except ValidationError:
        return None


def read_nodes(client: Redis, now: datetime) -> list[NodeStatus]:
    """Return the nodes that have reported within a day, by name.

    Raises:
        redis.RedisError: Redis is away.
    """
    with client.pipeline() as calls:
        calls.zrange(NODES, 0, -1, withscores=True)
        calls.hgetall(SHARES)
        found, written = calls.execute()
    seen = {_text(name): datetime.fromtimestamp(score, UTC) for name, score in found}
    names = sorted(name for name, at in seen.items() if now - at < _REMEMBERED)
    texts = cast("list[Any]", client.mget([_key(name) for name in names])) if names else []
    shares = {_text(name): _parse_share(share) for name, share in written.items()}
    drained = read_drained(client) or ()
    return [
        NodeStatus(name, seen[name], _parse_report(text), shares.get(name), name in drained)
        for name, text in zip(names, texts, strict=True)
    ]


def _parse_report(text: Any) -> NodeReport | None:
    """Return a report; None where there is none, or other code wrote one that this code cannot read."""
    try:
        return NodeReport.model_validate_json(text) if text else None
    except ValidationError:
        return None


def _parse_share(text: Any) -> Share:
    try:
        return _SHARE.validate_json(text)
    except ValidationError:
        return {}


def _key(name: str) -> str:
    return f"node:{name}"


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name  # clients of the API do not decode
