"""One error of each program arrives at Sentry, under the program's name and without personal data."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from api.models.notification import queue_of
from api.models.user import Channel
from configs.programs.jobs import push
from tests.api.world import PREFECTURES
from tests.running_sandbox import Running
from tests.waiting import until, wait_for_port

if TYPE_CHECKING:
    import redis

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("error_programs")]
ROOT = Path(__file__).parents[1]
# By program: which function fails, and the command.
PROGRAMS = {
    "planner": ("crawler.planner.Planner._plan_changes", "crawler.loops"),
    "spider prefenligne": ("crawler.dispatcher.Dispatcher._claim", "scrapy crawl prefenligne"),
    "payments": ("api.jobs.turns.find_due", "api.jobs --only payments"),
    "maintenance": ("api.jobs.turns.find_due", "api.jobs --only maintenance"),
    "proofs": ("configs.ground.proofs.forget_before", "crawler.proofs"),
    "backup": ("deploy.backup.service.BackupService.make_due", "deploy.backup run"),
}
_CHANNELS = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM, Channel.VOICE)
# By parent: which function of its loop fails, the command, the queue and the job that fails for each worker, the loop.
PARENTS = {
    "notifier": (
        "notifier.sweep.unmatched",
        "notifier.workers",
        {
            "worker-critical": ("critical", "notifier.jobs.match"),
            "worker-many": ("receipts", "notifier.jobs.apply_receipts"),
            "worker-webhooks": ("webhooks", "notifier.jobs.deliver_webhooks"),
            **{
                f"worker-{each.value}": (queue_of(each, single=False), "notifier.jobs.deliver")
                for each in _CHANNELS
            },
        },
        "sweep",
    ),
}


@pytest.fixture
def ground(
    database: str,
    redis_server: "redis.Redis",
    sandbox: Running,
    settings_env: Callable[..., None],
    tmp_path: Path,
) -> Running:
    """Set the environment of a small server whose Sentry is the stand-in."""
    settings_env(
        STATE_DIR=tmp_path / "state",
        PREFECTURES_DIR=PREFECTURES,
        SENTRY_DSN=sandbox.sentry_dsn,
        LOG_FORMAT="json",
        BACKUP_URL=tmp_path / "backups",
        BACKUP_RECIPIENTS="age1zpjuf254leve0ngnuvy278dvrfsatgfq8px6qzwahxcf4dfq4s9qkdle9a",
    )
    return sandbox


@contextmanager
def broken(folder: Path, function: str, command: str) -> Iterator[tuple[Path, int]]:
    """Run a program in which a function fails; give its log and its process id."""
    log = folder / "program.log"
    given = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faulty_program", function, *command.split()],
            cwd=ROOT, env=given, stdout=sink, stderr=sink,
        )  # fmt: skip
    try:
        yield log, process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


def find_reports(
    sandbox: Running, log: Path, programs: set[str], again: Callable[[], None] = lambda: None
) -> None:
    """Wait for a report of each program, and look at all that came."""

    def named() -> bool:
        again()
        return programs <= {each["tags"]["program"] for each in sandbox.error_reports()}

    try:
        until(named, 120, pause=0.3)
    except AssertionError:
        found = {each["tags"]["program"] for each in sandbox.error_reports()}
        pytest.fail(f"no report of {programs - found}, the log: {log.read_text()[-3000:]}")
    for report in sandbox.error_reports():
        check_report(report)


def check_report(report: dict[str, Any]) -> None:
    text = json.dumps(report, ensure_ascii=False)
    for part in ("jean", "33612345678", "rdvpriority.fr", "203.0.113.7", "Jean Dupont", "sys.argv", "vars"):
        assert part not in text
    assert socket.gethostname() not in text
    assert report["release"].startswith("rdvpriority@")
    (error, *_) = report.get("exception", {}).get("values") or [pytest.fail(text)]
    assert (error["type"], error["value"]) == ("RuntimeError", "no *** ***, *** ***, ***")
    assert error["stacktrace"]["frames"][-1]["function"] == "fail"


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_error_of_a_program_arrives(ground: Running, tmp_path: Path, program: str) -> None:
    with broken(tmp_path, *PROGRAMS[program]) as (log, _):
        find_reports(ground, log, {program})


@pytest.mark.parametrize("parent", PARENTS)
def test_an_error_of_each_forked_child_arrives(ground: Running, tmp_path: Path, parent: str) -> None:
    function, command, queues, loop = PARENTS[parent]
    numbers = iter(range(10_000))

    def give_jobs() -> None:
        found = {each["tags"]["program"] for each in ground.error_reports()}
        for program, (name, job) in queues.items():
            if program not in found:
                push(name, job, (), f"broken-{next(numbers)}", seconds=10, kept=60)

    functions = ",".join({function, *(job for _, job in queues.values())})
    with broken(tmp_path, functions, command) as (log, _):
        find_reports(ground, log, {*queues, loop}, give_jobs)


# The command and the path that is asked of each server.
SERVERS = {
    "api": (
        "flask.Flask.dispatch_request",
        (
            "gunicorn api.app:create_app() --bind 127.0.0.1:0 --workers 1 --threads 2 --preload"
            " --no-control-socket --config python:api.web.gunicorn_hooks"
        ),
        "/api/health/live",
    ),
    "stream": ("jwt.get_unverified_header", "api.stream --port 0", "/api/notices/stream"),
    "metrics": (
        "deploy.metrics.collector.build_parameters",
        "deploy.metrics --port 0",
        "/metrics",
    ),
}


@pytest.mark.parametrize("program", SERVERS)
def test_an_error_of_a_server_arrives(ground: Running, tmp_path: Path, program: str) -> None:
    function, command, path = SERVERS[program]
    with broken(tmp_path, function, command) as (log, pid):
        url = f"http://127.0.0.1:{wait_for_port(pid, log)}{path}"

        def ask() -> None:
            with suppress(OSError):
                urllib.request.urlopen(
                    urllib.request.Request(url, headers={"Authorization": "Bearer x"}), timeout=5
                )

        find_reports(ground, log, {program}, ask)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["program"] for line in lines} == {program}


def test_an_error_of_discovery_arrives(
    ground: Running, tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    kept = ROOT / "deploy" / "sandbox" / "prefectures" / "melun_77.yaml"  # its own site has a stand-in
    port = ground.site("91").rpartition(":")[2]
    (tmp_path / "prefectures").mkdir()
    (tmp_path / "prefectures" / kept.name).write_text(kept.read_text("utf-8").replace(":8800", f":{port}"))
    settings_env(PREFECTURES_DIR=tmp_path / "prefectures", DISCOVERY_DELAY_SECONDS="0.02")
    with broken(tmp_path, "crawler.spiders.discovery.DiscoverySpider.page", "scrapy crawl discovery") as (
        log,
        _,
    ):
        find_reports(ground, log, {"spider discovery"})
