"""Client of the due queues in Redis: which desk is checked next, by whom, and which host may be asked.

A booking system has a queue for its desks that are asked by HTTP, with its own name (`custom`), and one for those that
need a browser (`custom-browser`): slow checks, with spider processes of their own, delay no others.

What a script does is a `Call`, which `send` (planner, writer) or `asend` (dispatcher) carries out. Instants are by the
caller's clock, which `now` says; scripts go by that of Redis.
docs/reference/redis.md has the picture.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, cast

import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from configs.settings import Constant, settings
from configs.world.desk import Desk, Fetch, find_step_gap
from crawler.browser import browser_deadline_seconds, browser_places, browser_start_seconds
from crawler.catalogue import system_of, systems

# Longest duration of one check by HTTP, over all its requests
http_deadline_seconds = Constant("HTTP_DEADLINE_SECONDS", 20.0)
# How long running checks may end after a stop
stop_grace_seconds = Constant("STOP_GRACE_SECONDS", 3.0)
# Added to the deadline before a desk whose process died is due again
claim_margin_seconds = Constant("CLAIM_MARGIN_SECONDS", 5.0)
# How many checks one spider process runs at once; more than there are hosts, so that hanging ones do not fill it
spider_places = Constant("SPIDER_PLACES", 64)
# How many pages one visit may ask for, redirects aside; a real host's budget for a minute ends it before
visit_requests = Constant("VISIT_REQUESTS", 24)

BROWSER = f"-{Fetch.BROWSER}"  # the end of a queue's name whose desks need one

# The heads of lua/<name>.lua name keys, arguments, result and changes. `-- include: <name>` includes another file.
_FOLDER = Path(__file__).with_name("lua")
_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)
# How overdue a desk without subscribers may be before it is claimed like any other
_heartbeat_late_seconds = Constant("HEARTBEAT_LATE_SECONDS", 1800.0)
T = TypeVar("T")
STOPPED = "crawler:stopped"  # a set of hosts
RUNS = "crawler:planner:runs"  # of planners; a Redis that forgets what a run wrote forgets the run
_TIMEOUT = 5  # seconds; a script takes milliseconds, a Redis that hangs must not hang a spider's end


class CrawlQueue(NamedTuple):
    """A booking system's desks that are fetched in one way."""

    system: str
    fetch: Fetch = Fetch.HTTP

    def __str__(self) -> str:
        """Return its name, as in Redis."""
        return f"{self.system}{BROWSER}" if self.browser else self.system

    @property
    def browser(self) -> bool:
        """Whether its desks need one."""
        return self.fetch is Fetch.BROWSER

    @property
    def places(self) -> int:
        """Return how many checks one process runs at once."""
        return browser_places() if self.browser else spider_places()

    @property
    def processes(self) -> int:
        """Return how many processes each scrapyd runs for it."""
        return settings().browser_processes if self.browser else settings().spider_processes

    @property
    def hold_seconds(self) -> float:
        """Return for how long a claim may last: a browser's start, the deadline, our own pauses, a margin."""
        pauses = find_step_gap() * visit_requests()
        browser = browser_start_seconds() + browser_deadline_seconds()
        return (browser if self.browser else http_deadline_seconds()) + pauses + claim_margin_seconds()


def queue_of(desk: Desk) -> CrawlQueue:
    """Return the queue in which a desk waits."""
    return CrawlQueue(system_of(desk), desk.fetch)


def queue_names() -> list[str]:
    """Return the names of all possible queues."""
    return [str(CrawlQueue(system, fetch)) for system in systems() for fetch in Fetch]


def _load(name: str) -> str:
    text = (_FOLDER / f"{name}.lua").read_text("utf-8")
    return _INCLUDE.sub(lambda match: _load(match[1]), text)


