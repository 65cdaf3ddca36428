"""Status of the proofs not yet uploaded, in Redis: each machine's uploader reports its spool for health and status."""

from datetime import datetime, timedelta
from typing import cast

from pydantic import BaseModel, ConfigDict
from redis import Redis

from configs.clock import clock

KEY = "crawler:proofs:spools"  # hash, machine → SpoolReport as JSON
FRESH = timedelta(seconds=60)


class SpoolReport(BaseModel):
    """One machine's spool as it was at `at`.

    `waiting`: proofs that are not in the store yet, the oldest since `oldest_at`. `unpictured`: stored, and their
    pictures still to be taken. `given_up`, `pictureless`: of this day (UTC), proofs that never came to the store and
    pictures that were never taken. `store`: where it is. `away_since`: it takes nothing since then, for the reason
    `away`. `trouble`: why spiders cannot leave proofs ("" where they can).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    machine: str
    store: str
    waiting: int = 0
    oldest_at: datetime | None = None
    unpictured: int = 0
    given_up: int = 0
    pictureless: int = 0
    away_since: datetime | None = None
    away: str = ""
    trouble: str = ""


def publish_report(client: Redis, report: SpoolReport) -> None:
    """Say how a machine's spool is.

    Raises:
        redis.RedisError: Redis is away.
    """
    with client.pipeline() as calls:
        calls.hset(KEY, report.machine, report.model_dump_json())
        calls.expire(KEY, FRESH)
        calls.execute()


def read_reports(client: Redis) -> list[SpoolReport]:
    """Return what was said of each machine within FRESH, by machine.

    Raises:
        redis.RedisError: Redis is away.
    """
    said = cast("dict[bytes, bytes]", client.hgetall(KEY))
    reports = [SpoolReport.model_validate_json(text) for _, text in sorted(said.items())]
    return [each for each in reports if abs(clock() - each.at) <= FRESH]  # a clock ahead makes nothing fresh
