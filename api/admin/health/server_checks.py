"""Health of the servers: PostgreSQL and Redis, their tables and keys."""

from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from redis import Redis, RedisError

from api.admin.health.findings import PartDown
from api.models.base import read_once, session, takes_writes
from api.models.check import count_days_ahead
from api.models.key_renewal import list_old_keys
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from configs.ground.database_errors import read_refusal
from configs.ground.encryption import DecryptionFailed, decrypt
from configs.ground.text import pluralize
from configs.settings import Constant

# With fewer days ahead than this health calls the table degraded
_partition_days_low = Constant("PARTITION_DAYS_LOW", 7)
_SAMPLED = 10  # contacts of each channel, from each end of an index


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
    """Decrypt the oldest and the newest contacts of each channel.

    Encrypted texts begin with their time.
    """
    stored = sa.type_coerce(Contact.address, sa.Text)
    with session() as s:
        for channel in (Channel.SMS, Channel.TELEGRAM, Channel.PUSH):
            for order in (stored.asc(), stored.desc()):
                asked = sa.select(stored).where(Contact.channel == channel).order_by(order).limit(_SAMPLED)
                try:
                    for text in s.scalars(asked):
                        decrypt(text)
                except DecryptionFailed:
                    raise PartDown(
                        "phone numbers or chats cannot be decrypted: give DATA_KEYS back the key that it lost"
                    ) from None
    return "what they encrypted can be read"


def check_key_age(_: Redis) -> str:
    """Look for keys that are in use for too long."""
    if old := read_once(list_old_keys):
        names = ", ".join(old).upper()
        raise PartDown(f"in use for more than a year: {names}; `python -m deploy.keys` says what to do")
    return "none is in use for more than a year"


def check_partitions(_: Redis) -> str:
    """Count the days of `checks` that are made ahead."""
    ahead = read_once(count_days_ahead, clock().date())
    text = f"{pluralize(ahead, 'day')} of checks are made ahead"
    if ahead < _partition_days_low():
        raise PartDown(f"{text}: the job keep_partitions makes them, the log of `background` says what fails")
    return text
