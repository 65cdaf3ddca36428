"""No phone number, chat or mail address of a person in what a whole run leaves: logs, Redis, jobs, audit, health.

And each program calls in Redis what it is allowed to, nothing more, and all of that.
"""

import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
import sqlalchemy as sa

from api.models.base import session
from deploy.local.seed import seed
from deploy.local.stack import Stack
from deploy.local.state_dir import LOGS
from deploy.sandbox.addresses import INBOX
from tests.lab.bench.latency import hasty, open_slot
from tests.sample_desk_files import only
from tests.waiting import until
from tests.whole.conftest import STACK_JOURNEY, appoint_admin, list_refused, quiet_stack
from tests.whole.redis_record import RedisRecord, recorded
from tests.whole.visitor import LOOK, Visitor, set_mode

pytestmark = STACK_JOURNEY
PHONE, CHAT = "+33612345678", 100000042
WISH = {"prefectureId": "evry-courcouronnes_91", "procedures": ["NATURALISATION"], "name": "Maman"}
# The stand-ins play the providers and the phones: they are outside.
OUTSIDE = {"sandbox.log", "world.log"}
TABLES = ("audit", "jobs", "backup_states", "desk_changes", "incidents")
Places = Iterator[tuple[str, str]]
# Rules that are needed where something goes wrong or is done by hand, which the run does not meet: it tells one person by
# mail. Those of queues and channels are listed once for all programs.
QUEUES = {f"~rq:*:{each}*" for each in ("critical", "many", "receipts", "webhooks")}
CHANNELS = {f"~rq:*:{each}-*" for each in ("email", "sms", "telegram", "voice", "push")}
SCRIPTS = {"+eval", "+script|load", "+script|exists"}
RARE = {
    "api": QUEUES
    | CHANNELS
    | SCRIPTS
    | {
        "%R~*:checks",
        "~nudges:payments",
        "~nudges:maintenance",
        "~nudges:reports",
    },  # who buys, exports, looks
    "background": QUEUES
    | CHANNELS
    | SCRIPTS
    | {
        "+client|list",
        "+info",
        "+publish",
        "%R~*:checks",
        "~api:cache:*",
        "%R~crawler:*",
        "%R~proofs:*",
        "~refused:*",
        "~rq:queues",
    },
    "crawler": QUEUES
    | CHANNELS
    | SCRIPTS
    | {"~refused:*", "+client|list", "%R~breaker:telegram", "&stream:*", "+publish", "~proofs:counts:*"},
    "notifier": SCRIPTS | {"+client|list", "~refused:*"},  # a job that is none of ours
    "proofs": SCRIPTS
    | {"+client|list", "+evalsha", "+info", "~refused:*", "~rq:queues"},  # pages that a worker left
    "reader": {"+srem", "~rq:workers"},  # the name of a worker that died
    "stream": {"+subscribe", "+unsubscribe"},  # a page that is open
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    soon = {"RETRY_SECONDS": "0.2", "RETRY_MAX_SECONDS": "1", "LOG_LEVEL": "debug"}
    with quiet_stack(lambda text: only("ezbooking", hasty(text)), **soon) as made:
        yield made


@pytest.fixture(scope="module")
def record(stack: Stack) -> Iterator[RedisRecord]:
    with recorded(stack) as made:
        seed(stack)
        yield made


@pytest.fixture(scope="module")
def admin(stack: Stack) -> Visitor:
    """Make an admin beside the one that the stack has, who has no password."""
    one = Visitor(stack, "oscar@example.org")
    one.register()
    assert len(appoint_admin(one)) == 10
    return one


def search_user(admin: Visitor, email: str) -> str:
    """Return the page's address of the user whom an operator finds by an address."""
    found = admin.send("/admin/utilisateurs", "/recherche", wanted=email)
    (address,) = set(re.findall(r"/admin/utilisateurs/[0-9a-f-]{36}", found))
    return str(address)


def give_plan(admin: Visitor, email: str) -> None:
    """Have the admin give URGENCE_TOTAL."""
    user = search_user(admin, email)
    admin.prove()
    assert "est donnée" in admin.send(f"{user}/formule", "/formule", plan="URGENCE_TOTAL")


def slot_alerts(user: Visitor) -> dict[str, list[dict[str, Any]]]:
    """Return the alerts of slots that reached a user, by channel."""
    addresses = {"email": user.email, "sms": PHONE, "telegram": str(CHAT)}
    return {channel: user.messages(channel, to, slots=True) for channel, to in addresses.items()}


def forms(email: str) -> list[re.Pattern[str]]:
    """Return how a mail address, the phone number and the chat may be written."""
    digits = PHONE.removeprefix("+33")
    spaced = r"[ .\-]?".join(re.findall("..", "0" + digits))
    written = [
        re.escape(email),
        re.escape(email).replace("@", "%40"),
        digits,
        spaced,
        rf"(?<!\d){CHAT}(?!\d)",
    ]
    return [re.compile(each, re.IGNORECASE) for each in written]


def read_logs(stack: Stack) -> Places:
    for path in sorted(Path(stack.state).rglob("*")):
        is_log = path.suffix in (".log", ".out", ".jsonl") or LOGS in str(path)
        if path.is_file() and is_log and path.name not in OUTSIDE and "postgres" not in path.parts:
            yield f"log {path.name}", path.read_text(encoding="utf-8", errors="replace")


def read_redis(stack: Stack) -> Places:
    """Yield each key with all it holds; RQ packs a job's call and its result."""
    client: Any = redis.Redis.from_url(stack.environment["REDIS_URL"])
    read: dict[bytes, Any] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"stream": client.xrange,
        b"none": lambda _key: [],  # it expired meanwhile
    }
    for key in client.scan_iter():
        held: Any = read[client.type(key)](key)
        values = [*held.keys(), *held.values()] if isinstance(held, dict) else held
        yield f"redis {key!r}", f"{key!r} {_unpack(values)}"


