"""How long a process that tells works until the next one takes its place."""

import random
from datetime import datetime, timedelta

from configs.clock import clock
from configs.settings import settings

SHORTEST = 0.8  # of WORKER_AGE_SECONDS


def leaves_at() -> datetime:
    """Return when a process that begins now leaves.

    Those that started together must not leave together: nobody would be there for the seconds between.
    """
    share = random.uniform(SHORTEST, 1)  # noqa: S311 -- spreads, protects nothing
    return clock() + timedelta(seconds=settings().worker_age_seconds * share)
