"""scrapyd's poller, which goes on after an error. scrapyd.conf names the class (deploy/local/scrapyd.py)."""

import logging
from typing import Any

from scrapyd.poller import QueuePoller
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

log = logging.getLogger(__name__)


class SteadyPoller(QueuePoller):  # type: ignore[misc]  # scrapyd has no types
    """Polls again after an error, with which scrapyd's timer would end: no job began any more until a restart.

    scrapyd keeps its queue in SQLite, and taking a job from it fails on a full disk. The job stays in the queue.
    """

    def poll(self) -> Deferred[Any]:
        """Give a waiting job to a free slot, as its base does; an error is logged."""
        return maybeDeferred(super().poll).addErrback(_tell)


def _tell(failure: Failure) -> None:
    log.error("jobs are not taken from the queue, it is tried again: %s", failure.value)
