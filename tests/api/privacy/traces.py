"""The request that deletes an account, and traces of a person: rows, keys of Redis, files as text, places of a word in them."""

import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
import sqlalchemy as sa

from api.models.base import engine, session
from api.models.login import Login
from api.privacy.retention_batches import erase_addresses
from configs.ground.clock import clock
from tests.clients import Answer, Person
from tests.factories import change

URL = "/api/users/me"
_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def delete(person: Person, body: dict[str, Any] | None = None) -> Answer:
    return person.delete(URL, body)


def prove(person: Person) -> None:
    """Write that the password was given just now."""
    change(Login, Login.id == person.login_id, proven_at=clock())


def is_one_waiting() -> bool:
    """Whether a transaction waits for another one."""
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as other:
        return bool(other.scalar(_WAITING))


def read_tables() -> Iterator[tuple[str, str]]:
    """Yield each row of each table as text."""
    with session() as s:
        names = s.scalars(sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        for name in names:
            for text in s.scalars(sa.text(f'SELECT t::text FROM "{name}" t')):  # noqa: S608 -- a table's name
                yield name, str(text)


def read_redis(client: redis.Redis) -> Iterator[tuple[str, str]]:
    """Yield each key, and each value behind it; RQ's jobs unpacked."""
    for key in client.scan_iter():
        name = key.decode(errors="replace")
        yield name, name
        for part in _read_value(client, key):
            with suppress(zlib.error):
                part = zlib.decompress(part)  # noqa: PLW2901 -- a job's data
            yield name, part.decode(errors="replace")


def _read_value(client: Any, key: bytes) -> list[bytes]:
    match client.type(key).decode():
        case "string":
            return [client.get(key) or b""]
        case "hash":
            return [each for pair in client.hgetall(key).items() for each in pair]
        case "list":
            return list(client.lrange(key, 0, -1))
        case "set":
            return list(client.smembers(key))
        case "zset":
            return list(client.zrange(key, 0, -1))
    return []


def read_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each file below a folder: its name and its content."""
    for path in folder.rglob("*"):
        yield path.name, path.name
        if path.is_file():
            yield path.name, path.read_bytes().decode(errors="replace")


def find(needles: set[str], places: Any) -> list[tuple[str, str]]:
    """Return where a needle stands: the place, and the needle."""
    return sorted({(name, each) for name, text in places for each in needles if each in text.lower()})


def find_after_the_hourly_job(needles: set[str]) -> list[tuple[str, str]]:
    """Return what the tables hold once the last mails of a deleted account have lost their address."""
    with session() as s:
        erase_addresses(s)
    return find(needles, read_tables())
