"""Bodies that are taken, refusals and their words; the document of the API's routes, and requests counted by route, method and status."""

import io
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from gunicorn.http.errors import InvalidChunkSize
from werkzeug.exceptions import ImATeapot

from api.ground.errors import ApiError
from api.ground.schemas import FieldError, PlanAnswer
from api.models.base import session
from api.web.problems import TYPE
from api.web.request_bodies import LARGEST_BODY
from api.web.request_metrics import add_counts
from configs.ground.redis import open_redis
from configs.world.plan import PlanName, plan
from deploy.metrics.collector import read_requests
from tests.clients import problem
from tests.in_turn import in_turn
from tests.waiting import until, wait_for_port


@pytest.fixture
def failing(make_app: Callable[[], Flask]) -> Callable[[Exception], Flask]:
    """Make an app with a route, /api/fail and /l/fail, that ends in an error."""
    app, errors = make_app(), [Exception()]

    def fail() -> str:
        raise errors[-1]

    app.add_url_rule("/api/fail", view_func=fail)
    app.add_url_rule("/l/fail", view_func=fail)

    def make(error: Exception) -> Flask:
        errors.append(error)
        return app

    return make


def test_no_trace_of_the_inside_leaves_but_the_log_has_it(
    failing: Callable[[Exception], Flask], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = failing(KeyError("the secret recipe")).test_client().get("/api/fail")
    assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
    assert "recipe" not in answer.text
    assert "KeyError" not in answer.text
    assert (answer.json or {})["requestId"] == answer.headers["X-Request-ID"]
    logged = capsys.readouterr().err
    assert "unexpected error" in logged
    assert "KeyError" in logged


def test_a_database_that_does_not_answer_is_503(failing: Callable[[Exception], Flask]) -> None:
    gone = sa.exc.OperationalError("SELECT secret", {}, Exception("gone"))
    closed = sa.exc.InterfaceError("SELECT secret", {}, Exception("connection already closed"))
    for error in (gone, closed, sa.exc.TimeoutError("QueuePool limit")):
        answer = failing(error).test_client().get("/api/fail")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert "secret" not in answer.text


@in_turn("state, status", [
        ("08006", 503), ("25006", 503), ("53100", 503), ("57P01", 503), ("40P01", 503), ("57014", 503), ("42P01", 500), ("P0001", 500),
    ])  # fmt: skip
def test_what_passes_by_itself_is_503_and_no_fault_of_ours(
    failing: Callable[[Exception], Flask], database: str, state: str, status: int
) -> None:
    with pytest.raises(sa.exc.DBAPIError) as caught, session() as s:
        s.execute(sa.text(f"DO $$ BEGIN RAISE 'secret' USING ERRCODE = '{state}'; END $$"))
    answer = failing(caught.value).test_client().get("/api/fail")
    assert answer.status_code == status
    assert ("Retry-After" in answer.headers) is (status == 503)
    assert "secret" not in answer.text


@pytest.mark.rule("3.10")
def test_a_refusal_carries_its_fields_and_headers_and_no_empty_member(
    failing: Callable[[Exception], Flask],
) -> None:
    error = FieldError(path="a.0", rule="strange", detail="no")
    refused = ApiError(409, "conflict", "it conflicts", errors=[error], headers={"X-Why": "because"})
    answer = failing(refused).test_client().get("/api/fail")
    assert answer.headers["X-Why"] == "because"
    assert {key: value for key, value in (answer.json or {}).items() if key != "requestId"} == {
        "type": f"{TYPE}conflict",
        "title": "Conflict",
        "status": 409,
        "detail": "it conflicts",
        "errors": [{"path": "a.0", "rule": "strange", "detail": "no"}],
    }
    answer = failing(ImATeapot()).test_client().get("/api/fail")
    assert (answer.status_code, (answer.json or {})["type"]) == (418, f"{TYPE}i'm-a-teapot"), "as any other"
    total = PlanAnswer.of(plan(PlanName.URGENCE_TOTAL))
    answer = failing(ApiError(402, "plan-needed", "choose", plans=[total])).test_client().get("/api/fail")
    (shown,) = (answer.json or {})["plans"]
    assert shown == total.as_json()
    assert (shown["alerts"], shown["durationSeconds"]) == (None, None), "nothing limits them"


@in_turn(
    "asked, status, says",
    [
        (("GET", "/api/nothing", None), 404, "/api/docs lists the routes"),
        (("PUT", "/api/alerts", None), 405, "allowed here: GET, POST"),
        (("POST", "/api/auth/login", "x" * 70_000), 413, "65536 bytes"),
        (("POST", "/api/auth/login", "a=1"), 415, "Content-Type: application/json"),
    ],
)
def test_what_a_route_does_not_take_is_said_with_what_to_do(
    bare: FlaskClient, asked: tuple[str, str, str | None], status: int, says: str
) -> None:
    method, path, body = asked
    answer = bare.open(path, method=method, data=body, content_type="text/plain")
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert says in (answer.json or {})["detail"]


LOGIN = "/api/auth/login"
JSON = {"Content-Type": "application/json"}


def send(client: FlaskClient, data: bytes | str, content_type: str = "application/json") -> tuple[int, str]:
    answer = client.post("/api/alerts", data=data, content_type=content_type)
    assert answer.mimetype == "application/problem+json", answer.text
    body = answer.json or {}
    assert body["status"] == answer.status_code
    return answer.status_code, body["type"].rpartition(":")[2]


@in_turn(
    "data, expected",
    [
        (b"{", (400, "malformed")),
        (b"\xff\xfe", (400, "malformed")),
        (b'{"a": NaN}', (400, "malformed")),
        (b'{"a": ' + b"9" * 5000 + b"}", (400, "malformed")),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, (400, "malformed")),
        (b"[" * 20_000 + b"]" * 20_000, (400, "malformed")),
        (b"[]", (422, "invalid")),
        (b"null", (422, "invalid")),
        (b"x" * (LARGEST_BODY + 1), (413, "too-large")),
    ],
)
def test_what_is_no_json_object_is_refused_before_anything_looks_at_it(
    bare: FlaskClient, data: bytes, expected: tuple[int, str]
) -> None:
    assert send(bare, data) == expected


