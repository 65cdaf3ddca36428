"""Health of the servers: PostgreSQL, Redis, what is made ahead in tables, and the keys that read them."""

from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from redis import Redis, RedisError

from api.admin.health.findings import PartDown, refuse
from api.models.base import session, takes_writes
from api.models.key_losses import find_lost_data_keys
from api.models.key_sighting import KeySighting
from api.models.partitions import count_days_ahead
from configs.ground.clock import clock
from configs.ground.database_errors import read_refusal
from configs.ground.formatting import pluralize
from configs.settings.constants import Constant
from configs.settings.keys import ROTATE_AFTER

# With fewer days ahead than this health calls the table degraded
_PARTITION_DAYS_LOW = Constant("PARTITION_DAYS_LOW", 7)


def check_database(redis: Redis) -> str:
    """Ask whether PostgreSQL takes writes."""
    if not takes_writes():
        raise PartDown("takes no writes: it is a standby, or set read-only")
    with suppress(RedisError):  # the part `redis` reports it
        if refused := read_refusal(redis):
            raise PartDown(f"a write was refused within the last minute ({refused})")
    return "answers"


def check_redis(redis: Redis) -> str:
    """Ask whether Redis answers."""
    redis.ping()
    return "answers"


def check_eviction(redis: Redis) -> str:
    """Ask whether Redis may throw keys away."""
    memory: Any = redis.info("memory")  # not CONFIG GET: hosted servers refuse it
    policy = memory["maxmemory_policy"]
    if policy != "noeviction":
        raise PartDown(f"maxmemory-policy is {policy}: set noeviction, or jobs are lost without a word")
    return "noeviction"


def check_keys(_: Redis) -> str:
    """Try the keys on a few rows, and ask since when each is in use (docs/keys.md)."""
    newest = sa.select(KeySighting.program, sa.func.max(KeySighting.started_at)).group_by(KeySighting.program)
    old = sa.select(sa.func.count(KeySighting.name.distinct())).where(
        KeySighting.first_since <= clock() - ROTATE_AFTER,
        sa.tuple_(KeySighting.program, KeySighting.started_at).in_(newest),
    )
    with session() as s:
        troubles, number = find_lost_data_keys(s), s.scalars(old).one()
    if number:  # everybody reads health
        troubles.append(f"{pluralize(number, 'key')} of more than a year: `flask keys` says which to replace")
    refuse(troubles)
    return "what they encrypted can be read, and none is old"


def check_partitions(_: Redis) -> str:
    """Count the days of `checks` that are made ahead."""
    with session() as s:
        ahead = count_days_ahead(s, clock().date())
    text = f"{pluralize(ahead, 'day')} of checks are made ahead"
    if ahead < _PARTITION_DAYS_LOW():
        raise PartDown(f"{text}: the job make_partitions makes them, the log of `background` says what fails")
    return text
