"""Health of the servers: PostgreSQL, Redis, tables and keys, and the site's certificate as visitors get it.

The certificate is asked for at API_URL and FRONTEND_URL, so what renews, copies and loads it is
seen too. One that ends soon is named before browsers refuse it.
"""

import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from redis import Redis, RedisError

from api.admin.health.findings import PartDown, refuse
from api.models.base import session, takes_writes
from api.models.partitions import count_days_ahead
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from configs.ground.database_errors import read_refusal
from configs.ground.encryption import DecryptionFailed, decrypt
from configs.ground.formatting import format_duration, pluralize
from configs.ground.hosts import is_loopback
from configs.settings import settings
from configs.settings.constants import Constant

# With fewer days ahead than this health calls the table degraded
_PARTITION_DAYS_LOW = Constant("PARTITION_DAYS_LOW", 7)
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
    """Decrypt the oldest and the newest contacts of each channel: encrypted texts begin with their time."""
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


def check_partitions(_: Redis) -> str:
    """Count the days of `checks` that are made ahead."""
    with session() as s:
        ahead = count_days_ahead(s, clock().date())
    text = f"{pluralize(ahead, 'day')} of checks are made ahead"
    if ahead < _PARTITION_DAYS_LOW():
        raise PartDown(f"{text}: the job keep_partitions makes them, the log of `background` says what fails")
    return text


SOON = timedelta(days=10)  # certbot renews a month before the end
_PATIENCE = 1.0


def check_certificates(_: Redis) -> str:
    """Look at the certificate of each address; return until when all are good."""
    addresses = sorted(filter(None, map(_read_address, {settings().api_url, settings().frontend_url})))
    described = [_describe(host, port) for host, port in addresses]
    refuse([text for text, is_good in described if not is_good])
    return "; ".join(text for text, _ in described) or "none: API_URL is not https"


def _read_address(url: str) -> tuple[str, int] | None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_ours = not settings().loopback_only or is_loopback(host)
    return (host, parts.port or 443) if parts.scheme == "https" and host and is_ours else None


def _describe(host: str, port: int) -> tuple[str, bool]:
    """Return one certificate's state in words, and whether it is good."""
    try:
        ends_at = _read_end(host, port)
    except ssl.SSLCertVerificationError as error:
        return f"visitors of {host} are refused: {error.verify_message}", False
    except ConnectionRefusedError:  # the name leads to a machine that listens there no more
        return f"nothing listens at {host}: is nginx running?", False
    except (OSError, ValueError) as error:  # the way out and back in is closed on some machines
        return f"that of {host} cannot be seen from here ({type(error).__name__})", True
    left = ends_at - clock()
    if left <= timedelta():
        return f"visitors of {host} are refused: certificate has expired", False
    if left < SOON:
        return (
            f"that of {host} ends in {format_duration(left)}: the log of `certbot` says why it was not renewed",
            False,
        )
    return f"that of {host} ends in {format_duration(left)}", True


def _read_end(host: str, port: int) -> datetime:
    """Return when a certificate ends, as a browser would find it.

    Raises:
        OSError: nothing answers; ssl.SSLCertVerificationError, which is one: a browser would refuse it.
    """
    with (
        socket.create_connection((host, port), timeout=_PATIENCE) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        found = encrypted.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)