CLOCK = _load("_clock")  # the lines that each script begins with; tests freeze it
CLAIM = _load("claim")
SPEND = _load("spend")
FINISH = _load("finish")
SCHEDULE = _load("schedule")
REST = _load("rest")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A script with its keys and arguments, and how to read its answer."""

    script: str
    keys: Sequence[str]
    arguments: Sequence[str | int | float]
    read: Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class DeskClaim:
    """A desk that is ours to check until its hold ends.

    `paid` requests of its host's bucket are taken already. `turn` counts the desk's claims, without a gap.
    `probe`: it is asked only whether its stale address lives.
    """

    desk_id: str
    token: int
    paid: int = 0
    host: str = ""
    turn: int = 0
    probe: bool = False


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """What a claim brought. `wake`: when the next one can bring more (None: nothing is scheduled).

    `refused` are pushed ids that are not scheduled here.
    """

    claims: tuple[DeskClaim, ...] = ()
    wake: datetime | None = None
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostBucket:
    """The requests that a host may be asked, over all processes and systems: how many at once, how many a second."""

    capacity: float
    rate: float


@dataclass(frozen=True, slots=True)
class DueEntry:
    """A desk for the queue."""

    desk_id: str
    host: str
    gap: float  # seconds between two checks of the desk, at least
    due: datetime
    cost: int  # requests of its cheapest visit, which a claim takes from the host's bucket
    bucket: HostBucket
    hurry: bool = False  # whether a desk that is in the queue may move forward to `due`
    waits: bool = True  # whether an entitled subscriber waits; desks without go last
    need: float = 0  # requests of a visit that proves something: a claim waits until the bucket holds them
    probe: bool = False  # whether it is asked only if its stale address lives
    lost: bool = False  # whether Redis lost what the host was asked a moment ago: its bucket begins empty

    @property
    def to_redis(self) -> str:
        """Return it as lua/schedule.lua reads it, and keeps it for claims in desks:<queue>."""
        entry = asdict(self)
        entry |= entry.pop("bucket")
        entry["need"] = max(self.cost, min(self.need, self.bucket.capacity))
        return json.dumps(entry, default=_seconds)


@dataclass(frozen=True, slots=True)
class VisitEnd:
    """The end of a visit: when the desk is due again, until when its host is left alone."""

    desk_id: str
    token: int
    due: datetime
    host: str
    between: datetime  # until when the host is left alone between two visits
    rest: datetime | None = None  # until when the host rests after a block or a rate limit
    unused: int = 0  # requests that the claim paid for and the visit did not make

    @property
    def to_redis(self) -> str:
        """Return it as lua/finish.lua reads it."""
        return json.dumps(asdict(self), default=_seconds)


def connect() -> "redis.Redis":
    """Return a client; texts come decoded.

    Raises:
        configs.settings.SettingMissing: REDIS_URL is not set.
    """
    return cast("redis.Redis", _connect(redis.Redis))


def connect_async() -> "redis.asyncio.Redis":
    """Return a client that waits on the event loop instead of blocking it.

    A thread would do too, but under load it waits up to 5 ms for the interpreter at each step (measured by
    sys.getswitchinterval), which is the whole lateness allowed.
    """
    return cast("redis.asyncio.Redis", _connect(redis.asyncio.Redis))


def _connect(kind: type[Any]) -> Any:
    return kind.from_url(
        settings().require("redis_url"),
        decode_responses=True,
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=2,
        health_check_interval=15,
        retry=(redis.asyncio.retry.Retry if kind is redis.asyncio.Redis else Retry)(NoBackoff(), 1),
    )


def send(client: "redis.Redis", call: Call[T]) -> T:
    """Carry out a call.

    Raises:
        redis.RedisError: Redis is away or refuses.
    """
    return call.read(client.register_script(CLOCK + call.script)(call.keys, call.arguments))


async def asend(client: "redis.asyncio.Redis", call: Call[T]) -> T:
    """Carry out a call without blocking the event loop.

    Raises:
        redis.RedisError: Redis is away or refuses.
    """
    answer = await client.register_script(CLOCK + call.script)(call.keys, call.arguments)
    # redis-py may swallow it while an answer is read.
    if (task := asyncio.current_task()) and task.cancelling():
        raise asyncio.CancelledError
    return call.read(answer)


def claim_desks(system: str, *, now: datetime, places: int, hold: float) -> Call[ClaimResult]:
    """Take up to `places` desks that are due and whose hosts are free: most overdue first, one per host.

    Each is re-armed at now + `hold` seconds: a process that dies costs the desk that long, no more.
    """
    due, known, waits, idle = _keys_of(system)
    keys = (due, known, pushed(system), STOPPED, waits, idle)
    arguments = (now.timestamp(), places, hold, _heartbeat_late_seconds())
    return Call(CLAIM, keys, arguments, _claimed)


def _claimed(answer: Any) -> ClaimResult:
    claims, wake, refused = answer
    return ClaimResult(
        tuple(
            DeskClaim(desk, int(token), int(paid), host, int(turn), bool(probe))
            for desk, token, paid, host, turn, probe in claims
        ),
        _instant(wake) if wake else None,
        tuple(refused),
    )


def spend(system: str, desk_id: str, token: int, *, now: datetime) -> Call[bool]:
    """Take one request more from the bucket of a visit's host.

    Returns whether it may be made: the bucket holds it, the host is not stopped, and the visit still holds it.
    """
    return Call(SPEND, (_keys_of(system)[1], STOPPED), (now.timestamp(), desk_id, token), bool)


def finish(system: str, visits: Iterable[VisitEnd], *, now: datetime) -> Call[list[bool]]:
    """End visits: each re-arms its desk and frees its host, only where they are still its own.

    A rest is kept whoever holds the host: the site said so. Returns for each whether its token still counted.
    """
    arguments: list[str | float] = [now.timestamp(), *(visit.to_redis for visit in visits)]
    return Call(FINISH, _keys_of(system), arguments, lambda answer: [bool(own) for own in answer])


def schedule(system: str, entries: Iterable[DueEntry], *, now: datetime) -> Call[int]:
    """Put desks into the queue, or bring their host, gap and token up to date; return how many were not in it."""
    arguments: list[str | float] = [now.timestamp(), *(entry.to_redis for entry in entries)]
    return Call(SCHEDULE, _keys_of(system), arguments, int)


def drop(client: "redis.Redis", system: str, desk_ids: Sequence[str]) -> None:
    """Take desks (at least one) out of the queue.

    Raises:
        redis.RedisError: Redis is away.
    """
    due, known, waits, idle = _keys_of(system)
    with client.pipeline() as calls:
        calls.hdel(known, *desk_ids)
        for key in (waits, idle, due):
            calls.zrem(key, *desk_ids)
        calls.execute()


def rest(hosts: dict[str, datetime], *, now: datetime) -> Call[None]:
    """Leave hosts alone until the given instants; a longer rest stands."""
    arguments: list[str | float] = [now.timestamp()]
    for host, until in hosts.items():
        arguments += [host, until.timestamp()]
    return Call(REST, (), arguments, lambda _: None)


def replace_stopped(client: "redis.Redis", hosts: Sequence[str]) -> None:
    """Stop these hosts and no other: none of their desks is claimed, no visit asks them any more."""
    with client.pipeline() as calls:
        calls.delete(STOPPED)
        if hosts:
            calls.sadd(STOPPED, *hosts)
        calls.execute()


def is_left_alone(client: "redis.Redis", host: str) -> bool:
    """Tell whether nothing is asked of a host now: an operator stopped it, or it rests.

    Raises:
        redis.RedisError: Redis is away.
    """
    return bool(client.sismember(STOPPED, host) or client.exists(f"crawler:rest:{host}"))


def members(client: "redis.Redis", system: str) -> set[str]:
    """Return the ids of the desks in the queue."""
    return set(cast("list[str]", client.zrange(_keys_of(system)[0], 0, -1)))


def size(client: "redis.Redis", system: str) -> int:
    """Return how many desks are in the queue."""
    return client.zcard(_keys_of(system)[0])


def pushed(system: str) -> str:
    """Return the key of the list an operator or a tool pushes desk ids to."""
    return f"{system}:checks"


def _keys_of(system: str) -> list[str]:
    """Return the keys that all scripts of a queue take, as their heads name them."""
    return [f"crawler:{name}:{system}" for name in ("due", "desks", "waits", "idle")]


def _seconds(at: datetime) -> str:
    return f"{at.timestamp():.6f}"


def _instant(text: str) -> datetime:
    return datetime.fromtimestamp(float(text), UTC)
