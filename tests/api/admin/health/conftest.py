"""Desks whose state is read: those of the sandbox's files, well unless a test says otherwise."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine

from api.admin.health.checks import CHECKS, HealthChecks
from api.admin.health.findings import PartFinding
from api.models.backup_state import BackupPart, BackupState
from api.models.base import session
from api.models.desk import DeskState, DeskStatus
from configs.ground.clock import clock
from configs.ground.proof_queue import report_worker
from configs.ground.redis import open_redis
from configs.programs.loop_report import BACKGROUND, PLANNER, STREAM, LoopReport, write_report
from tests.factories import add_check, add_desk, save

SANDBOX = Path(__file__).resolve().parents[4] / "deploy" / "sandbox" / "prefectures"
FIRST, SECOND, THIRD = (
    "bobigny_93/titre-sejour-remise",
    "cergy_95/titre-sejour-remise",
    "creteil_94/naturalisation",
)


@pytest.fixture
def world(
    database: str,
    redis_server: Any,
    frozen: time_machine.Traveller,
    settings_env: Callable[..., None],
) -> Callable[..., None]:
    """Write rows of desks: `world(FIRST, status=…)`; unless told otherwise they are well and asked as wished."""
    settings_env(PREFECTURES_DIR=SANDBOX)

    def write(desk: str, **given: Any) -> None:
        well = {
            "status": DeskStatus.ACTIVE, "status_reason": "watched", "wished_seconds": 60.0, "share_seconds": 10.0,
            "achieved_seconds": 60.0, "last_check_at": clock() - timedelta(seconds=20),
        }  # fmt: skip
        save(DeskState(id=desk, **(well | given)))

    return write


def ask(part: str) -> PartFinding:
    """Return what a new process finds of a part of health."""
    health = HealthChecks(open_redis(), [check for check in CHECKS if check.name == part])
    with closing(health):
        return PartFinding(*health.read_findings(5)[part][:2])


def keeper(server: redis.Redis, **changes: Any) -> None:
    """Report as the keeper of Scrapyd does, with one spider running unless told otherwise."""
    seen = {
        "at": clock().isoformat(),
        "scrapyd": "ok",
        "running": {"prefenligne": 1},
        "wanted": {"prefenligne": 1},
    }
    server.set("crawler:keeper:seen", json.dumps(seen | changes))


def report_well(server: redis.Redis) -> None:
    """Report as running programs do, and as the backup service does."""
    now = clock()
    keeper(server)
    for key in (PLANNER, *BACKGROUND.values(), STREAM):
        write_report(server, LoopReport(at=now), key)
    report_worker(server, "s3://secret-place")
    add_desk(wished_seconds=30, feasible_seconds=30)
    add_check(started_at=now)
    with session() as s:
        for part in BackupPart:
            s.merge(BackupState(part=part, finished_at=now, bytes=100))
