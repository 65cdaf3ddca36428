"""Reads of the API at a constant rate on many rows: alone, while logins arrive, and beside a bare Flask route."""

import asyncio
import random
import statistics
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from configs.settings import PREFECTURES
from deploy.bench.api_server import (
    API,
    SignedIn,
    build_login,
    draw_address,
    measure_cpu,
    serve_app,
    sign_in_people,
    write_rows,
)
from deploy.bench.figures import Effort, Figure, Say, at_least, at_most, below
from deploy.bench.open_loop import LoadGenerator, Reply, build_request, describe_replies, percentile_ms
from deploy.bench.read_data import PREFIX, ReadData
from deploy.bench.row_security import measure_row_security
from deploy.bench.servers import Servers, servers
from deploy.bench.statement_log import explain, log_statements, read_slowest

_RATE = 200
_LIST = "/api/prefectures"
_PLANS = Path(".state/bench_plans.txt")
_SHOWN = 5  # statements whose plans are written
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


def run(effort: Effort, say: Say) -> list[Figure]:
    """Write the rows, start the API, measure."""
    data = ReadData(effort.of(100_000, 1_000), effort.of(1_000_000, 10_000))
    with servers(lambda _: {"PREFECTURES_DIR": str(PREFECTURES), "PROXY_HOPS": "1"}) as made:
        write_rows(made, data, say)
        with serve_app(made, API, {"PROGRAM": "api"}) as port:
            figures = asyncio.run(_measure(made, port, data, effort, say)) + _compare(made, port, effort, say)
        return figures + measure_row_security(made.engine, data.busy, effort, say)


async def _measure(made: Servers, port: int, data: ReadData, effort: Effort, say: Say) -> list[Figure]:
    load = LoadGenerator(port)
    people = await sign_in_people(made, load, data, effort.of(200, 10))
    say(f"{len(people)} people signed in")
    seconds = effort.of(60.0, 3.0)
    reads = _choose_reads(people)
    await load.run_open(reads, _RATE, effort.of(10.0, 1.0))  # connections, pools and caches
    alone = await load.run_open(reads, _RATE, seconds)
    say(describe_replies(alone))
    beside, logins = await asyncio.gather(
        load.run_open(reads, _RATE, seconds), load.run_closed(_choose_logins(data), 2, seconds)
    )
    say(f"{describe_replies(beside)}; meanwhile {len(logins) / seconds:.1f} logins/s")
    with log_statements(made.engine):
        await load.run_open(reads, _RATE, effort.of(30.0, 3.0))
    cpu_figures = [
        await measure_cpu(load, "a signed-in read", _choose_reads(people, own=True), effort.of(1000, 20)),
        await measure_cpu(load, "a public read", _choose_reads(people, own=False), effort.of(1000, 20)),
    ]
    await load.close()
    return [*_figures_of_reads(alone, beside, logins, seconds), *cpu_figures, _read_slowest(made, say)]


def _choose_reads(people: Sequence[SignedIn], *, own: bool | None = None) -> Iterator[bytes]:
    """Draw reads of these people; `own`: only those that need a sign-in, or only the others."""
    shares = _SHARES.items()
    paths = [path for path, share in shares for _ in range(share) if own in (None, _needs_sign_in(path))]
    while True:
        path, person = random.choice(paths), random.choice(people)  # noqa: S311 -- no secret
        url = path.format(alert=person.alert, detection=person.detection)
        token = person.token if _needs_sign_in(path) else ""
        yield build_request(url, address=draw_address(), token=token)


def _needs_sign_in(path: str) -> bool:
    return path.startswith(("/api/alerts", "/api/auth", "/api/detections")) and "stats" not in path


def _choose_logins(data: ReadData) -> Iterator[bytes]:
    while True:
        yield build_login(f"{PREFIX}{random.randint(1, data.people)}@example.org")  # noqa: S311 -- no secret


def _figures_of_reads(
    alone: Sequence[Reply], beside: Sequence[Reply], logins: Sequence[Reply], seconds: float
) -> list[Figure]:
    cached = [b"; hit" in reply.headers for reply in alone if b"\r\ncache-status: " in reply.headers]
    accepted = sum(reply.status == _OK for reply in logins)
    return [
        Figure(f"reads at {_RATE}/s, p50 ms", percentile_ms(alone, 50)),
        Figure(f"reads at {_RATE}/s, p95 ms", percentile_ms(alone, 95), below(50)),
        Figure(f"reads at {_RATE}/s, p99 ms", percentile_ms(alone, 99), below(200)),
        Figure(f"reads at {_RATE}/s while logins arrive, p95 ms", percentile_ms(beside, 95), below(100)),
        Figure("logins meanwhile, accepted a second", accepted / seconds),
        Figure("reads that failed", sum(reply.status != _OK for reply in (*alone, *beside)), at_most(0)),
        Figure("public reads from the cache, %", 100 * sum(cached) / max(1, len(cached)), at_least(80)),
    ]


def _read_slowest(made: Servers, say: Say) -> Figure:
    """Write the plans of the slowest queries; return the figure of the slowest."""
    found = read_slowest(made.state / "postgres" / "log", _SHOWN)
    _PLANS.parent.mkdir(parents=True, exist_ok=True)
    with _PLANS.open("w", encoding="utf-8") as file:
        for each in found:
            head = f"p95 {each.p95:.2f} ms of {len(each.milliseconds)} calls"
            say(f"{head}: {' '.join(each.slowest.split())[:110]}")
            file.write(f"-- {head}\n{each.slowest}\n\n{explain(made.engine, each)}\n\n")
    say(f"plans: {_PLANS}")
    return Figure("slowest query, p95 ms", found[0].p95, below(100))


def _compare(made: Servers, port: int, effort: Effort, say: Say) -> list[Figure]:
    """Ask the list of prefectures and a bare Flask route with its bytes for as much as they give, in turns."""
    body = asyncio.run(_fetch(port))
    file = made.state / "body.json"
    file.write_bytes(body)
    with serve_app(
        made, "deploy.bench.bare_flask:create_app()", {"BENCH_BODY": str(file), "BENCH_PATH": _LIST}
    ) as bare:
        rounds = [
            [asyncio.run(_count(each, effort.of(5.0, 0.5))) for each in (port, bare)]
            for _ in range(effort.of(5, 1))
        ]
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    say(f"{_LIST}: {ours:.0f}/s, a bare Flask route with the same {len(body)} bytes {theirs:.0f}/s")
    ratio = statistics.median(ours / theirs for ours, theirs in rounds)
    return [
        Figure(f"GET {_LIST}, requests/s", ours),
        Figure("a bare Flask route with the same bytes, requests/s", theirs),
        Figure(f"GET {_LIST} ÷ a bare Flask route", ratio, at_least(0.25)),
    ]


async def _fetch(port: int) -> bytes:
    load = LoadGenerator(port)
    reply = await load.ask(build_request(_LIST, address=draw_address()), 0)
    await load.close()
    return reply.body


async def _count(port: int, seconds: float) -> float:
    """Return how many requests a second are answered, sixteen at once."""
    load = LoadGenerator(port)
    requests = (build_request(_LIST, address=draw_address()) for _ in cycle([None]))
    replies = await load.run_closed(requests, 16, seconds)
    await load.close()
    return sum(reply.status == _OK for reply in replies) / seconds
