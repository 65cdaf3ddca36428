"""The API on many rows, under gunicorn as a stack runs it, and people who are signed in to it."""

import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import psutil
import sqlalchemy as sa

from deploy.bench.figures import Figure, Say, forget
from deploy.bench.open_loop import LoadGenerator, build_request
from deploy.bench.read_data import PREFIX, ReadData
from deploy.bench.servers import Servers, cpu
from deploy.local.ports import StackPorts
from deploy.local.processes import answers, free_port, start, stop, wait_until, with_parent
from deploy.local.programs import commands

API = "api.app:create_app()"
PASSWORD = "a password of the benchmark"  # noqa: S105 -- of accounts that live for minutes
_OK = 200


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person's address and token, one of the person's alerts and one of the matched detections."""

    email: str
    token: str
    alert: str
    detection: str


def write_rows(made: Servers, data: ReadData, say: Say) -> None:
    """Write the rows of the benchmark, and let this process read the settings of these servers."""
    os.environ |= made.environment
    forget()
    from api.accounts.passwords import hash_password  # noqa: PLC0415 -- reads the environment

    data.write(made.engine, hash_password(PASSWORD))
    say(f"{data.people} people with an alert, {data.detections} detections written")


@contextmanager
def serve_app(made: Servers, app: str, more: dict[str, str]) -> Iterator[int]:
    """Run gunicorn with an app as the stack does; give its port."""
    port = free_port()
    command = [
        app if part.startswith("api.app:") else part
        for part in commands(replace(StackPorts(), api=port))["api"]
    ]
    log = made.state / f"{app.partition(':')[0]}.log"
    process = start(with_parent(command), log, env=made.environment | more)
    try:
        wait_until(lambda: answers("127.0.0.1", port), log, what="gunicorn", process=process)
        yield port
    finally:
        stop(process)


async def sign_in_people(made: Servers, load: LoadGenerator, data: ReadData, many: int) -> list[SignedIn]:
    """Sign in some people, the one with many rows among them.

    Raises:
        RuntimeError: a sign-in is refused.
    """
    numbers = [data.people, *random.sample(range(1, data.people), many - 1)]
    emails = [f"{PREFIX}{number}@example.org" for number in numbers]
    replies = [await load.ask(build_login(email), 0) for email in emails]
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


def build_login(email: str) -> bytes:
    """Return the request that signs a person in."""
    body = json.dumps({"email": email, "password": PASSWORD}).encode()
    return build_request("/api/auth/login", address=draw_address(), body=body)


def draw_address() -> str:
    """Return a visitor's network address: limits count by address, and these are many visitors."""
    return f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(256)}"  # noqa: S311 -- no secret


async def measure_cpu(load: LoadGenerator, name: str, requests: Iterator[bytes], number: int) -> Figure:
    """Return the CPU that the API, PostgreSQL and Redis together take for a request, sent one after the other."""
    before = _read_cpu()
    for _ in range(number):
        await load.ask(next(requests), 0)
    return Figure(f"{name}: CPU of API, PostgreSQL and Redis, ms", 1000 * (_read_cpu() - before) / number)


def _read_cpu() -> float:
    spent = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            spent += cpu(process)
    return spent
