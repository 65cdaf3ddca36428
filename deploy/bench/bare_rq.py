"""Bare RQ beside the notifier: jobs that do nothing, as many workers as tell a crowd, the same serializer.

`python -m deploy.bench.bare_rq` is one worker.
"""

import sys
import time
from contextlib import ExitStack
from pathlib import Path

from rq import Queue

from configs.job_queues import queue
from configs.job_worker import run_worker
from deploy.local.processes import start, stop, wait_until, with_parent

_QUEUE = "bare"
_JOB = "deploy.bench.bare_rq.do_nothing"
_AT_ONCE = 500


def do_nothing() -> None:
    """A job without work, in place of a message's."""


def measure_rate(state: Path, jobs: int, workers: int) -> float:
    """Return how many jobs a second so many workers of their own take."""
    waiting = queue(_QUEUE)
    for start_at in range(0, jobs, _AT_ONCE):
        many = [
            Queue.prepare_data(_JOB, job_id=f"bare-{start_at + number}", timeout=60, result_ttl=0)
            for number in range(min(_AT_ONCE, jobs - start_at))
        ]
        waiting.enqueue_many(many)
    with ExitStack() as ends:
        logs = [state / f"bare-rq-{number}.log" for number in range(workers)]
        for log in logs:
            command = with_parent([sys.executable, "-m", "deploy.bench.bare_rq"])
            ends.callback(stop, start(command, log))
        wait_until(lambda: len(waiting) < jobs, logs[0], what="a worker", seconds=60)
        began, left = time.monotonic(), len(waiting)
        wait_until(lambda: not len(waiting), logs[0], what="the jobs", seconds=300)
        return left / (time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(run_worker({_QUEUE: [_JOB]}, "bare", lambda: None))
