"""Requests are counted by route, method and status; the counts of all workers add up and outlive each of them."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog
from flask import Flask

from api.middleware import request_metrics
from configs.ground import metric_files
from configs.ground.metric_files import list_folders
from deploy.metrics.collector import read_requests
from tests.waiting import until, wait_for_port

ONE, TWO = (
    (1 << 22) + 1,
    (1 << 22) + 2,
)  # ids that no process has: https://man7.org/linux/man-pages/man5/proc_sys_kernel.5.html


@pytest.fixture
def state(tmp_path: Path, settings_env: Callable[..., None]) -> Path:
    settings_env(STATE_DIR=tmp_path)
    return tmp_path


@pytest.fixture
def port(database: str, redis_server: Any, state: Path) -> Iterator[int]:
    """Serve the API by gunicorn with two workers."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [
        str(Path(sys.executable).parent / "gunicorn"), "api.app:create_app()", "--bind", "127.0.0.1:0",
        "--workers", "2", "--threads", "2", "--preload", "--no-control-socket",
        "--config", "python:api.middleware.gunicorn_hooks",
    ]  # fmt: skip
    with (state / "log").open("wb") as log:
        process = subprocess.Popen(command, env=given, stdout=log, stderr=log)
    yield wait_for_port(process.pid, state / "log")
    process.terminate()
    process.wait(60)


def ask(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def read_samples() -> list[tuple[str, tuple[str, ...], float]]:
    samples = [sample for family in read_requests() for sample in family.samples]
    return [(each.name, tuple(each.labels.values()), each.value) for each in samples]


def count(*labels: str) -> float:
    return sum(
        value
        for name, found, value in read_samples()
        if name == "rdvpriority_http_requests_total" and sorted(found) == sorted(labels)
    )


@pytest.mark.journey
@pytest.mark.processes
def test_the_counts_of_workers_add_up_and_outlive_them(port: int, state: Path) -> None:
    live = ("/api/health/live", "GET", "200")
    for _ in range(20):
        assert ask(port, "/api/health/live") == 200
    assert ask(port, "/no/such/page") == 404
    until(lambda: count(*live) >= 20, 10)
    assert count("none", "GET", "404") == 1
    first = count(*live)
    found = {name.removeprefix("rdvpriority_") for name, _, _ in read_samples()}
    assert {
        "http_request_seconds_bucket",
        "http_request_seconds_sum",
        "database_query_seconds_count",
    } <= found
    (folder,) = list_folders()
    master = int(folder.name.rpartition("-")[2])
    workers = psutil.Process(master).children()
    for worker in workers:
        worker.kill()
    until(lambda: all(not (folder / f"counter_{worker.pid}.db").exists() for worker in workers), 20)
    assert count(*live) == first  # what they counted is kept
    until(lambda: ask(port, "/api/health/live") == 200, 20)
    until(lambda: count(*live) > first, 10)


def test_without_space_nothing_is_counted_and_all_else_works(
    app: Flask, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (state / "metrics").write_text("no folder")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "of an earlier server")
    with structlog.testing.capture_logs() as logs:
        request_metrics._prepare_server()
    assert "not counted" in logs[0]["event"]
    assert not request_metrics.counts()
    assert app.test_client().get("/api/health/live").status_code == 200


@pytest.fixture
def server_folder(app: Flask, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Prepare this process as a server that counts; give its folder."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    monkeypatch.setattr(request_metrics, "metrics", lambda: None)
    monkeypatch.setattr(request_metrics, "_time_statements", lambda _: None)
    request_metrics._unmerged.clear()
    request_metrics._prepare_server()
    yield list_folders()[0]
    os.close(metric_files._held.pop())


def test_the_counts_of_ended_workers_have_their_space_before_a_disk_is_full(server_folder: Path) -> None:
    # The server itself writes them: without space it would end by a signal.
    for kind, size in request_metrics._BYTES.items():
        assert (server_folder / f"{kind}_0.db").stat().st_blocks * 512 >= size
