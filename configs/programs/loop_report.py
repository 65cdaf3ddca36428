"""Reports of long-running loops in Redis: that a loop runs, and which of its parts fail. Health reads them."""

import logging
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import BaseModel, ConfigDict
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from configs.ground.database_errors import passes
from configs.ground.logs import OutageLog

T = TypeVar("T")
_REDIS_AWAY = (RedisConnectionError, RedisTimeoutError)

log = logging.getLogger(__name__)
PLANNER, STREAM = "crawler:planner:seen", "stream:seen"
# By queue of background jobs: that of its worker
BACKGROUND = {name: f"background:{name}:seen" for name in ("payments", "maintenance")}
API_COUNTS = "api:counts"  # a hash: api/web/request_metrics.py
NOTICES = "stream:notices"  # the channel that says that notices were written, and carries nothing
FRESH = timedelta(seconds=60)
_KEPT = timedelta(seconds=45)  # so an alarm of its absence reaches operators within two minutes


class PartFailures:
    """Runs the parts of a program's loops. Threads may share one, each with parts of its own."""

    def __init__(self) -> None:
        self._failing: defaultdict[str, OutageLog] = defaultdict(OutageLog)

    def run(self, part: str, work: Callable[[], T]) -> T | None:
        """Return what a part's work returns; None where it fails, which is logged once for each kind of error."""
        try:
            result = work()
        except Exception as error:  # the other parts must go on, whatever this one meets # noqa: BLE001
            self._note(part, error)
            return None
        if self._failing[part].end():
            log.info("%s: works again", part)
        return result

    def names(self) -> dict[str, str]:
        """Return the parts whose last run failed, each with the class of its error: a stranger may read that."""
        kinds = {part: outage.kind for part, outage in self._failing.copy().items()}
        return {part: kind.__name__ for part, kind in sorted(kinds.items()) if isinstance(kind, type)}

    def _note(self, part: str, error: Exception) -> None:
        if not self._failing[part].begin(str(error), type(error)):
            return
        if isinstance(error, _REDIS_AWAY) or passes(error):  # one line, without a traceback
            log.warning("%s: waits until its server answers: %s", part, str(error).partition("\n")[0])
        else:
            log.error("%s: fails, it is tried again at the next look", part, exc_info=error)


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
