"""The pages of proofs on their way: each waits in a hash in Redis until it is stored and has its picture.

The RQ job holds only its name, and is enqueued again if a worker dies. Health reads how many wait and what was lost.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from pydantic import BaseModel, ConfigDict
from redis import Redis

from configs.ground.clock import clock

QUEUE = "proof-pages"  # not `proofs`: Redis' rule for its keys, rq:*:<queue>*, would match those of workers
JOB = "crawler.proofs.job.store_page"
PAGES = "proofs:pages"  # hash: PageName as a text → Meta as JSON, a line feed, the packed body
TRIES = "proofs:tries"  # hash: PageName as a text → pictures begun; 0: its page is stored
_AWAY = "proofs:away"
_SEEN = "proofs:seen"
_COUNTS = "proofs:counts"
_COUNTED = timedelta(days=2)
_FRESH = timedelta(seconds=45)


@dataclass(frozen=True, slots=True)
class PageName:
    """A page that waits: its proof's key, its packed size in bytes, when it was seen."""

    key: str
    size: int
    seen_at: datetime

    def __str__(self) -> str:
        return f"{self.key} {self.size} {self.seen_at.timestamp():.0f}"

    @classmethod
    def parse(cls, text: str) -> "PageName":
        """Return the name that `str` made.

        Raises:
            ValueError, OverflowError, OSError: the text is none that `str` makes.
        """
        key, size, at = text.split(" ")
        return cls(key, int(size), datetime.fromtimestamp(int(at), UTC))


class ProofStatus(BaseModel):
    """The proofs on their way, as of `at`.

    `waiting`: pages that are not in the store yet, or have no picture yet, the oldest since `oldest_at`. `given_up`,
    `pictureless`: of this day (UTC), proofs that never came to the store and pictures that were never taken. `store`:
    its address. `away_since`: since then it takes nothing; `away` says why.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    store: str
    waiting: int = 0
    oldest_at: datetime | None = None
    given_up: int = 0
    pictureless: int = 0
    away_since: datetime | None = None
    away: str = ""


def list_waiting(client: Redis) -> list[PageName]:
    """Return the names of the pages that wait, the oldest first.

    Raises:
        redis.RedisError: Redis is away.
    """
    found = []
    for each in cast("list[bytes]", client.hkeys(PAGES)):
        with suppress(ValueError, OverflowError, OSError):  # a field that is no page's name
            found.append(PageName.parse(each.decode()))
    return sorted(found, key=lambda name: name.seen_at)


def count_proof(client: Redis, what: str) -> None:
    """Count a proof that was `given_up`, or is `pictureless`.

    Raises:
        redis.RedisError: Redis is away.
    """
    key = f"{_COUNTS}:{clock():%Y-%m-%d}"
    with client.pipeline() as calls:
        calls.hincrby(key, what, 1)
        calls.expire(key, _COUNTED)
        calls.execute()


def store_is_away(client: Redis, why: str) -> None:
    """Note that the store takes nothing, and why; the time of the first such note stays."""
    client.hsetnx(_AWAY, "since", clock().isoformat())
    client.hset(_AWAY, "why", why)


def store_is_back(client: Redis) -> bool:
    """Note that the store takes proofs; return whether it was away."""
    return bool(client.delete(_AWAY))


def report_worker(client: Redis, store: str) -> None:
    """Say that a worker runs, and where its store is.

    Raises:
        redis.RedisError: Redis is away.
    """
    client.set(_SEEN, json.dumps({"at": clock().isoformat(), "store": store}), ex=_FRESH)


def read_status(client: Redis) -> ProofStatus | None:
    """Return the present status; None where no worker has reported lately.

    Raises:
        redis.RedisError: Redis is away.
    """
    seen = cast("bytes | None", client.get(_SEEN))
    if seen is None:
        return None
    waiting = list_waiting(client)
    away = cast("dict[bytes, bytes]", client.hgetall(_AWAY))
    counts = cast("dict[bytes, bytes]", client.hgetall(f"{_COUNTS}:{clock():%Y-%m-%d}"))
    return ProofStatus(
        **json.loads(seen),
        waiting=len(waiting),
        oldest_at=waiting[0].seen_at if waiting else None,
        given_up=int(counts.get(b"given_up", 0)),
        pictureless=int(counts.get(b"pictureless", 0)),
        away_since=datetime.fromisoformat(away[b"since"].decode()) if b"since" in away else None,
        away=away.get(b"why", b"").decode(),
    )
