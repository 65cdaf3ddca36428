"""500 open pages: the memory of the program that streams notices, and how soon a page has what was written."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import jwt
import psutil
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import new_id
from api.models.login import Login
from api.models.notice import Notice
from api.models.user import User
from configs.clock import clock
from configs.live_nudges import nudge_streams
from configs.signing import read_signing_keys
from deploy.bench.figures import Effort, Figure, Say, at_most, below, percentile
from deploy.bench.notifier_stack import NotifierStack, run_notifier
from deploy.local.processes import start, stop, wait_until, with_parent
from deploy.local.programs import build_environment, commands, database_programs

_PER_ADDRESS = 50  # streams that one network address may have open
_PATIENCE = 30.0  # seconds
_APART = 0.2  # seconds between two notices that come singly


@dataclass
class OpenPage:
    """One open stream, and when its last notice came."""

    user_id: UUID
    writer: asyncio.StreamWriter
    came: asyncio.Event = field(default_factory=asyncio.Event)
    at: float = 0.0
    reading: asyncio.Task[None] | None = None  # the loop keeps no task alive by itself

    async def note_arrivals(self, reader: asyncio.StreamReader) -> None:
        """Note when each notice comes, until the stream ends."""
        while line := await reader.readline():
            if line.startswith(b"data:"):
                self.at = time.monotonic()
                self.came.set()


def run(effort: Effort, say: Say) -> list[Figure]:
    """Open pages, then write notices singly and to all of them at once."""
    with run_notifier() as stack, _stream_program(stack) as process:
        began = process.memory_full_info()
        singly, together = asyncio.run(_measure(stack, effort, say))
        memory = process.memory_full_info()
    many = effort.of(500, 20)
    return [
        Figure("memory without a page (PSS), MB", began.pss / 2**20),
        Figure(f"memory with {many} pages (PSS), MB", memory.pss / 2**20, at_most(100)),
        Figure(f"memory with {many} pages (RSS), MB", memory.rss / 2**20),
        Figure("a notice of one page, written → there, p50 ms", percentile(singly, 50) * 1000),
        Figure("a notice of one page, written → there, p95 ms", percentile(singly, 95) * 1000, below(250)),
        Figure(f"{many} notices at once, written → there, p50 ms", percentile(together, 50) * 1000),
        Figure(
            f"{many} notices at once, written → there, p95 ms", percentile(together, 95) * 1000, below(250)
        ),
    ]


@contextmanager
def _stream_program(stack: NotifierStack) -> Iterator[psutil.Process]:
    log = stack.state / "stream.log"
    own = build_environment(database_programs()["stream"])
    process = start(with_parent(commands(stack.ports)["stream"]), log, env={**os.environ, **own})
    try:
        wait_until(
            partial(_answers, stack.ports.live), log, what="the streams", process=process, seconds=_PATIENCE
        )
        yield next(each for each in psutil.process_iter() if _serves(each, stack.ports.live))
    finally:
        stop(process)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def _serves(process: psutil.Process, port: int) -> bool:
    try:
        return any(each.laddr[1:] == (port,) for each in process.net_connections())
    except psutil.Error:
        return False


async def _measure(stack: NotifierStack, effort: Effort, say: Say) -> tuple[list[float], list[float]]:
    people = _write_people(stack.engine, effort.of(500, 20))
    pages = [await _open(stack.ports.live, number, *each) for number, each in enumerate(people)]
    say(f"{len(pages)} pages are open")
    singly, together = list[float](), list[float]()
    for number in range(effort.of(60, 3)):
        singly += await _write_and_wait(stack.engine, [pages[number * 7 % len(pages)]])
        await asyncio.sleep(_APART)
    for _ in range(effort.of(10, 1)):
        together += await _write_and_wait(stack.engine, pages)
        await asyncio.sleep(_APART)
    for page in pages:
        page.writer.close()
    return singly, together


def _write_people(engine: sa.Engine, many: int) -> list[tuple[UUID, str]]:
    """Write people who are signed in; return their ids and access tokens."""
    now, key = clock(), read_signing_keys()[0]
    users = [User(id=new_id(), email=f"page{number}@example.org") for number in range(many)]
    logins = [
        Login(
            id=new_id(), user_id=each.id, browser="Firefox, Windows", token_hash="", created_at=now, last_used_at=now,
            rotated_at=now, expires_at=now + timedelta(days=1), proven_at=now,
        )
        for each in users
    ]  # fmt: skip
    with Session(engine, expire_on_commit=False) as session, session.begin():
        session.add_all(users)
        session.flush()
        session.add_all(logins)
    claims = {"iss": "rdvpriority", "iat": now, "exp": now + timedelta(hours=1), "type": "access", "ver": 0}
    return [
        (each.user_id, jwt.encode(claims | {"sub": str(each.user_id), "login": str(each.id)}, key))
        for each in logins
    ]


async def _open(port: int, number: int, user_id: UUID, token: str) -> OpenPage:
    """Open one stream, from one of several network addresses, and wait for its first event."""
    address = f"127.0.1.{number // _PER_ADDRESS + 1}"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    writer.write(
        f"GET /api/notices/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    async with asyncio.timeout(_PATIENCE):
        while not (line := await reader.readline()).startswith(b"id:"):
            if not line:
                raise RuntimeError("a stream was refused")
    page = OpenPage(user_id, writer)
    page.reading = asyncio.create_task(page.note_arrivals(reader))
    return page


async def _write_and_wait(engine: sa.Engine, pages: Sequence[OpenPage]) -> list[float]:
    """Write a notice for each of these pages; return the seconds from their commit until each page had its own."""
    for page in pages:
        page.came.clear()
    began = await asyncio.to_thread(_write_notices, engine, [page.user_id for page in pages])
    async with asyncio.timeout(_PATIENCE):
        for page in pages:
            await page.came.wait()
    return [page.at - began for page in pages]


def _write_notices(engine: sa.Engine, user_ids: Sequence[UUID]) -> float:
    rows = [
        {
            "id": new_id(), "user_id": each, "kind": "slot_detected", "language": "fr", "title": "Un créneau : Essonne",
            "body": "Évry-Courcouronnes, mardi 2 mars à 9 h 30", "link": "/dashboard", "detection_id": uuid4(),
        }
        for each in user_ids
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(sa.insert(Notice), rows)
        began = time.monotonic()
    nudge_streams()
    return began
