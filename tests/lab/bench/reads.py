"""Reads of the API at a constant rate on many rows: alone, while logins arrive, and beside a bare Flask route.

The API runs under gunicorn as in a stack. People and alerts are a crowd (tests/lab/bench/people.py); one person has
5,000 notifications and 500 closed alerts.
"""

import asyncio
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median

import sqlalchemy as sa

from configs.settings import PREFECTURES
from configs.world.prefecture import Procedure, desks, prefectures
from tests.lab.bench.figures import (
    Effort,
    Figure,
    Say,
    forget,
    median_ratio,
    percentiles_ms,
)
from tests.lab.bench.open_loop import LoadGenerator, Reply, build_request, describe_replies
from tests.lab.bench.people import Crowd
from tests.lab.bench.servers import API, Servers, serve_app, servers

PREFIX = "reads"
_EACH = 10  # matches of an alert
_BEGIN = """
SET LOCAL session_replication_role = replica; -- foreign keys hold by the way these are made
-- A UUIDv7 begins with its instant: ids grow as the product's do.
CREATE OR REPLACE FUNCTION pg_temp.detection_id(n bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
  SELECT (lpad(to_hex(1700000000000 + n * 30000), 12, '0') || substr(md5('d' || n), 1, 20))::uuid $$;
"""
_DETECTIONS = """
INSERT INTO desks (id, status, status_reason, last_check_at, last_proven_at, wished_seconds)
  SELECT unnest(CAST(:desks AS text[])), 'ACTIVE', 'no slots', now(), now(), 30;
INSERT INTO slots (id, desk_id, place_key, moment, url, opened_at, seen_at, gone_at, gone_reason)
  SELECT n, desk, 'p' || n, '2027-03-01', 'https://x.example/', t, t, t, 'taken'
  FROM (SELECT n, now() - interval '347 days' * (1 - n / CAST(:detections AS float8)) AS t
        FROM generate_series(1, :detections) n) made
  JOIN unnest(CAST(:desks AS text[])) WITH ORDINALITY known(desk, number)
    ON number = 1 + n % cardinality(CAST(:desks AS text[]));
SELECT setval(pg_get_serial_sequence('slots', 'id'), :detections);
INSERT INTO detections (id, desk_id, prefecture_id, procedures, label, source, booking_url, seen_at, committed_at,
    matched_at)
  SELECT pg_temp.detection_id(id), desk_id, split_part(desk_id, '/', 1), '{AUTRE}', 'Guichet', 'check', url, seen_at,
    seen_at, seen_at FROM slots;
INSERT INTO detection_slots (detection_id, slot_id) SELECT pg_temp.detection_id(id), id FROM slots;
"""
_MATCHES = """
UPDATE users SET password_hash = :hash;
INSERT INTO alerts (id, user_id, closed_at, closed_because)
  SELECT md5('closed' || n)::uuid, id, now(), 'stopped' FROM users, generate_series(1, 500) n WHERE email = :busy;
INSERT INTO alert_targets (id, alert_id, prefecture_id, procedure)
  SELECT gen_random_uuid(), md5('closed' || n)::uuid, :place, 'AUTRE' FROM generate_series(1, 500) n;
CREATE TEMP TABLE wanted ON COMMIT DROP AS
  SELECT gen_random_uuid() AS id, a.id AS alert_id, a.user_id,
    1 + (a.number * 7919 + k * 104729) % :detections AS slot_id
  FROM (SELECT id, user_id, row_number() OVER (ORDER BY id) AS number FROM alerts) a, generate_series(1, :each) k;
INSERT INTO wanted SELECT gen_random_uuid(), a.id, a.user_id, n * (:detections / 5000)
  FROM alerts a JOIN users u ON u.id = a.user_id, generate_series(1, 5000) n
  WHERE u.email = :busy AND a.closed_at IS NULL;
INSERT INTO matches (id, alert_id, detection_id, limits_version, decided_at, announcement_id, slots)
  SELECT id, alert_id, pg_temp.detection_id(slot_id), 1, now(), id, int8multirange(int8range(slot_id, slot_id, '[]'))
  FROM wanted;
INSERT INTO notifications (id, user_id, announcement_id, channel, kind, priority, dedupe_key, state, next_attempt_at,
    accepted_at, title, text)
  SELECT id, user_id, id, 'email', 'slot_detected', 'critical', id::text, 'sent', now(), now(),
    'Créneau détecté – Essonne (91)', repeat('1 créneau ouvert, réserver maintenant. ', 40)
  FROM wanted;
"""


