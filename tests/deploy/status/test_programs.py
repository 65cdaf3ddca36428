"""Status of the programs, from the supervisor, the spiders and the workers."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import SimpleWorker

from api.health.process_overview import read_spiders, read_workers
from configs.clock import clock
from configs.job_queues import queue
from deploy.local.programs import write_supervisor
from deploy.local.state_dir import LOGS
from deploy.status import programs

PARENT = """
import pathlib, subprocess, sys, time
named = "import pathlib, time; pathlib.Path('/proc/self/comm').write_text('worker-sms'); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", named])
time.sleep(600)
"""
World = Callable[..., None]
SAID: dict[Any, Any] = {
    "name": "host:17", "system": "prefenligne", "job": "4bd9b662aa", "pid": "17", "state": "serving", "holder": "x",
    "version": "006b666eaa", "memory": "159", "running": "2", "checks": "71",
}  # fmt: skip


def test_spiders_say_their_job_age_and_memory(world: World, redis_server: redis.Redis) -> None:
    started = (clock() - timedelta(minutes=3)).isoformat()
    redis_server.sadd("processes", "host:17", "host:18")
    redis_server.hset("process:host:17", mapping={**SAID, "started": started})
    (said,) = programs.spider_lines(read_spiders())
    assert said.plain == (
        "prefenligne serving 3 min, 159 MB, 71 checks, 2 under way  job 4bd9b662, version 006b666e"
    )


def test_no_spider_and_no_worker_is_said(world: World) -> None:
    assert [text.plain for text in programs.spider_lines(read_spiders())] == [
        "none speaks: nothing is checked"
    ]
    assert [text.plain for text in programs.worker_lines(read_workers())] == ["none: nobody is told"]


def test_workers_say_their_queues_and_what_they_did(world: World) -> None:
    jobs = queue("critical")
    worker = SimpleWorker([jobs], connection=jobs.connection, name="w")
    worker.register_birth()  # type: ignore[no-untyped-call] # RQ's own has no types
    worker.increment_successful_job_count()
    worker.increment_failed_job_count()
    (said,) = programs.worker_lines(read_workers())
    assert said.plain.startswith("critical: ")
    assert said.plain.endswith(", 1 job done, 1 failed")


def test_a_worker_for_a_whole_channel_says_so() -> None:
    sms = [f"sms-{priority}" for priority in ("critical", "immediate", "scheduled", "bulk")]
    assert programs._work([*sms, "many"]) == ["sms", "many"]
    assert programs._work([*sms[:3], "critical"]) == [*sms[:3], "critical"]


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Path]:
    """Run a supervisor with one program that stays and one that cannot start; return its state folder."""
    state = tmp_path / ("50% of a rather long folder " * 4)
    (tmp_path / "parent.py").write_text(PARENT)
    commands = {
        "stays": [sys.executable, str(tmp_path / "parent.py")],
        "fails": [str(tmp_path / "nothing")],
    }
    conf = write_supervisor(state / LOGS, commands, tmp_path)
    process = subprocess.Popen([sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(conf)])
    yield state
    process.terminate()
    process.wait(60)


@pytest.mark.processes
def test_the_supervisors_programs_are_told(supervised: Path) -> None:
    end = time.monotonic() + 120
    told: dict[str, programs.Program] = {}
    while time.monotonic() < end and not any(each.since and each.children for each in told.values()):
        time.sleep(0.1)
        try:
            told = {each.name: each for each in programs.read_programs(supervised)}
        except OSError:
            continue
    assert told["stays"].state == "RUNNING"
    assert told["stays"].memory_mb > 0
    assert told["fails"].state in {"BACKOFF", "STARTING", "FATAL"}
    (said,) = programs.program_lines(list(told.values()))
    assert f"fails {told['fails'].state}" in said.plain
    assert re.search(r"stays .* MB \(worker-sms \d+\)", said.plain)
