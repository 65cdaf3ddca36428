"""The health check of a container: it works, it does not, and which line says so."""

import base64
import http.server
import threading
from collections.abc import Callable, Iterator

import pytest
import redis
from rq import SimpleWorker

from api.models.backup_state import BackupPart, BackupState
from api.models.base import session
from configs.ground.clock import clock
from configs.ground.loop_report import BACKGROUND, PLANNER, LoopReport, write_report
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
    settings_env(PORT=answering, SCRAPYD_URL=f"http://127.0.0.1:{answering}")
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


@pytest.mark.parametrize(
    ("program", "keys"), [("planner", [PLANNER]), ("background", list(BACKGROUND.values()))]
)
def test_a_program_whose_loops_report_is_healthy(
    program: str, keys: list[str], redis_server: redis.Redis
) -> None:
    for key in keys:
        assert main([program]) == 1
        write_report(redis_server, LoopReport(at=clock()), key)
    assert main([program]) == 0


@pytest.mark.parametrize(("program", "queue"), [("notifier", "critical"), ("proofs", "proof-pages")])
def test_a_program_is_healthy_while_one_of_its_workers_reports(
    program: str, queue: str, redis_server: redis.Redis
) -> None:
    background = SimpleWorker(["payments"], connection=redis_server)
    background.register_birth()  # type: ignore[no-untyped-call]
    assert main([program]) == 1
    worker = SimpleWorker([queue], connection=redis_server)
    worker.register_birth()  # type: ignore[no-untyped-call]
    assert main([program]) == 0
    worker.register_death()  # type: ignore[no-untyped-call]
    assert main([program]) == 1


def test_the_backups_are_healthy_while_the_log_is_stored(
    database: str, settings_env: Put, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_env(DATABASE_URL=database)
    assert main(["backup"]) == 1
    assert "no log was stored lately" in capsys.readouterr().out
    with session() as s:
        s.add(BackupState(part=BackupPart.WAL, finished_at=clock()))
    assert main(["backup"]) == 0


def test_without_redis_a_program_is_not_healthy(
    settings_env: Put, capsys: pytest.CaptureFixture[str], closed_port: int
) -> None:
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0")
    assert main(["planner"]) == 1
    assert capsys.readouterr().out.startswith("planner: ")


@in_turn("given", [[], ["nginx"], ["api", "scrapyd"]])
def test_another_program_is_refused_with_what_there_is(given: list[str]) -> None:
    with pytest.raises(
        SystemExit, match=r"api\|backup\|background\|metrics\|notifier\|planner\|proofs\|scrapyd"
    ):
        main(given)


def test_a_wrong_setting_is_one_line(settings_env: Put) -> None:
    settings_env(PORT="x")
    with pytest.raises(SystemExit, match="the health check does not start: settings refused"):
        main(["api"])
