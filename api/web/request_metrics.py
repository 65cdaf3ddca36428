"""Counts of requests and database statements, which each worker of gunicorn adds to those of all in Redis.

A field of the hash is a sample as Prometheus has it: its name, its labels' values and, of a histogram's bucket, its
bound. Labels are the route's template, the method and the status: no path, no address, nothing of a person.
"""

import atexit
import time
from collections import defaultdict
from threading import Lock, Thread
from typing import Any

import sqlalchemy as sa
from flask import Flask, Response, g, request
from redis.exceptions import RedisError

from api.models.base import engine
from api.web.gunicorn_hooks import AFTER_FORK
from configs.ground.redis import redis
from configs.programs.loop_report import API_COUNTS

_ADDED_EACH = 10.0  # seconds; what a worker counted since is lost where it is killed
_REQUEST_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_STATEMENT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BEGAN = "metrics_began"
# By a sample's name and labels: what is not added yet
_counted: defaultdict[tuple[str, ...], float] = defaultdict(float)
_lock = Lock()


def register_request_metrics(app: Flask) -> None:
    """Count the app's requests; those of workers that gunicorn forks, and their statements, are added to all."""
    app.extensions.setdefault(AFTER_FORK, []).append(_begin)
    app.before_request(_note_begin)
    app.after_request(_count_request)


def _note_begin() -> None:
    g.setdefault(_BEGAN, time.perf_counter())


def _count_request(response: Response) -> Response:
    route = str(request.url_rule.rule) if request.url_rule else "none"
    method = request.method if request.method in _METHODS else "other"
    began = g.get(_BEGAN)
    with _lock:
        _counted["http_requests_total", route, method, str(response.status_code)] += 1
        seconds = time.perf_counter() - began if began is not None else 0.0
        _observe("http_request_seconds", seconds, _REQUEST_SECONDS, route)
    return response


def _observe(name: str, seconds: float, bounds: tuple[float, ...], *labels: str) -> None:
    """Count one event in a histogram, whose buckets hold all up to their bounds."""
    for bound in (*(each for each in bounds if seconds <= each), "+Inf"):
        _counted[f"{name}_bucket", *labels, str(bound)] += 1
    _counted[f"{name}_count", *labels] += 1
    _counted[f"{name}_sum", *labels] += seconds


def _begin() -> None:
    """Let a new worker count statements, and add what it counts."""
    _time_statements(engine())
    Thread(target=_add_forever, name="metrics", daemon=True).start()
    atexit.register(add_counts)


def _time_statements(made: sa.Engine) -> None:
    @sa.event.listens_for(made, "before_cursor_execute")
    def begin(connection: sa.Connection, *_: Any) -> None:
        connection.info[_BEGAN] = time.perf_counter()

    @sa.event.listens_for(made, "after_cursor_execute")
    def end(connection: sa.Connection, *_: Any) -> None:
        with _lock:
            seconds = time.perf_counter() - connection.info[_BEGAN]
            _observe("database_query_seconds", seconds, _STATEMENT_SECONDS)


def _add_forever() -> None:
    while True:
        time.sleep(_ADDED_EACH)
        add_counts()


def add_counts() -> None:
    """Add what this process has counted since it last did; while Redis is away it is kept."""
    with _lock:
        waiting = dict(_counted)
        _counted.clear()
    try:
        with redis().pipeline() as calls:
            for sample, number in waiting.items():
                calls.hincrbyfloat(API_COUNTS, " ".join(sample), number)
            calls.execute()
    except RedisError:
        with _lock:
            for sample, number in waiting.items():
                _counted[sample] += number
