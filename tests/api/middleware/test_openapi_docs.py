"""The document of the API's routes, and requests counted by route, method and status."""

import os
import re
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
from flask.testing import FlaskClient

from api.middleware.request_metrics import add_counts
from configs.ground.redis import open_redis
from deploy.metrics.collector import read_requests
from tests.waiting import until, wait_for_port

ANY, BRACED = r"<(?:\w+:)?(\w+)>", r"{\1}"  # a variable of a route, as Flask and as OpenAPI write it
# What anybody may ask for; a new route that needs no token belongs here.
PUBLIC = {
    *(f"/api/auth/{each}" for each in ("register", "verify-email", "forgot-password", "reset-password", "login", "login/totp")),
    *(f"/api/prefectures{each}" for each in ("", "/{id}", "/{id}/outlook", "/{id}/calendar.ics", "/map")),
    "/api/calendar", "/api/reliability", "/api/detections/stats", "/api/stats", "/api/stats/answers", "/api/support",
    "/api/billing/plans", "/api/billing/terms", "/api/billing/webhook", "/api/telegram/webhook",
    "/api/hooks/sendgrid", "/api/hooks/twilio", "/api/hooks/twilio/calls",
    "/api/health", "/api/health/live", "/api/health/ready",
}  # fmt: skip


@pytest.fixture
def document(bare: FlaskClient) -> dict[str, Any]:
    answer = bare.get("/api/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    found: dict[str, Any] = answer.json or {}
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): each for path, item in document["paths"].items() for method, each in item.items()}


def test_the_document_lists_exactly_the_routes(bare: FlaskClient, document: dict[str, Any]) -> None:
    served = {
        (method.lower(), re.sub(ANY, BRACED, rule.rule))
        for rule in bare.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") and not rule.endpoint.startswith("docs.")
    }
    assert set(operations(document)) == served


def test_every_error_is_declared_as_a_problem_also_of_what_reads_a_body(document: dict[str, Any]) -> None:
    for (method, path), operation in operations(document).items():
        for status, response in operation["responses"].items():
            health = path.startswith("/api/health") and status == "503" and "live" not in path
            if int(status) >= 400 and not health:
                assert list(response["content"]) == ["application/problem+json"], (method, path, status)
        assert {"429", "500", "503"} <= set(operation["responses"])
        refuses_bodies = {"400", "413", "415", "422"} <= set(operation["responses"])
        assert refuses_bodies is ("requestBody" in operation), (method, path)


def test_what_needs_a_token_says_so(document: dict[str, Any]) -> None:
    private = {
        key
        for key, operation in operations(document).items()
        if operation.get("security") and {} not in operation["security"]
    }
    assert {path for _, path in operations(document).keys() - private} == PUBLIC
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for key in private:
        assert "401" in operations(document)[key]["responses"]


def test_every_name_at_the_border_is_in_camel_case(document: dict[str, Any]) -> None:
    names = {
        name for schema in document["components"]["schemas"].values() for name in schema.get("properties", {})
    }
    assert {"prefectureId", "slotsAvailable", "isActive"} <= names
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name)] == []


def test_the_page_shows_every_route_and_loads_nothing_from_elsewhere(
    bare: FlaskClient, document: dict[str, Any]
) -> None:
    page = bare.get("/api/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    for _, path in operations(document):
        assert f"<code>{path}</code>" in page.text
    assert "Problem" in page.text
    assert "A private service: the appointments themselves are free." in page.text
    assert "<code>acceptWaiting</code>:" in page.text
    assert not re.findall(r"<script|<link|src=|https?://(?!spec)", page.text)


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
