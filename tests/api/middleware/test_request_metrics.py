"""Requests are counted by route, method and status; the counts of all workers add up and outlive each of them."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from flask import Flask

from api.middleware.request_metrics import add_counts
from configs.ground.redis import open_redis
from deploy.metrics.collector import read_requests
from tests.waiting import until, wait_for_port

LIVE = ("GET", "/api/health/live", "200")


@pytest.fixture
def port(database: str, redis_server: Any, tmp_path: Path) -> Iterator[int]:
    """Serve the API by gunicorn with two workers."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [
        str(Path(sys.executable).parent / "gunicorn"), "api.app:create_app()", "--bind", "127.0.0.1:0",
        "--workers", "2", "--threads", "2", "--preload", "--no-control-socket",
        "--config", "python:api.middleware.gunicorn_hooks",
    ]  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=given, stdout=log, stderr=log)
    yield wait_for_port(process.pid, tmp_path / "log")
    process.terminate()
    process.wait(60)


def ask(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def read_samples() -> dict[tuple[str, ...], float]:
    samples = [sample for family in read_requests(open_redis()) for sample in family.samples]
    return {
        (each.name.removeprefix("rdvpriority_"), *sorted(each.labels.values())): each.value
        for each in samples
    }


def count(*labels: str) -> float:
    return read_samples().get(("http_requests_total", *sorted(labels)), 0)


@pytest.mark.journey
@pytest.mark.processes
def test_the_counts_of_workers_add_up_and_outlive_them(port: int) -> None:
    for _ in range(20):
        assert ask(port, "/api/health/live") == 200
    assert ask(port, "/no/such/page") == 404
    assert ask(port, "/api/detections/stats") == 200  # asks the database
    until(lambda: count(*LIVE) >= 20 and count("none", "GET", "404") == 1, 30)
    first = count(*LIVE)
    found = {name for name, *_ in read_samples()}
    assert {
        "http_request_seconds_bucket",
        "http_request_seconds_sum",
        "database_query_seconds_count",
    } <= found
    for worker in psutil.Process().children(recursive=True):
        if worker.ppid() != os.getpid() and "gunicorn" in " ".join(worker.cmdline()):
            worker.kill()
    assert count(*LIVE) >= first  # what they counted is kept
    until(lambda: ask(port, "/api/health/live") == 200, 20)
    until(lambda: count(*LIVE) > first, 30)


@pytest.fixture
def counted(app: Flask, redis_server: Any) -> Flask:
    """Forget what tests before counted in this process."""
    add_counts()
    redis_server.flushdb()
    return app


def test_what_several_count_adds_up_and_a_bucket_holds_all_up_to_its_bound(counted: Flask) -> None:
    for _ in range(2):
        assert counted.test_client().get("/api/health/live").status_code == 200
        add_counts()
    found = read_samples()
    assert found["http_requests_total", *sorted(LIVE)] == 2
    buckets = {
        next(label for label in labels if label != "/api/health/live"): value
        for (name, *labels), value in found.items()
        if name == "http_request_seconds_bucket"
    }
    assert buckets["+Inf"] == buckets["10.0"] == 2
    assert found["http_request_seconds_count", "/api/health/live"] == 2
    assert 0 < found["http_request_seconds_sum", "/api/health/live"] < 20


def test_while_redis_is_away_counts_wait(counted: Flask, closed_port: int) -> None:
    counted.test_client().get("/api/health/live")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.middleware.request_metrics.redis", lambda: redis.Redis(port=closed_port))
        add_counts()
    assert count(*LIVE) == 0
    add_counts()
    assert count(*LIVE) == 1
