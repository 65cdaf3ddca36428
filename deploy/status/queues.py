"""The queues in Redis: which desks are due and how late they are, which jobs wait and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from redis import Redis
from rich.text import Text
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from api.probes import QUEUES
from configs.clock import clock
from deploy.status.ask import queue
from deploy.status.text import BAD, DIM, GOOD, ODD, line, listed
from deploy.words import count

_LATE = 1.0  # seconds; a desk that waits longer shows that something is slow
_LOOKED_AT = 2000  # overdue desks whose hosts are looked at
_DUE = "due:"


@dataclass(frozen=True, slots=True)
class Due:
    """One booking system's due queue. Lateness in seconds, of desks whose hosts may be asked now.

    `held_back` are overdue too, but their hosts rest or are stopped. `pushed`: checks that somebody asked for.
    """

    system: str
    desks: int
    overdue: int
    latest_seconds: float
    held_back: int
    pushed: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """One queue of jobs."""

    name: str
    jobs: int
    oldest_seconds: float | None
    failed: int


def read_due() -> list[Due]:
    """Read the sorted sets `due:<system>` (crawler/lua.py says what stands in Redis).

    Raises:
        redis.RedisError: Redis is away.
    """
    client = queue()
    systems = sorted(key.decode().removeprefix(_DUE) for key in client.scan_iter(f"{_DUE}*", count=1000))
    return [_due(client, system, clock()) for system in systems]


def _due(client: Redis, system: str, now: datetime) -> Due:
    key = f"{_DUE}{system}"
    waiting: Any = client.zrangebyscore(key, "-inf", now.timestamp(), 0, _LOOKED_AT, withscores=True)
    overdue: list[tuple[bytes, float]] = waiting
    hosts = _hosts(client, system, [desk for desk, _ in overdue])
    free = _free(client, set(hosts), now)
    late = [now.timestamp() - due for (_, due), host in zip(overdue, hosts, strict=True) if host in free]
    return Due(
        system,
        desks=client.zcard(key),
        overdue=len(late),
        latest_seconds=round(max(late, default=0.0), 3),
        held_back=len(overdue) - len(late),
        pushed=client.llen(f"{system}:checks"),
    )


def _hosts(client: Redis, system: str, desks: Sequence[bytes]) -> list[bytes]:
    """Return each desk's host: the hash has `<gap> <host>`, or more before it."""
    if not desks:
        return []
    found = cast("list[bytes | None]", client.hmget(f"desks:{system}", list(map(bytes.decode, desks))))
    return [(each or b"?").rpartition(b" ")[2] for each in found]


def _free(client: Redis, hosts: set[bytes], now: datetime) -> set[bytes]:
    """Return the hosts that neither rest nor are stopped."""
    if not hosts:
        return set()
    ordered = sorted(hosts)
    rests: Any = client.mget([b"rest:" + host for host in ordered])
    stopped = cast("set[bytes]", client.smembers("stopped"))
    return {
        host
        for host, until in zip(ordered, rests, strict=True)
        if host not in stopped and (until is None or float(until) <= now.timestamp())
    }


def read_jobs() -> list[Waiting]:
    """Read RQ's queues.

    Raises:
        redis.RedisError: Redis is away.
    """
    client = queue()
    return [_waiting(Queue(name, connection=client, serializer=JSONSerializer), clock()) for name in QUEUES]


def _waiting(jobs: Queue, now: datetime) -> Waiting:
    ids = jobs.get_job_ids(0, 1)
    age = _age(jobs, ids[0], now) if ids else None
    return Waiting(jobs.name, jobs.count, age, jobs.failed_job_registry.count)


def _age(jobs: Queue, job_id: str, now: datetime) -> float | None:
    try:
        job = Job.fetch(job_id, connection=jobs.connection, serializer=JSONSerializer)
    except NoSuchJobError:  # taken meanwhile, or too old: its row is nudged again
        return None
    return round((now - job.enqueued_at).total_seconds(), 3) if job.enqueued_at else None


def due_lines(part: list[Due]) -> list[Text]:
    """Say it."""
    return [_said_due(each) for each in part] or [line(("nothing is scheduled", BAD))]


def _said_due(each: Due) -> Text:
    style = GOOD if each.latest_seconds <= _LATE else BAD
    late = (
        f"{each.overdue} overdue, by {each.latest_seconds:.1f} s at most" if each.overdue else "none overdue"
    )
    said = line(f"{each.system}: {count(each.desks, 'desk')}, ", (late, style))
    if each.held_back:
        said.append(f"; {each.held_back} wait for their hosts", ODD)
    return said.append(f"; {each.pushed} asked for", DIM) if each.pushed else said


def job_lines(part: list[Waiting]) -> list[Text]:
    """Say it."""
    return [listed(_said_jobs(each) for each in part)]


def _said_jobs(each: Waiting) -> Text:
    said = line(f"{each.name} ", (str(each.jobs), ODD if each.jobs else GOOD))
    if each.oldest_seconds is not None:
        said.append(f" (oldest {each.oldest_seconds:.1f} s)", BAD if each.oldest_seconds > _LATE else "")
    return said.append(f" {each.failed} failed", BAD) if each.failed else said
