"""Reports of long-running loops in Redis: that a loop runs, and which of its parts fail. Health reads them."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict
from redis import Redis

PLANNER, STREAM = "crawler:planner:seen", "stream:seen"
# By queue of background jobs: that of its worker
BACKGROUND = {name: f"background:{name}:seen" for name in ("payments", "maintenance")}
API_COUNTS = "api:counts"  # a hash: api/web/request_metrics.py
NOTICES = "stream:notices"  # the channel that says that notices were written, and carries nothing
FRESH = timedelta(seconds=60)
_KEPT = timedelta(seconds=45)  # so an alarm of its absence reaches operators within two minutes


class LoopReport(BaseModel):
    """A loop at `at` (UTC). `failing`: the parts whose last run failed, each with the class of its error.

    `queues` (the planner's): since when each due queue has desks; after 45 seconds without a planner, since the
    next one's start. `streams` (the live program's): how many are open.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    failing: dict[str, str] = {}
    queues: dict[str, datetime] = {}
    streams: int = 0


def write_report(
    client: Redis, report: LoopReport, key: str = PLANNER, silent: timedelta = timedelta()
) -> None:
    """Write the report, which Redis forgets after 45 seconds, or so much later than the loop may be `silent`.

    Raises:
        redis.RedisError: Redis is away.
    """
    client.set(key, report.model_dump_json(), ex=_KEPT + silent)


def read_report(client: Redis, key: str = PLANNER) -> LoopReport | None:
    """Return the newest report; None where there is none.

    Raises:
        redis.RedisError: Redis is away.
        pydantic.ValidationError: the key holds something else.
    """
    text = client.get(key)
    return LoopReport.model_validate_json(text) if text else None
