"""The health check of a container: it works, it does not, and which line says so."""

import base64
import http.server
import threading
from collections.abc import Callable, Iterator

import pytest

from deploy.health_check import main
from tests.in_turn import in_turn

Put = Callable[..., None]


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers as the API's health and as scrapyd do."""

    login = "Basic " + base64.b64encode(b"scrapyd:tests-password").decode()

    def do_GET(self) -> None:
        allowed = self.path == "/api/health/live" or (
            self.path == "/daemonstatus.json" and self.headers["Authorization"] == self.login
        )
        self.send_response(200 if allowed else 401)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as its base says
        pass


@pytest.fixture
def answering() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_the_api_and_scrapyd_answer(answering: int, settings_env: Put) -> None:
    settings_env(PORT=answering, SCRAPYD_URL=f"http://scrapyd:{answering}")
    assert (main(["api"]), main(["scrapyd"])) == (0, 0)
    for password, code in (
        ("another", 1),
        ("new,tests-password", 0),
        ("tests-password,old", 0),
        ("new,old", 1),
    ):
        settings_env(SCRAPYD_PASSWORD=password)
        assert main(["scrapyd"]) == code, password


@pytest.mark.parametrize("program", ["api", "scrapyd"])
def test_what_does_not_answer_is_said(
    program: str, settings_env: Put, capsys: pytest.CaptureFixture[str], closed_port: int
) -> None:
    settings_env(PORT=closed_port, SCRAPYD_URL=f"http://127.0.0.1:{closed_port}")
    assert main([program]) == 1
    assert "Connection refused" in capsys.readouterr().out


@in_turn("given", [[], ["nginx"], ["api", "scrapyd"]])
def test_another_program_is_refused_with_what_there_is(given: list[str]) -> None:
    with pytest.raises(SystemExit, match=r"api\|background\|scrapyd\|stream"):
        main(given)


def test_a_wrong_setting_is_one_line(settings_env: Put) -> None:
    settings_env(PORT="x")
    with pytest.raises(SystemExit, match="the health check does not start: settings refused"):
        main(["api"])