def _unpack(held: Any) -> str:
    if isinstance(held, bytes):
        try:
            return repr(zlib.decompress(held))
        except zlib.error:
            return repr(held)
    return " ".join(map(_unpack, held)) if isinstance(held, list | set | tuple) else repr(held)


def read_tables() -> Places:
    with session() as s:
        for table in TABLES:
            rows = s.scalars(sa.text(f"SELECT t::text FROM {table} t"))  # noqa: S608 -- our own names
            yield f"table {table}", "\n".join(rows)


def read_answers(stack: Stack) -> Places:
    """Yield the public figures, which Prometheus and everybody read."""
    for path in ("/api/health", "/api/stats", "/api/reliability", "/api/detections/stats"):
        yield path, requests.get(f"http://127.0.0.1:{stack.ports.api}{path}", timeout=60).text


def live(stack: Stack, admin: Visitor) -> Visitor:
    """Have a person meet most of the service, and have some of it fail."""
    nadia = Visitor(stack, "nadia.seeded@example.org")
    nadia.register()
    nadia.ask("POST", "/auth/login", {"email": nadia.email, "password": "wrong wrong wrong"}, expect=401)
    nadia.sign_in()
    give_plan(admin, nadia.email)
    nadia.link_telegram(CHAT)
    nadia.link_phone(PHONE)
    nadia.ask("POST", "/support", {"message": f"Je suis {nadia.email}, {PHONE}."}, expect=201)
    nadia.ask("POST", "/auth/forgot-password", {"email": nadia.email}, expect=202)
    address, login = f"http://127.0.0.1:{stack.ports.live}/api/notices/stream", f"Bearer {nadia.token}"
    with requests.get(address, headers={"Authorization": login}, stream=True, timeout=60) as streamed:
        assert streamed.status_code == 200
    alert = nadia.ask("POST", "/alerts", WISH, expect=201)
    until(lambda: nadia.ask("GET", f"/alerts/{alert['id']}")["lastProvenAt"], pause=LOOK)
    open_slot(stack)
    until(lambda: all(slot_alerts(nadia).values()))
    for channel in ("email", "sms", "telegram"):
        set_mode(stack, channel, "error_500")
    nadia.ask("POST", f"/alerts/{alert['id']}/test", expect=202)
    until(lambda: any("not accepted" in text for _, text in read_logs(stack)))
    search_user(admin, nadia.email)
    return nadia


def test_a_whole_run_leaves_no_address_of_a_person(
    stack: Stack,
    record: RedisRecord,
    admin: Visitor,
) -> None:
    nadia = live(stack, admin)
    patterns = forms(nadia.email)
    places = [*read_logs(stack), *read_redis(stack), *read_tables(), *read_answers(stack)]
    inbox = requests.get(f"http://{INBOX}:{stack.ports.inbox}/api/messages", timeout=60).text
    assert [bool(each.search(inbox)) for each in patterns] == [True, False, True, False, True]
    logs = {name.removeprefix("log ") for name, _ in places}
    assert logs >= {f"{each}.log" for each in ("api", "notifier", "background", "scrapyd", "planner")}
    assert {name.split()[0] for name, _ in places} >= {"log", "redis", "table", "/api/health"}
    assert any(name == "log api.log" and "auth/login" in text for name, text in places)
    found = [
        f"{name}: …{text[max(0, hit.start() - 80) : hit.end() + 20]}…"
        for name, text in places
        for pattern in patterns
        for hit in [pattern.search(text)]
        if hit
    ]
    assert found == []


def list_unused(record: RedisRecord) -> dict[str, set[str]]:
    found = {user: rules - RARE.get(user, set()) for user, rules in record.find_unused().items()}
    return {user: rules for user, rules in found.items() if rules}


def test_what_programs_may_do_in_redis_is_what_they_do(stack: Stack, record: RedisRecord) -> None:
    """After that run, which met most of the service."""
    requests.get(f"http://127.0.0.1:{stack.ports.metrics}/metrics", timeout=60)
    with suppress(AssertionError):  # the assertion below says what is left
        until(lambda: not list_unused(record), seconds=100)  # health is judged each minute
    left = list_unused(record)
    assert not left, f"allowed and not used: {left}"
    assert list_refused(stack) == []
