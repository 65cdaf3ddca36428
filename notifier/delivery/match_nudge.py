"""Nudge that has a detection matched: all of the notifier that a spider loads.

It knows neither tables nor channels. Loading those took 90 ms, 500 beside a crawl at full speed, at the first slot that
a process sees; slots are so rare that this was most of them.
"""

from uuid import UUID

import structlog
from redis.exceptions import RedisError

from configs.ground.job_queues import KEPT_SECONDS, connect, push
from configs.ground.matching_queues import CRITICAL

_JOB = "notifier.jobs.match"
SECONDS = (
    30  # of matching, at most as long as the lease of the mails that the job sends: their answers end with it
)

log = structlog.get_logger(__name__)


def get_ready() -> None:
    """Connect, so that the first slot of a process is announced like the others. Never raises because Redis is away."""
    connect()


def detection_seen(detection_id: UUID, times: int = 0) -> None:
    """Have a detection matched, after its commit; `times` is how often it was nudged before.

    Never raises because Redis is away: one warning, and the sweep finds the row.
    """
    job_id = f"match-{detection_id}-{times}"
    try:
        push(CRITICAL, _JOB, (str(detection_id),), job_id, seconds=SECONDS, kept=KEPT_SECONDS)
    except RedisError as error:
        log.warning("not nudged, the sweep will", what="match", because=type(error).__name__)
