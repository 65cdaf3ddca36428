"""Counters of requests and database statements, shared by all workers of a server through files.

Labels are the route's template, the method and the status: no path, no address, nothing of a person.
"""

import os
import struct
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from flask import Flask, Response, g, request

from api.middleware.gunicorn_hooks import AFTER_EXIT, AFTER_FORK, BEFORE_FORK
from api.models.base import engine
from configs.ground.metric_files import claim_folder, merging

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Space that a process takes before it counts. A full disk must not kill a worker that writes to mapped memory.
_BYTES = {"counter": 1 << 20, "histogram": 1 << 21}
_ENDED = 0  # in place of a process id: the file has the counts of all ended workers
_REQUEST_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_STATEMENT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BEGAN = "metrics_began"
_unmerged: set[int] = set()  # ids of workers that ended, and whose files are still there
log = structlog.get_logger(__name__)


class RequestMetrics:
    """The API's own metrics (docs/alarms.md)."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Histogram  # noqa: PLC0415 -- it reads the folder when it is loaded

        self.requests = Counter(
            "rdvpriority_http_requests_total", "requests to the API", ("route", "method", "status")
        )
        self.seconds = Histogram(
            "rdvpriority_http_request_seconds",
            "time to an answer of the API",
            ("route",),
            buckets=_REQUEST_SECONDS,
        )
        self.statements = Histogram(
            "rdvpriority_database_query_seconds", "statements of the API", buckets=_STATEMENT_SECONDS
        )

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        known = method if method in _METHODS else "other"
        self.requests.labels(route, known, str(status)).inc()
        self.seconds.labels(route).observe(seconds)


def register_request_metrics(app: Flask) -> None:
    """Count the requests of workers that gunicorn forks. Other processes have no files, and count nothing."""
    app.extensions.setdefault(BEFORE_FORK, []).append(_prepare_server)
    app.extensions.setdefault(AFTER_FORK, []).append(_prepare_process)
    app.extensions.setdefault(AFTER_EXIT, []).append(_merge_ended)
    app.before_request(_note_begin)
    app.after_request(_count_request)


def _note_begin() -> None:
    g.setdefault(_BEGAN, time.perf_counter())


def _count_request(response: Response) -> Response:
    if counts():
        route = str(request.url_rule.rule) if request.url_rule else "none"
        began = g.get(_BEGAN)
        metrics().count(
            route,
            request.method,
            response.status_code,
            time.perf_counter() - began if began is not None else 0.0,
        )
    return response


def counts() -> bool:
    """Return whether this process has files to count in."""
    return _VARIABLE in os.environ


@lru_cache(maxsize=1)
def metrics() -> RequestMetrics:
    """Return the process's metrics, registered at the first call."""
    return RequestMetrics()


def _prepare_server() -> None:
    """Make the server's folder, before its workers fork. Without it nothing is counted, and all else works."""
    os.environ.pop(_VARIABLE, None)
    try:
        folder = claim_folder()
        _take_space(folder, os.getpid())
        _take_space(folder, _ENDED)
    except OSError as error:
        log.warning("requests are not counted: make space, and restart the API", error=str(error))
        return
    os.environ[_VARIABLE] = str(folder)
    metrics()
    _time_statements(engine())


def _prepare_process() -> None:
    """Take the space of a worker's own files."""
    if not counts():
        return
    try:
        _take_space(Path(os.environ[_VARIABLE]), os.getpid())
    except OSError as error:
        del os.environ[_VARIABLE]
        log.warning("this worker counts no requests: is the disk full?", error=str(error))


def _take_space(folder: Path, pid: int) -> None:
    for kind, size in _BYTES.items():
        path = folder / f"{kind}_{pid}.db"
        path.unlink(missing_ok=True)  # of a worker that had this process id
        try:
            with path.open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _time_statements(made: sa.Engine) -> None:
    @sa.event.listens_for(made, "before_cursor_execute")
    def begin(connection: sa.Connection, *_: Any) -> None:
        connection.info[_BEGAN] = time.perf_counter()

    @sa.event.listens_for(made, "after_cursor_execute")
    def end(connection: sa.Connection, *_: Any) -> None:
        if counts():
            metrics().statements.observe(time.perf_counter() - connection.info[_BEGAN])


def _merge_ended(pid: int) -> None:
    """Add the counts of a worker that ended to those of all that did: a worker that dies often fills no disk.

    The server calls it, which an error would end. What is not merged is still read, and merged when the next one ends.
    """
    if not counts():
        return
    _unmerged.add(pid)
    folder = Path(os.environ[_VARIABLE])
    try:
        with merging(folder):
            for each in [each for each in _unmerged if not Path(f"/proc/{each}").exists()]:  # used again
                _merge_files(folder, each)
                _unmerged.discard(each)
    except BlockingIOError:
        log.info("counts of ended workers are merged later: they are being read", workers=len(_unmerged))
    except Exception as error:  # noqa: BLE001 -- as said above
        log.warning("counts of an ended worker are not merged", error=f"{type(error).__name__}: {error}")


def _merge_files(folder: Path, pid: int) -> None:
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415 -- as above

    counts_file: Any = MmapedDict
    for kind in _BYTES:
        ended = folder / f"{kind}_{pid}.db"
        if not ended.exists():
            continue
        try:
            values = list(counts_file.read_all_values_from_file(str(ended)))
        except (RuntimeError, ValueError, struct.error) as error:
            log.warning("the counts of an ended worker are spoiled", error=str(error))
            values = []
        sums: Any = counts_file(str(folder / f"{kind}_{_ENDED}.db"))
        for key, value, *_ in values:
            sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
        sums.close()
        ended.unlink()
