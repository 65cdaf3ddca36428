"""A job of retention that is killed half-way, for real: its batches stay, and the next run does the rest."""

import os
import signal
import subprocess
import sys

import pytest
import sqlalchemy as sa

from api.background import jobs
from api.models.base import session
from api.models.support import SupportRequest
from tests.waiting import until

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.journey, pytest.mark.processes]
ROWS = 20_000
_JOB = """
from api.background import jobs
from api.retention import batches
batches.BATCH = 20
jobs.apply_retention()
"""
_SEED = """
INSERT INTO support_requests (email, message, created_at)
SELECT 'x@example.org', 'Bonjour', now() - interval '400 days' FROM generate_series(1, :rows)
"""


def count() -> int:
    with session() as s:
        return s.scalar(sa.select(sa.func.count()).select_from(SupportRequest)) or 0


def test_a_killed_job_loses_nothing_and_the_next_run_ends_its_work() -> None:
    with session() as s:
        s.execute(sa.text(_SEED), {"rows": ROWS})
    job = subprocess.Popen([sys.executable, "-c", _JOB], env=dict(os.environ))
    try:
        until(lambda: count() < ROWS)
        job.send_signal(signal.SIGKILL)
    finally:
        job.kill()
        assert job.wait() == -signal.SIGKILL
    left = count()
    assert 0 < left < ROWS
    assert jobs.apply_retention()["support_requests"] == left
    assert count() == 0
