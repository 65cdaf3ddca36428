"""Traces of a person: rows, keys of Redis and files as text, and the places of a word in them."""

import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
import sqlalchemy as sa

from api.models.base import session
from api.retention.batches import erase_addresses


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
