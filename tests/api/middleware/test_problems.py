from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import ImATeapot

from api.errors import ApiError
from api.middleware.problems import TYPE
from api.models.base import session
from api.schemas import FieldError, PlanAnswer
from configs.world.plan import PlanName, plan
from tests.in_turn import in_turn


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


def test_without_a_database_every_route_that_needs_it_says_503(
    make_app: Callable[[], Flask], settings_env: Callable[..., None]
) -> None:
    settings_env(DATABASE_URL="postgresql://x:x@127.0.0.1:1/x")
    client = make_app().test_client()
    login = {"email": "camille@example.org", "password": "x" * 12}
    for answer in (
        client.get("/api/prefectures"),
        client.post("/api/auth/login", json=login),
        client.post("/api/auth/register", json=login | {"password": "correct horse"}),
    ):
        assert answer.status_code == 503, answer.text
