"""Age limit of worker processes, after which the next one takes its place."""

import random
from datetime import datetime, timedelta

from configs.clock import clock
from configs.settings import settings

SHORTEST = 0.8  # of WORKER_AGE_SECONDS


def leaves_at() -> datetime:
    """Return when a process that begins now leaves.

    Workers that started together must not leave together: no worker would be left for some seconds.
    """
    share = random.uniform(SHORTEST, 1)  # noqa: S311 -- spreads, protects nothing
    return clock() + timedelta(seconds=settings().worker_age_seconds * share)
