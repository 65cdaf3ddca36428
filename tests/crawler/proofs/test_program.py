"""The program `proofs` as a process: it ends at SIGTERM, whatever its browser does."""

import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from configs.ground.clock import clock
from configs.ground.object_store import Blobs
from configs.ground.proof_queue import PAGES, TRIES
from crawler.proofs.outbox import enqueue
from tests.crawler.proofs.made import proof
from tests.notifier.program import Program


@pytest.fixture
def proofs(blobs: Blobs, tmp_path: Path, settings_env: Callable[..., None]) -> Iterator[Program]:
    """Give the program, whose browser hangs at its start, and one page for it."""
    browser = tmp_path / "browser"
    browser.write_text("#!/bin/sh\nexec sleep 300\n")
    browser.chmod(0o755)
    settings_env(BROWSER_PATH=browser)
    enqueue(replace(proof(), seen_at=clock()))
    program = Program(tmp_path / "proofs.log", sys.executable, "-m", "crawler.proofs")
    yield program
    program.kill()


@pytest.mark.journey
def test_who_is_stopped_while_a_browser_hangs_ends_in_time_and_leaves_the_page_to_the_next(
    proofs: Program, redis_server: redis.Redis
) -> None:
    proofs.until(lambda: bool(redis_server.hlen(TRIES)))
    # deploy/compose/production.yaml kills after 15 s; the code is 1 where the worker ended its hanging job
    assert proofs.ends(signal.SIGTERM, within=14) in (0, 1)
    assert redis_server.hlen(PAGES) == 1