@dataclass(frozen=True)
class ReadData:
    """So many people with an alert each, and so many detections of the shipped desks."""

    people: int
    detections: int

    @property
    def busy(self) -> str:
        """Return the address of the person with many rows."""
        return f"{PREFIX}{self.people}@example.org"

    def write(self, engine: sa.Engine, password_hash: str) -> None:
        """Write them all; everybody has the same password."""
        places = ", ".join(f"'{each}'" for each in sorted(prefectures()))
        words = ", ".join(f"'{each.value}'" for each in Procedure)
        place = f"(ARRAY[{places}])[1 + n % {len(prefectures())}]"
        target = f"{place}, (ARRAY[{words}])[1 + n % {len(Procedure)}], NULL"
        some = {"desks": sorted(desks()), "detections": self.detections}
        self._run(engine, _DETECTIONS, some)
        Crowd(PREFIX, self.people, target).write(engine)
        more = {"hash": password_hash, "busy": self.busy, "place": min(prefectures()), "each": _EACH}
        self._run(engine, _MATCHES, more | {"detections": self.detections})
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM (ANALYZE)"))

    def _run(self, engine: sa.Engine, script: str, values: dict[str, object]) -> None:
        with engine.begin() as connection:
            connection.execute(sa.text(_BEGIN))
            connection.execute(sa.text(script), values)


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
            return asyncio.run(_measure(made, port, data, effort, say)) + _compare(made, port, effort, say)


async def _measure(made: Servers, port: int, data: ReadData, effort: Effort, say: Say) -> list[Figure]:
    load = LoadGenerator(port)
    people = await _sign_in_people(made, load, data, effort.of(200, 10))
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
        token = person.token if _needs_sign_in(path) else ""
        yield build_request(url, address=_draw_address(), token=token)


def _needs_sign_in(path: str) -> bool:
    return path.startswith(("/api/alerts", "/api/auth", "/api/detections")) and "stats" not in path


def _choose_logins(data: ReadData) -> Iterator[bytes]:
    while True:
        yield _build_login(f"{PREFIX}{random.randint(1, data.people)}@example.org")


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


def _compare(made: Servers, port: int, effort: Effort, say: Say) -> list[Figure]:
    """Ask the list of prefectures and a bare Flask route with its bytes for as much as they give, in turns."""
    file, seconds = made.state / "body.json", effort.of(5.0, 0.5)
    file.write_bytes(asyncio.run(_fetch(port)))
    app = "tests.lab.bench.bare_flask:create_app()"
    with serve_app(made, app, BENCH_BODY=str(file), BENCH_PATH=_LIST) as bare:
        found = effort.run_in_turns(
            ours=lambda: asyncio.run(_count(port, seconds)), bare=lambda: asyncio.run(_count(bare, seconds))
        )
    say(f"{_LIST}: {found['ours']}/s, a bare Flask route with the same bytes {found['bare']}/s")
    ratio = median_ratio(found["ours"], found["bare"])
    return [
        Figure(f"GET {_LIST}, requests/s", median(found["ours"])),
        Figure("a bare Flask route with the same bytes, requests/s", median(found["bare"])),
        Figure(f"GET {_LIST} ÷ a bare Flask route", ratio, "≥ 0.25"),
    ]


async def _fetch(port: int) -> bytes:
    load = LoadGenerator(port)
    reply = await load.ask(build_request(_LIST, address=_draw_address()), 0)
    await load.close()
    return reply.body


async def _count(port: int, seconds: float) -> float:
    """Return how many requests a second are answered, sixteen at once."""
    load = LoadGenerator(port)
    requests = (build_request(_LIST, address=_draw_address()) for _ in cycle([None]))
    replies = await load.run_closed(requests, 16, seconds)
    await load.close()
    return sum(reply.status == _OK for reply in replies) / seconds
