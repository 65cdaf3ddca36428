"""Reports of nodes in Redis: what each machine's keeper runs, for the status.

`node:<name>` is a report, which expires KEEPER_LEASE_SECONDS after it was written. `nodes` keeps by name when each last
reported, so that a node that is gone is still known.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from redis import Redis

from configs.settings import settings

NODES = "nodes"
_REMEMBERED = timedelta(days=1)  # a node that is gone for longer is forgotten
_MOST = 100  # names that are remembered

Share = dict[str, int]  # processes by queue


class NodeReport(BaseModel):
    """One machine as its keeper sees it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str  # NODE
    machine: str  # host name
    at: datetime
    version: str  # of the code that is deployed there
    away_since: datetime | None = None  # since when its scrapyd does not answer
    queues: list[str]  # that it may serve: without a browser only those by HTTP
    wanted: Share = {}  # processes that each queue needs, by its desk files
    running: Share = {}  # jobs that its scrapyd runs, by queue
    browser: bool = False  # whether it has one
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


def read_nodes(client: Redis, now: datetime) -> list[NodeStatus]:
    """Return the nodes that have reported within a day, by name.

    Raises:
        redis.RedisError: Redis is away.
    """
    found = cast("list[Any]", client.zrange(NODES, 0, -1, withscores=True))
    seen = {_text(name): datetime.fromtimestamp(score, UTC) for name, score in found}
    names = sorted(name for name, at in seen.items() if now - at < _REMEMBERED)
    texts = cast("list[Any]", client.mget([_key(name) for name in names])) if names else []
    return [
        NodeStatus(name, seen[name], _parse_report(text)) for name, text in zip(names, texts, strict=True)
    ]


def _parse_report(text: Any) -> NodeReport | None:
    """Return a report; None where there is none, or other code wrote one that this code cannot read."""
    try:
        return NodeReport.model_validate_json(text) if text else None
    except ValidationError:
        return None


def _key(name: str) -> str:
    return f"node:{name}"


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name  # clients of the API do not decode
