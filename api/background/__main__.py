"""`python -m api.background`: a worker for each queue of jobs, and metrics, forked from one warm parent."""

import argparse
import gc
import os
import sys
from collections.abc import Callable
from functools import partial

import structlog

from api.background import exporter, loop
from api.background.jobs import list_jobs
from api.background.loop import JobLoop
from api.models.job import JOB_QUEUES, MAINTENANCE, PAYMENTS
from api.models.revision import check_tables
from api.payments import jobs as payments
from configs.ground.connection_limits import check_connections
from configs.ground.database import database_url
from configs.ground.logs import set_up_logs
from configs.ground.prefork import keep_running
from configs.ground.startup import exit_on_config_error
from configs.world.prefecture import reload_desk_files

_MAINTENANCE_NICE = 5  # on a busy core: a third of the time that a process of nice value 0 gets


def make_loop(queue: str) -> JobLoop:
    """Return the loop of a queue's worker."""
    if queue == PAYMENTS:
        return JobLoop(queue, list_jobs(), {"apply_event": payments.apply_event}, payments.sweep)
    return JobLoop(queue, list_jobs())


def _work(queue: str) -> int:
    """Work on a queue. Nobody waits for maintenance, and many do for what else needs the core just then."""
    if queue == MAINTENANCE:
        os.nice(_MAINTENANCE_NICE)
    return loop.run(make_loop(queue), queue, list_jobs())


CHILDREN: dict[str, Callable[[], int]] = {name: partial(_work, name) for name in JOB_QUEUES}


@exit_on_config_error("the background program")
def main(given: list[str] | None = None) -> int:
    """Keep them running until told to stop; return 0."""
    parser = argparse.ArgumentParser(prog="python -m api.background", description=__doc__)
    every = (*CHILDREN, "metrics")
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=every, help=f"of {', '.join(every)}"
    )
    parser.add_argument("--metrics-host", default="127.0.0.1", help="address on which Prometheus is answered")
    options = parser.parse_args(given)
    names = options.only or list(every)
    set_up_logs("background")
    check_tables()
    check_connections(database_url())
    gc.disable()  # what it frees leaves holes in pages that the children are to share
    loop.warm_up()
    structlog.get_logger(__name__).info("warm, starting", children=names)
    children = CHILDREN | {"metrics": partial(exporter.run, options.metrics_host)}
    return keep_running({name: children[name] for name in names}, reload_desk_files)


if __name__ == "__main__":
    sys.exit(main())
