"""The planner's report in Redis: that it runs, and which of its parts fail. Written by the planner, read by health."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict
from redis import Redis

KEY = "planner:seen"
FRESH = timedelta(seconds=60)


class PlannerReport(BaseModel):
    """The planner at `at` (UTC). `failing`: the parts whose last run failed, each with the class of its error.

    `queues`: since when each due queue has desks; after more than FRESH without a planner, since the next one's start.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    failing: dict[str, str] = {}
    queues: dict[str, datetime] = {}


def write_report(client: Redis, report: PlannerReport) -> None:
    """Write the report, which Redis forgets after FRESH.

    Raises:
        redis.RedisError: Redis is away.
    """
    client.set(KEY, report.model_dump_json(), ex=FRESH)


def read_report(client: Redis) -> PlannerReport | None:
    """Return the newest report; None where there is none.

    Raises:
        redis.RedisError: Redis is away.
        pydantic.ValidationError: the key holds something else.
    """
    text = client.get(KEY)
    return PlannerReport.model_validate_json(text) if text else None
