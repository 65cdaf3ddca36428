"""Lateness of checks against the plan.

Of the due queues: how many desks each holds, and how late those are that only we hold back. Lateness is in seconds, of
desks that a spider could claim now. `held_back` are overdue too, but their hosts are being visited, rest, are stopped
or have no budget left. `pushed`: checks that somebody asked for.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import sqlalchemy as sa
from redis import Redis

from api.admin.health.findings import read_session
from configs.ground.clock import clock
from configs.ground.redis import open_redis
from configs.world.desk import interval_jitter
from configs.world.prefecture import desks

_HOUR = timedelta(hours=1)
_DESKS, _CHECKS = 200, 120  # the same desks each time; the newest checks of each

# A rest after trouble is not lateness, so only conclusive checks count. The jitter of an interval is not stored: a
# check is late when it is later than the largest jitter allows.
_GAPS = sa.text("""
WITH asked AS (
  SELECT id, wished_seconds AS wished, greatest(wished_seconds, share_seconds) * (1 + :jitter) AS planned
  FROM desks WHERE id = ANY(:desks) AND last_check_at >= :since AND wished_seconds > 0
  ORDER BY hashtext(id) LIMIT :most_desks
), gaps AS (
  SELECT a.id, a.wished, a.planned, c.outcome,
    extract(epoch FROM lead(c.started_at) OVER (PARTITION BY a.id ORDER BY c.started_at) - c.started_at) AS gap
  FROM asked a CROSS JOIN LATERAL (
    SELECT started_at, outcome FROM checks WHERE desk_id = a.id AND started_at >= :since AND NOT probe
    ORDER BY started_at DESC LIMIT :most_checks
  ) c
)
SELECT count(*) AS gaps, count(DISTINCT id) AS desks,
  (percentile_cont(0.5) WITHIN GROUP (ORDER BY gap / wished))::float AS ratio,
  (percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(0, gap - planned)))::float AS p50_seconds,
  (percentile_cont(0.95) WITHIN GROUP (ORDER BY greatest(0, gap - planned)))::float AS p95_seconds
FROM gaps WHERE gap IS NOT NULL AND outcome IN ('slots', 'no_slots')
""")
_LOOKED_AT = 2000  # overdue desks that are looked at
_DUE = "crawler:due:"
_SLIP = 1e-6  # as in crawler/scheduling/lua/_buckets.lua


def read_lateness() -> dict[str, Any] | None:
    """Return the median of achieved ÷ wished, and lateness in seconds, over `gaps` between two checks of `desks`.

    None if no desk of the sample was checked twice in the last hour.
    """
    watched = [desk.id for desk in desks().values() if desk.schedulable]
    given = {"desks": watched, "since": clock() - _HOUR, "jitter": interval_jitter()}
    with read_session() as s:
        row = s.execute(_GAPS, given | {"most_desks": _DESKS, "most_checks": _CHECKS}).one()
    return row._asdict() if row.gaps else None


def read_due() -> list[dict[str, Any]]:
    """Read the sorted sets `crawler:due:<system>` (docs/reference/redis.md lists the keys).

    Raises:
        redis.RedisError: Redis is away.
    """
    client = open_redis()
    systems = sorted(key.decode().removeprefix(_DUE) for key in client.scan_iter(f"{_DUE}*", count=1000))
    return read_due_of(client, systems)


def read_due_of(client: Redis, systems: Iterable[str]) -> list[dict[str, Any]]:
    """Read the due queues of these names, without a look at all keys.

    Raises:
        redis.RedisError: Redis is away.
    """
    return [_due(client, system, clock().timestamp()) for system in systems]


def _due(client: Redis, system: str, now: float) -> dict[str, Any]:
    key = f"{_DUE}{system}"
    found: Any = client.zrangebyscore(key, "-inf", now, 0, _LOOKED_AT, withscores=True)
    overdue = {desk.decode(): due for desk, due in found}
    free = _free(client, system, list(overdue), now)
    late = [now - overdue[desk] for desk in free]
    return {
        "system": system,
        "desks": client.zcard(key),
        "overdue": len(late),
        "latest_seconds": round(max(late, default=0.0), 3),
        "held_back": len(overdue) - len(late),
        "pushed": client.llen(f"{system}:checks"),
    }


def _free(client: Redis, system: str, desks: Sequence[str], now: float) -> list[str]:
    """Return the desks that a claim would take."""
    if not desks:
        return []
    known: Any = client.hmget(f"crawler:desks:{system}", list(desks))
    entries = {desk: json.loads(text) for desk, text in zip(desks, known, strict=True) if text}
    hosts = {entry["host"] for entry in entries.values()}
    stopped = cast("set[bytes]", client.smembers("crawler:stopped"))
    keys = [f"crawler:{kind}:{host}" for host in hosts for kind in ("host", "rest", "bucket")]
    keys += [_floor_of(desk, entry) for desk, entry in entries.items()]
    stands = {
        key: (text or b"").decode() for key, text in zip(keys, cast("Any", client.mget(keys)), strict=True)
    }
    return [
        desk
        for desk, entry in entries.items()
        if entry["host"].encode() not in stopped and _from(desk, entry, stands, now) <= now
    ]


def _floor_of(desk: str, entry: Mapping[str, Any]) -> str:
    """Return the key of what holds two visits apart: probes of a host have one together."""
    return f"crawler:floor:{'probes/' + entry['host'] if entry.get('probe') else desk}"


def _from(desk: str, entry: Mapping[str, Any], stands: Mapping[str, str], now: float) -> float:
    """Return the unix second from which on a desk could be claimed; `entry` as `crawler:desks:<system>` has it."""
    host = entry["host"]
    untils = (
        stands[key].split()[:1]
        for key in (f"crawler:host:{host}", f"crawler:rest:{host}", _floor_of(desk, entry))
    )
    free = max((float(until) for (until,) in filter(None, untils)), default=-math.inf)
    if not (bucket := stands[f"crawler:bucket:{host}"].split()):
        return free
    left, at = map(float, bucket)
    left = min(entry["capacity"], left + max(0.0, now - at) * entry["rate"])
    missing = entry["need"] - left - _SLIP
    return free if missing <= 0 else max(free, max(now, at) + missing / entry["rate"])
