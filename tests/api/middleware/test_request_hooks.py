from collections.abc import Callable
from datetime import timedelta

import pytest
import structlog
from flask.testing import FlaskClient

from api.models.login import Login
from configs.ground.clock import clock
from tests.clients import People
from tests.factories import change


def test_every_answer_is_guarded_and_numbered_and_asks_for_https_where_the_api_has_it(
    bare: FlaskClient, settings_env: Callable[..., None]
) -> None:
    for path in ("/api/health/live", "/api/nothing", "/l/stop.x", "/api/docs"):
        headers = bare.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert len(headers["X-Request-ID"]) == 36
        assert "Set-Cookie" not in headers
        assert "Strict-Transport-Security" not in headers
    settings_env(API_URL="https://api.example.org")
    assert "max-age" in bare.get("/api/health/live").headers["Strict-Transport-Security"]


def test_a_good_request_id_is_kept_and_a_strange_one_replaced(bare: FlaskClient) -> None:
    def number(given: str) -> str:
        return bare.get("/api/health/live", headers={"X-Request-ID": given}).headers["X-Request-ID"]

    assert number("trace-0123456789") == "trace-0123456789"
    for strange in ("short", "x" * 65, "a b c d e f g h", "<script>alert(1)", "ééééééééé"):
        assert number(strange) != strange


def test_the_log_names_the_route_never_the_token_in_its_path(
    bare: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        bare.get("/l/stop.secret-token", headers={"X-Request-ID": "trace-0123456789"})
    assert "secret-token" not in caplog.text
    assert "/l/<token>" in caplog.text
    assert "StopAlerts" in caplog.text
    assert "trace-0123456789" in caplog.text
    structlog.contextvars.clear_contextvars()


def test_the_log_names_who_was_refused(person: People, caplog: pytest.LogCaptureFixture) -> None:
    someone = person()
    with caplog.at_level("INFO"):
        assert someone.get("/api/auth/me").status_code == 200
        assert str(someone.id) not in caplog.text
        change(Login, proven_at=clock() - timedelta(hours=1))
        assert someone.delete("/api/users/me").status_code == 403
    assert str(someone.id) in caplog.text
    assert someone.email not in caplog.text
