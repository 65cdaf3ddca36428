"""Desks whose state is read: those of the sandbox's files, well unless a test says otherwise."""

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from api.admin.health.checks import CHECKS, HealthChecks
from api.admin.health.findings import PartFinding
from api.models.desk import DeskState, DeskStatus
from configs.ground.clock import clock
from configs.ground.redis import open_redis
from tests.factories import save

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
