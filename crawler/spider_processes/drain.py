"""Draining of nodes: an operator's order that a machine takes no work.

The row in `drained_nodes` is the truth. The planner carries the rows out (`apply_orders`) and restores what Redis lost;
the leading keeper reads them in Redis.
"""

import logging
from datetime import datetime
from difflib import get_close_matches

import redis
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.base import session
from api.models.node import DrainedNode
from configs.clock import clock
from configs.node_report import publish_drained, read_nodes
from crawler.scheduling import due_queue

log = logging.getLogger(__name__)


class UnknownNode(LookupError):
    """No node of that name has reported within a day, or is drained; the text names those that have."""


def drain(name: str, reason: str) -> None:
    """Let a node take no work: row first, then Redis.

    Raises:
        UnknownNode: no such node has reported within a day.
        ValueError: the reason is empty.
        redis.RedisError: Redis is away, so that no node is known.
    """
    if not reason.strip():
        raise ValueError("say why: other operators will find the node drained")
    with due_queue.connect() as client:
        known = [each.name for each in read_nodes(client, clock())]
    if name not in known:
        close = "".join(f"did you mean {each}? " for each in get_close_matches(name, known, n=1))
        raise UnknownNode(
            f"no node is called {name!r}; {close}those that exist: {', '.join(known) or 'none'}"
        )
    values = {"drained_at": clock(), "reason": reason.strip()}
    with session() as rows:
        fresh = insert(DrainedNode).values(name=name, **values)
        rows.execute(fresh.on_conflict_do_update(index_elements=["name"], set_=values))
        _announce(rows)


def release(name: str) -> None:
    """Let a drained node take work again.

    Raises:
        UnknownNode: it is not drained.
    """
    with session() as rows:
        found = rows.scalars(
            sa.delete(DrainedNode).where(DrainedNode.name == name).returning(DrainedNode.name)
        )
        if not found.all():
            raise UnknownNode(f"node {name!r} is not drained")
        _announce(rows)


def drained() -> dict[str, tuple[datetime, str]]:
    """Return the drained nodes, since when and why."""
    with session() as rows:
        return {row.name: (row.drained_at, row.reason) for row in rows.scalars(sa.select(DrainedNode))}


def apply_orders(client: redis.Redis) -> None:
    """Write the drained nodes to Redis.

    Raises:
        sqlalchemy.exc.DBAPIError, redis.RedisError: a server is away.
    """
    with session() as rows:
        names = list(rows.scalars(sa.select(DrainedNode.name)))
    publish_drained(client, names)


def _announce(rows: Session) -> None:
    """Write to Redis at once; where it is away, the planner does so later."""
    rows.flush()
    try:
        with due_queue.connect() as client:
            publish_drained(client, list(rows.scalars(sa.select(DrainedNode.name))))
    except redis.RedisError as error:
        log.warning("Redis is away, the planner writes the order when it is back: %s", error)
