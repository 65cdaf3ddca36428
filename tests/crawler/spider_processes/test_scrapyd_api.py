import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from configs.world.desk import Desk
from crawler import loops
from crawler.loops import prepare
from crawler.spider_processes.scrapyd_client import Scrapyd, ScrapydAway, find_scrapyds
from tests.waiting import PATIENCE


class Server(BaseHTTPRequestHandler):
    """Answers what a test put there; remembers what it was asked."""

    answer: ClassVar[tuple[int, str]] = (200, "{}")
    asked: ClassVar[list[tuple[str, str, dict[str, list[str]], str | None]]] = []

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body = url.query or self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.asked.append((self.command, url.path, parse_qs(body), self.headers.get("Authorization")))
        self.send_response(self.answer[0])
        self.end_headers()
        self.wfile.write(self.answer[1].encode())

    do_POST = do_GET  # noqa: N815 -- the library's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
        """Say nothing."""


@pytest.fixture
def scrapyd(settings_env: Callable[..., None]) -> Iterator[Scrapyd]:
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    Server.asked.clear()
    settings_env(SCRAPYD_URL=f"http://127.0.0.1:{server.server_port}", SCRAPYD_PASSWORD="p:ss")
    yield find_scrapyds()[0]
    server.shutdown()
    thread.join()
    server.server_close()


def says(**answer: Any) -> None:
    Server.answer = (200, json.dumps({"status": "ok", **answer}))


def test_jobs_that_run_or_wait_are_counted_by_spider(scrapyd: Scrapyd) -> None:
    def job(job_id: str, spider: str, start: str) -> dict[str, str]:
        return {"id": job_id, "spider": spider, "start_time": start}

    running = [job("2", "ants", "2026-11-20 09:00:01"), job("1", "ants", "2026-11-20 09:00:00")]
    says(running=running, pending=[{"id": "3", "spider": "custom"}], finished=[job("0", "ants", "")])
    assert scrapyd.count_jobs() == {"ants": 2, "custom": 1}
    basic = "Basic c2NyYXB5ZDpwOnNz"  # scrapyd:p:ss
    assert Server.asked == [("GET", "/listjobs.json", {"project": ["rdvpriority"]}, basic)]


def test_a_spider_is_scheduled(scrapyd: Scrapyd) -> None:
    says(jobid="7")
    assert scrapyd.schedule("ants") == "7"
    assert [(method, path, values) for method, path, values, _ in Server.asked] == [
        ("POST", "/schedule.json", {"project": ["rdvpriority"], "spider": ["ants"]}),
    ]


def test_a_browsers_lane_is_told_by_its_jobs(scrapyd: Scrapyd) -> None:
    says(jobid="7")
    scrapyd.schedule("custom-browser")
    ((_, _, values, _),) = Server.asked
    assert (values["spider"], values["fetch"]) == (["custom"], ["browser"])
    (job,) = values["jobid"]
    running = [{"id": each, "spider": "custom", "start_time": "2026"} for each in (job, "8")]
    says(running=running, pending=[], finished=[])
    assert scrapyd.count_jobs() == {"custom-browser": 1, "custom": 1}


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, "Unauthorized", "check SCRAPYD_PASSWORD"),
        (502, "<h1>Bad gateway</h1>", "answered 502 to schedule.json with no JSON"),
        (200, "[]", "with no JSON"),
        (
            200,
            json.dumps({"status": "error", "message": "spider 'ants' not found"}),
            "spider 'ants' not found",
        ),
    ],
)
def test_what_is_no_yes_says_what_to_do(status: int, body: str, said: str, scrapyd: Scrapyd) -> None:
    Server.answer = (status, body)
    with pytest.raises(ScrapydAway, match=said):
        scrapyd.schedule("ants")


ROOT = Path(__file__).parents[3]
NOWHERE = {"DATABASE_URL": "postgresql://a:b@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}


def start(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def _away(settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "set_up_logs", lambda _: None)  # pytest's own logging stays
    settings_env(
        **NOWHERE,
        PREFECTURES_DIR=ROOT / "deploy" / "sandbox" / "prefectures",
        SCRAPYD_URL="http://127.0.0.1:1",
    )


@pytest.mark.journey
@pytest.mark.processes
@pytest.mark.usefixtures("_away")
@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGTERM, "planning: waits until its server answers"),
        (signal.SIGINT, "Redis is away, health hears nothing of the spiders"),
    ],
)
def test_a_loop_waits_for_servers_that_are_away_and_ends_when_told(number: signal.Signals, said: str) -> None:
    program = start("crawler.loops")
    assert program.stderr
    try:
        while said not in (line := program.stderr.readline()):
            assert line, "it ended by itself"
        began = time.monotonic()
        program.send_signal(number)
        _, rest = program.communicate(timeout=PATIENCE)
    finally:
        program.kill()
        program.communicate()
    assert (program.returncode, "Traceback" in rest) == (0, False)
    assert time.monotonic() - began < 60


@pytest.mark.usefixtures("_away")
def test_wrong_desk_files_are_named(
    desk_files: Callable[..., dict[str, Desk]], tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    desk_files(a="127.77.0.91:8800")
    file = tmp_path / "prefectures" / "evry_91.yaml"
    file.write_text(file.read_text().replace("platform: ezbooking", "platform: nonsense"))
    settings_env()
    with pytest.raises(SystemExit, match=r"evry_91\.yaml.*nonsense"):
        prepare()