def test_only_json_is_taken_and_no_more_of_it_also_where_its_length_is_unknown(bare: FlaskClient) -> None:
    for content_type in ("text/plain", "multipart/form-data", ""):
        assert send(bare, b'{"a": 1}', content_type) == (415, "not-json")
    answer = bare.post(
        "/api/alerts",
        input_stream=io.BytesIO(b'{"a": 1}' + b" " * LARGEST_BODY),
        headers=JSON,
        environ_base={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 413
    for _ in range(11):  # no limit of guesses comes before it
        assert bare.post(LOGIN, data=b" " * (LARGEST_BODY + 1), headers=JSON).status_code == 413


def test_json_may_say_its_charset_and_be_a_dialect_and_is_read_where_a_route_takes_it(
    client: FlaskClient,
) -> None:
    for content_type in ("application/json; charset=utf-8", "application/merge-patch+json"):
        answer = client.post(LOGIN, data=b'{"email": "x", "password": "y"}', content_type=content_type)
        assert answer.status_code == 401
    for email in ("a\\u0000b@example.org", "\\ud800@example.org"):
        answer = client.post(LOGIN, data=f'{{"email": "{email}", "password": "x"}}', headers=JSON)
        assert answer.status_code == 422, email
    answer = client.post(LOGIN)
    assert (answer.status_code, (answer.json or {})["errors"][0]["path"]) == (422, ""), "an object is missing"
    assert client.get("/api/prefectures", data=b"{", headers=JSON).status_code == 200


class BrokenOff(io.BytesIO):
    """A body that gunicorn cannot take apart into its chunks."""

    def readinto(self, *_: object) -> int:
        raise InvalidChunkSize(b"zz")

    read = readinto  # type: ignore[assignment] # raises as well


@in_turn("path", ["/api/alerts", LOGIN, "/api/telegram/webhook"])
def test_a_body_in_broken_chunks_is_a_fault_of_its_sender(client: FlaskClient, path: str) -> None:
    answer = client.post(
        path, input_stream=BrokenOff(), headers=JSON, environ_base={"wsgi.input_terminated": True}
    )
    assert problem(answer) == (400, "malformed")


def test_a_request_is_counted_before_its_body_is_read(client: FlaskClient, redis_server: redis.Redis) -> None:
    for path in ("/api/alerts", LOGIN):
        redis_server.flushdb()
        first = client.post(path, data=b"{", headers=JSON)
        assert first.status_code == 400
        (counter, *_) = sorted(redis_server.keys("api:throttle*"))  # that of the network address comes first
        redis_server.incrby(counter, 1000)
        for body in (b"{", b"[]", b"x" * (LARGEST_BODY + 1)):
            assert client.post(path, data=body, headers=JSON).status_code == 429


ANY, BRACED = r"<(?:\w+:)?(\w+)>", r"{\1}"  # a variable of a route, as Flask and as OpenAPI write it
# What anybody may ask for; a new route that needs no token belongs here.
PUBLIC = {
    *(f"/api/auth/{each}" for each in ("register", "verify-email", "forgot-password", "reset-password", "login", "login/totp")),
    *(f"/api/prefectures{each}" for each in ("", "/{id}", "/{id}/outlook", "/{id}/calendar.ics", "/map")),
    "/api/calendar", "/api/reliability", "/api/detections/stats", "/api/stats", "/api/support",
    "/api/billing/plans", "/api/billing/terms", "/api/billing/webhook", "/api/telegram/webhook",
    "/api/hooks/sendgrid", "/api/hooks/twilio", "/api/hooks/twilio/calls",
    "/api/health", "/api/health/live",
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
        "--config", "python:api.web.gunicorn_hooks",
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
        patch.setattr("api.web.request_metrics.redis", lambda: redis.Redis(port=closed_port))
        add_counts()
    assert count(*LIVE) == 0
    add_counts()
    assert count(*LIVE) == 1
