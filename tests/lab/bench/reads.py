"""Reads of the API at a constant rate on many rows (read_data.py): alone and while logins arrive.

The API runs under gunicorn as in a stack.
"""

import asyncio
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

import sqlalchemy as sa

from configs.settings.groups import PREFECTURES
from tests.lab.bench.figures import (
    Effort,
    Figure,
    Say,
    forget,
    percentiles_ms,
)
from tests.lab.bench.open_loop import LoadGenerator, Reply, build_request, describe_replies
from tests.lab.bench.read_data import PREFIX, ReadData
from tests.lab.bench.servers import API, Servers, serve_app, servers

_PASSWORD = "a password of the benchmark"
_RATE = 200
_LIST = "/api/prefectures"
# Parts of twenty. A signed-in person looks at their own more often than strangers look at the list.
_SHARES = {
    "/api/alerts": 5,
    "/api/alerts/{alert}": 1,
    "/api/detections": 4,
    "/api/detections/{detection}": 2,
    "/api/auth/me": 1,
    _LIST: 3,
    "/api/prefectures/bobigny_93": 2,
    "/api/stats": 1,
    "/api/detections/stats": 1,
}
_OK = 200


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person's address and token, one of the person's alerts and one of the matched detections."""

    email: str
    token: str
    alert: str
    detection: str


def run(effort: Effort, say: Say) -> list[Figure]:
    """Write the rows, start the API, measure."""
    data = ReadData(effort.of(100_000, 1_000), effort.of(1_000_000, 10_000))
    with servers(lambda _: {"PREFECTURES_DIR": str(PREFECTURES), "PROXY_HOPS": "1"}) as made:
        os.environ |= made.environment
        forget()
        from api.accounts.passwords import hash_password

        data.write(made.engine, hash_password(_PASSWORD))
        say(f"{data.people} people with an alert, {data.detections} detections written")
        with serve_app(made, API, PROGRAM="api") as port:
            return asyncio.run(_measure(made, port, data, effort, say))


async def _measure(made: Servers, port: int, data: ReadData, effort: Effort, say: Say) -> list[Figure]:
    load = LoadGenerator(port)
    people = await _sign_in_people(made, load, data, effort.of(200, 10))
    say(f"{len(people)} people signed in")
    seconds = effort.of(60.0, 3.0)
    reads = _choose_reads(people)
    await load.run_open(reads, _RATE, effort.of(10.0, 1.0))  # connections, pools and caches
    alone = await load.run_open(reads, _RATE, seconds)
    say(describe_replies(alone))
    some = (_build_login(f"{PREFIX}{random.randint(1, data.people)}@example.org") for _ in cycle([None]))
    beside, logins = await asyncio.gather(
        load.run_open(reads, _RATE, seconds), load.run_closed(some, 2, seconds)
    )
    say(f"{describe_replies(beside)}; meanwhile {len(logins) / seconds:.1f} logins/s")
    await load.close()
    return _figures_of_reads(alone, beside, logins, seconds)


async def _sign_in_people(made: Servers, load: LoadGenerator, data: ReadData, many: int) -> list[SignedIn]:
    """Sign in some people, the one with many rows among them.

    Raises:
        RuntimeError: a sign-in is refused.
    """
    numbers = [data.people, *random.sample(range(1, data.people), many - 1)]
    emails = [f"{PREFIX}{number}@example.org" for number in numbers]
    replies = [await load.ask(_build_login(email), 0) for email in emails]
    if wrong := [reply for reply in replies if reply.status != _OK]:
        raise RuntimeError(f"no sign-in: {wrong[0].status} {wrong[0].body.decode()}")
    query = sa.text(
        "SELECT u.email, a.id::text, m.detection_id::text FROM users u JOIN alerts a ON a.user_id = u.id"
        " JOIN matches m ON m.alert_id = a.id WHERE u.email = ANY(:emails) AND a.closed_at IS NULL"
    )
    with made.engine.connect() as connection:
        own = {
            email: (alert, detection)
            for email, alert, detection in connection.execute(query, {"emails": emails})
        }
    tokens = [json.loads(reply.body)["token"] for reply in replies]
    return [SignedIn(email, token, *own[email]) for token, email in zip(tokens, emails, strict=True)]


def _build_login(email: str) -> bytes:
    """Return the request that signs a person in."""
    body = json.dumps({"email": email, "password": _PASSWORD}).encode()
    return build_request("/api/auth/login", address=_draw_address(), body=body)


def _draw_address() -> str:
    """Return a visitor's network address: limits count by address, and these are many visitors."""
    return f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(256)}"


def _choose_reads(people: Sequence[SignedIn]) -> Iterator[bytes]:
    """Draw reads of these people."""
    paths = [path for path, share in _SHARES.items() for _ in range(share)]
    while True:
        path, person = random.choice(paths), random.choice(people)
        url = path.format(alert=person.alert, detection=person.detection)
        is_own = path.startswith(("/api/alerts", "/api/auth", "/api/detections")) and "stats" not in path
        token = person.token if is_own else ""
        yield build_request(url, address=_draw_address(), token=token)


def _figures_of_reads(
    alone: Sequence[Reply], beside: Sequence[Reply], logins: Sequence[Reply], seconds: float
) -> list[Figure]:
    cached = [b"; hit" in reply.headers for reply in alone if b"\r\ncache-status: " in reply.headers]
    accepted = sum(reply.status == _OK for reply in logins)
    goals = {50: "", 95: "< 50", 99: "< 200"}
    name = f"reads at {_RATE}/s"
    return [
        *percentiles_ms(name, [each.seconds for each in alone], goals),
        *percentiles_ms(f"{name} while logins arrive", [each.seconds for each in beside], {95: "< 100"}),
        Figure("logins meanwhile, accepted a second", accepted / seconds),
        Figure("reads that failed", sum(reply.status != _OK for reply in (*alone, *beside)), "≤ 0"),
        Figure("public reads from the cache, %", 100 * sum(cached) / max(1, len(cached)), "≥ 80"),
    ]
