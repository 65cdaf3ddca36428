"""From the queue to the store, whatever the store and the browser do, and out of both in time."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine

from configs.ground import proof_queue
from configs.ground.clock import clock
from configs.ground.object_store import Blobs
from configs.ground.proof_queue import PAGES, TRIES, ProofStatus, list_waiting
from configs.ground.proofs import BODY, META, PICTURE, body_of, meta_of, new_key, picture_of
from crawler.proofs import __main__ as program
from crawler.proofs.job import MOST_TRIES, store_page
from crawler.proofs.outbox import enqueue
from tests.crawler.checks import NOW
from tests.crawler.proofs.conftest import PAGE, proof
from tests.notifier.program import Program
from tests.waiting import until

KEY = proof().key
HOUR = timedelta(hours=1)


def work(server: redis.Redis) -> None:
    """Do the job of each page that waits, once."""
    for name in list_waiting(server):
        store_page(str(name))


def status(server: redis.Redis) -> ProofStatus:
    proof_queue.report_worker(server, "somewhere")
    found = proof_queue.read_status(server)
    assert found
    return found


def jobs(server: redis.Redis) -> int:
    return int(server.llen("rq:queue:proof-pages"))


def test_a_page_is_stored_pictured_and_forgotten(
    blobs: Blobs, camera: dict[str, Any], redis_server: redis.Redis
) -> None:
    enqueue(proof())
    work(redis_server)
    assert body_of(blobs, meta_of(blobs, KEY)) == PAGE
    assert picture_of(blobs, KEY) == b"PNG"
    assert redis_server.keys("crawler:proofs:[pt]*") == []
    store_page(f"{KEY} 1 1")  # enqueued twice
    assert camera["asked"] == 1


def test_pages_are_stored_before_a_picture_is_taken_that_lasts(
    blobs: Blobs, camera: dict[str, Any], redis_server: redis.Redis
) -> None:
    camera["fails"] = True
    keys = [f"2026/11/20/{number:032x}" for number in range(3)]
    for key in keys:
        enqueue(proof(key))
    store_page(str(list_waiting(redis_server)[0]))
    assert [blobs.names(key) for key in keys] == [[BODY, META]] * 3
    assert (camera["asked"], status(redis_server).waiting) == (1, 3)
    camera["fails"] = False
    work(redis_server)
    assert [blobs.names(key) for key in keys] == [[BODY, META, PICTURE]] * 3
    assert redis_server.hlen(TRIES) == 0


def test_without_a_browser_there_is_no_picture_and_nothing_waits_for_one(
    blobs: Blobs, no_browser: None, redis_server: redis.Redis
) -> None:
    enqueue(proof())
    work(redis_server)
    assert blobs.names(KEY) == [BODY, META]
    assert (status(redis_server).waiting, status(redis_server).pictureless) == (0, 1)


def test_a_page_that_no_browser_survives_is_tried_a_few_times(
    blobs: Blobs, camera: dict[str, Any], redis_server: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    camera["fails"] = True
    enqueue(proof())
    for _ in range(MOST_TRIES + 1):
        work(redis_server)
    assert camera["asked"] == MOST_TRIES
    assert (blobs.names(KEY), status(redis_server).pictureless) == ([BODY, META], 1)
    assert f"the browser failed {MOST_TRIES} times" in caplog.text


@pytest.mark.rule("4.9")
def test_while_the_store_is_away_all_waits_for_it_and_one_is_tried(
    blobs: Blobs,
    camera: dict[str, Any],
    away: Callable[[str], None],
    redis_server: redis.Redis,
    frozen: time_machine.Traveller,
) -> None:
    for number in range(3):
        enqueue(proof(f"2026/11/20/{number:032x}"))
    away("yes")
    work(redis_server)
    frozen.shift(HOUR)
    work(redis_server)
    found = status(redis_server)
    assert (found.waiting, found.away_since, found.away) == (3, NOW, "PROOFS_URL refuses")
    redis_server.delete("rq:queue:proof-pages")
    redis_server.delete(*redis_server.keys("rq:job:proof-pages-*"))
    program.ask_keep_waiting("next")
    assert jobs(redis_server) == 1
    away("")
    work(redis_server)
    assert (status(redis_server).waiting, status(redis_server).away_since) == (0, None)
    program.ask_keep_waiting("next")
    assert camera["asked"] == 3


@pytest.mark.usefixtures("frozen")  # what was seen a week ago is given up
def test_a_job_that_died_with_its_worker_is_enqueued_by_the_next(
    blobs: Blobs, camera: dict[str, Any], redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, puts = Blobs.put, []

    def dies(self: Blobs, key: str, data: bytes) -> None:
        puts.append(key)
        if len(puts) in (2, 4):
            raise KeyboardInterrupt
        real(self, key, data)

    monkeypatch.setattr(Blobs, "put", dies)
    enqueue(proof())
    for pid in ("1", "2"):
        redis_server.lpop("rq:queue:proof-pages")
        with pytest.raises(KeyboardInterrupt):
            work(redis_server)
        assert META not in blobs.names(KEY)
        program.ask_keep_waiting(pid)
        assert jobs(redis_server) == 1
    work(redis_server)
    assert blobs.names(KEY) == [BODY, META, PICTURE]


def test_what_is_too_old_leaves_the_queue_and_the_store(
    blobs: Blobs, camera: dict[str, Any], redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    old, young = (new_key(NOW - timedelta(days=days)) for days in (31, 30))
    for key in (old, young):
        enqueue(proof(key))
    work(redis_server)
    program.delete_old()
    assert (blobs.names(old), blobs.names(young)) == ([], [BODY, META, PICTURE])
    enqueue(proof())
    frozen.shift(timedelta(days=6))
    program.ask_keep_waiting("1")
    assert status(redis_server).waiting == 1
    frozen.shift(timedelta(days=1))
    program.ask_keep_waiting("1")
    assert (status(redis_server).waiting, status(redis_server).given_up) == (0, 1)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://key:secret@bucket/kept?endpoint=http://127.0.0.1:9000", "s3://bucket/kept at 127.0.0.1"),
        ("/var/lib/proofs", "/var/lib/proofs"),
    ],
)
def test_the_store_is_named_without_what_could_be_a_secret(
    settings_env: Callable[..., None], url: str, name: str
) -> None:
    settings_env(PROOFS_URL=url)
    assert program.store_name() == name


def test_a_wrong_setting_is_an_exit_code_of_its_own(
    settings_env: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    settings_env(PROOFS_URL="s3://elsewhere")
    assert program.main() == 2
    assert "PROOFS_URL leaves this machine" in capsys.readouterr().err


@pytest.mark.journey
@pytest.mark.processes
@pytest.mark.timeout(400)
def test_the_program_stores_what_waits_reports_and_ends_when_told(
    blobs: Blobs, settings_env: Callable[..., None], redis_server: redis.Redis
) -> None:
    settings_env(BROWSER_PATH="/nowhere/to/be/found", PROOFS_SECONDS="0.2")
    first, later = (proof(new_key(clock()), at=clock()) for _ in range(2))
    enqueue(first)
    process = subprocess.Popen([sys.executable, "-m", "crawler.proofs"])
    try:
        until(lambda: META in blobs.names(first.key))
        found = proof_queue.read_status(redis_server)
        assert found
        assert found.store.endswith("/state/proofs/kept")
        process.kill()
        process.wait()
        enqueue(later)
        process = subprocess.Popen([sys.executable, "-m", "crawler.proofs"])
        until(lambda: META in blobs.names(later.key))
    finally:
        process.terminate()
        ended = process.wait(60)
    assert ended == 0


# The program `proofs` as a process: it ends at SIGTERM, whatever its browser does.


@pytest.fixture
def worker(blobs: Blobs, tmp_path: Path, settings_env: Callable[..., None]) -> Iterator[Program]:
    """Give the program, whose browser hangs at its start, and one page for it."""
    browser = tmp_path / "browser"
    browser.write_text("#!/bin/sh\nexec sleep 300\n")
    browser.chmod(0o755)
    settings_env(BROWSER_PATH=browser)
    enqueue(proof(at=clock()))
    program = Program(tmp_path / "proofs.log", sys.executable, "-m", "crawler.proofs")
    yield program
    program.kill()


@pytest.mark.journey
def test_who_is_stopped_while_a_browser_hangs_ends_in_time_and_leaves_the_page_to_the_next(
    worker: Program, redis_server: redis.Redis
) -> None:
    worker.until(lambda: bool(redis_server.hlen(TRIES)))
    # deploy/compose/production.yaml kills after 15 s; the code is 1 where the worker ended its hanging job
    assert worker.ends(signal.SIGTERM, within=14) in (0, 1)
    assert redis_server.hlen(PAGES) == 1
