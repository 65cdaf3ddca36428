from flask.testing import FlaskClient

from tests.in_turn import in_turn

FRONT = "https://front.example"


def test_the_front_end_may_ask_before_it_sends(bare: FlaskClient) -> None:
    asked = {"Origin": FRONT, "Access-Control-Request-Method": "PATCH"}
    answer = bare.options("/api/alerts/00000000-0000-0000-0000-000000000000/toggle", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == FRONT
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


def test_the_front_end_may_read_answers_and_refusals(bare: FlaskClient) -> None:
    for path in ("/api/health/live", "/api/alerts", "/api/nothing"):
        answer = bare.get(path, headers={"Origin": FRONT})
        assert answer.headers["Access-Control-Allow-Origin"] == FRONT
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


@in_turn(
    "origin",
    ["http://front.example", "https://front.example.evil.example", "null"],
)
def test_no_other_site_may(bare: FlaskClient, origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = bare.open("/api/health/live", method=method, headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Origin" in answer.headers["Vary"]
